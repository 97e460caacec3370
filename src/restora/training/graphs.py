"""The graphs other programs see: encoder, decoder, and the whole of them in one.

Shapes: N pictures, C channels, H×W pixels. Pixels are 0-1, quality is 1-100.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from restora._optional import require
from restora.errors import WeightsError
from restora.networks.fbcnn import FBCNN, quality_to_strength, strength_to_quality

OPSET = 20
EXAMPLE_STEPS = (3, 4)  # height and width of an example, in steps of the bottom scale

Part = Literal["encoder", "decoder", "whole"]


class EncoderGraph(nn.Module):
    """``picture`` (N, C, H, W) to features and ``predicted_quality`` (N,).

    The slow part that a quality setting does not touch. H and W are multiples of 16.
    """

    def __init__(self, network: FBCNN) -> None:
        super().__init__()
        self.network = network

    def forward(self, picture: Tensor) -> tuple[Tensor, ...]:
        features, predicted = self.network.analyse(picture)
        return *features, strength_to_quality(predicted)[:, 0]


class DecoderGraph(nn.Module):
    """``picture``, the encoder's features and ``quality`` (N,) to ``restored``, not clipped."""

    def __init__(self, network: FBCNN) -> None:
        super().__init__()
        self.network = network

    def forward(self, picture: Tensor, features: Sequence[Tensor], quality: Tensor) -> Tensor:
        strength = quality_to_strength(quality)[:, None]
        return self.network.reconstruct(picture, list(features), strength)


class WholeGraph(nn.Module):
    """Encoder and decoder in one, for pictures of any size.

    ``picture`` (N, C, H, W) and ``quality`` (N,), NaN for "predict", become ``restored``, not
    clipped, and ``predicted_quality`` (N,).
    """

    def __init__(self, network: FBCNN) -> None:
        super().__init__()
        self.network = network

    def forward(self, picture: Tensor, quality: Tensor) -> tuple[Tensor, Tensor]:
        restored, predicted = self.network(picture, quality_to_strength(quality)[:, None])
        return restored, strength_to_quality(predicted)[:, 0]


def feature_names(network: FBCNN) -> list[str]:
    """What the encoder's features are called, full size first."""
    return [*(f"skip_{k}" for k in range(len(network.config.widths))), "body"]


def trace(network: FBCNN, part: Part) -> Any:
    """A part of the network as an ONNX model with dynamic batch, height and width.

    Raises:
        WeightsError: PyTorch's exporter gave nothing back.
    """
    require("onnx", extra="train")
    require("onnxscript", extra="train")
    network = network.eval().to("cpu", memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    multiple = network.config.multiple_px
    rows, columns = EXAMPLE_STEPS
    graph: nn.Module
    example: tuple[Any, ...]
    shapes: tuple[Any, ...]
    picture = torch.zeros(2, network.config.channels, rows * multiple, columns * multiple)
    quality = torch.full((2,), 50.0)
    batch, height, width = (torch.export.Dim(name) for name in ("batch", "height", "width"))
    if part == "whole":
        graph, example = WholeGraph(network), (picture, quality)
        shapes = ({0: batch, 2: height, 3: width}, {0: batch})
        names = (["picture", "quality"], ["restored", "predicted_quality"])
    else:
        steps = {0: batch, 2: multiple * height, 3: multiple * width}
        features = feature_names(network)
        if part == "encoder":
            graph, example, shapes = EncoderGraph(network), (picture,), (steps,)
            names = (["picture"], [*features, "predicted_quality"])
        else:
            with torch.no_grad():
                made, _ = network.analyse(picture)
            scales = [len(network.config.widths) - 1 - k for k in range(len(made) - 1)] + [0]
            graph, example = DecoderGraph(network), (picture, tuple(made), quality)
            each = tuple(
                {0: batch, 2: 2**k * height if k else height, 3: 2**k * width if k else width}
                for k in scales
            )
            shapes = (steps, each, {0: batch})
            names = (["picture", *features, "quality"], ["restored"])
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it misses torchvision, aloud
    with warnings.catch_warnings():  # the exporter warns about its own insides
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            graph.eval(),
            example,
            input_names=names[0],
            output_names=names[1],
            dynamic_shapes=shapes,
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    if program is None:
        raise WeightsError("PyTorch's ONNX exporter gave nothing back.")
    return program.model_proto
