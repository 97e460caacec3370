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
from restora.networks.dagn import DAGN
from restora.networks.fbcnn import FBCNN

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
        as_stored: Keep every weight under its name and in its shape. Optimised, a linear map would
            be stored the other way round, and a normalisation inside its convolution.
    """

    graph: nn.Module
    example: tuple[Any, ...]
    shapes: tuple[Any, ...]
    inputs: list[str]
    outputs: list[str]
    as_stored: bool = False


class OpenSizes:
    """The sizes that stay open: how many pictures, and height and width in steps of pixels."""

    def __init__(self, *, most: int | None = None) -> None:
        """
        Args:
            most: Pictures the module behaves alike for; None: any number.
        """
        self.batch, self.height, self.width = (
            Dim("batch", max=most),
            *(Dim(name) for name in ("height", "width")),
        )

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


def feature_names(network: FBCNN | DAGN) -> list[str]:
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
    # ONNX Runtime folds them when it loads the file.
    normed = any(isinstance(module, nn.BatchNorm2d) for module in tracing.graph.modules())
    as_stored = normed or tracing.as_stored
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
            optimize=not as_stored,
            verbose=False,
        )
    if program is None:
        raise WeightsError("PyTorch's ONNX exporter gave nothing back.")
    if as_stored:
        weights = tracing.graph.state_dict().keys()

        def may_fold(node: Any) -> bool | None:
            reads = (value.name for value in node.inputs if value is not None)
            return False if any(name in weights for name in reads) else None

        # Without its constants ONNX Runtime warns of every one that it cannot fold.
        optimizer.fold_constants(program.model, should_fold=may_fold)
        optimizer.remove_unused_nodes(program.model)
    return program.model_proto
