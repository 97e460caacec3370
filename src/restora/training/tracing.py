"""From a module and example inputs to an ONNX model with open sizes."""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.export import Dim

from restora._optional import require
from restora.errors import WeightsError
from restora.networks.catalogue import Network

OPSET = 20
EXAMPLE_BATCH = 2
EXAMPLE_STEPS = (3, 4)  # height and width of an example, in steps of the bottom scale

Sizes = dict[int, Any]  # by dimension: what is open


@dataclass(frozen=True)
class Tracing:
    """What the exporter needs to know of one graph.

    Attributes:
        graph: The module.
        example: Inputs it can be run with.
        shapes: For each of them, which sizes are open.
        inputs, outputs: Their names.
    """

    graph: nn.Module
    example: tuple[Any, ...]
    shapes: tuple[Any, ...]
    inputs: list[str]
    outputs: list[str]


class OpenSizes:
    """The sizes that stay open: how many pictures, and height and width in steps of pixels."""

    def __init__(self) -> None:
        self.batch, self.height, self.width = (Dim(name) for name in ("batch", "height", "width"))

    def row(self) -> Sizes:
        """(N, ...), the rest fixed."""
        return {0: self.batch}

    def map(self, step: int = 1) -> Sizes:
        """(N, C, H, W), height and width multiples of ``step``."""
        if step == 1:
            return {0: self.batch, 2: self.height, 3: self.width}
        return {0: self.batch, 2: step * self.height, 3: step * self.width}


def example_picture(channels: int, multiple_px: int) -> torch.Tensor:
    """A black picture (N, C, H, W)."""
    rows, columns = EXAMPLE_STEPS
    return torch.zeros(EXAMPLE_BATCH, channels, rows * multiple_px, columns * multiple_px)


def example_row(value: float) -> torch.Tensor:
    """A number for each picture, (N,)."""
    return torch.full((EXAMPLE_BATCH,), value)


def feature_names(network: Network) -> list[str]:
    """What the encoder's features are called, full size first."""
    return [*(f"skip_{k}" for k in range(len(network.config.widths))), "body"]


def to_onnx(tracing: Tracing) -> Any:
    """The graph as an ONNX model.

    Raises:
        WeightsError: PyTorch's exporter gave nothing back.
        MissingExtra: The exporter is not installed.
    """
    require("onnx", extra="train")
    optimizer = require("onnxscript.optimizer", extra="train")
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it misses torchvision, aloud
    # Optimised, a normalisation is folded into its convolution, and the weights are others.
    # ONNX Runtime does so when it loads the file.
    normed = any(isinstance(module, nn.BatchNorm2d) for module in tracing.graph.modules())
    with warnings.catch_warnings():  # the exporter warns about its own insides
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            tracing.graph.eval(),
            tracing.example,
            input_names=tracing.inputs,
            output_names=tracing.outputs,
            dynamic_shapes=tracing.shapes,
            opset_version=OPSET,
            dynamo=True,
            optimize=not normed,
            verbose=False,
        )
    if program is None:
        raise WeightsError("PyTorch's ONNX exporter gave nothing back.")
    if normed:
        # Without its constants ONNX Runtime warns of every one that it cannot fold.
        optimizer.fold_constants(program.model)
        optimizer.remove_unused_nodes(program.model)
    return program.model_proto
