"""The graphs other programs see: for FBCNN encoder, decoder, and the whole of them in one.

Those of the other methods are in modules of their own.

Shapes: N pictures, C channels, H×W pixels. Pixels are 0-1, quality is 1-100.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from restora.networks.catalogue import Network
from restora.networks.dagn import DAGN
from restora.networks.fbcnn import FBCNN, quality_to_strength, strength_to_quality
from restora.networks.sodiff.network import SODiff
from restora.networks.sr_diff.network import SRDiff
from restora.networks.ssp_ir.network import SSPIR
from restora.training.graphs_dagn import dagn_tracing
from restora.training.graphs_sodiff import sodiff_tracing
from restora.training.graphs_sr_diff import sr_diff_tracing
from restora.training.graphs_ssp_ir import ssp_ir_tracing
from restora.training.tracing import (
    OpenSizes,
    Tracing,
    example_picture,
    example_row,
    feature_names,
    to_onnx,
)

__all__ = ["WHOLE", "feature_names", "trace"]

WHOLE = "whole"  # a part that is all of them; the others are those of a card


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


def trace(network: Network, part: str) -> Any:
    """A part of the network as an ONNX model with dynamic batch, height and width.

    Args:
        network: The network; it is put into evaluation on the CPU.
        part: One of its :data:`restora.weights.cards.PARTS`, or :data:`WHOLE`, which diffusion
            models lack.

    Raises:
        WeightsError: PyTorch's exporter gave nothing back.
    """
    network = network.eval().to("cpu", memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    if isinstance(network, DAGN):
        return to_onnx(dagn_tracing(network, part))
    if isinstance(network, SODiff):
        return to_onnx(sodiff_tracing(network, part))
    if isinstance(network, SRDiff):
        return to_onnx(sr_diff_tracing(network, part))
    if isinstance(network, SSPIR):
        return to_onnx(ssp_ir_tracing(network, part))
    return to_onnx(_fbcnn_tracing(network, part))


def _fbcnn_tracing(network: FBCNN, part: str) -> Tracing:
    """How to export one of ``encoder``, ``decoder`` and ``whole``."""
    config, sizes = network.config, OpenSizes()
    multiple = config.multiple_px
    picture = example_picture(config.channels, multiple)
    quality = example_row(50.0)
    if part == WHOLE:
        return Tracing(
            WholeGraph(network),
            (picture, quality),
            (sizes.map(), sizes.row()),
            ["picture", "quality"],
            ["restored", "predicted_quality"],
        )
    names = feature_names(network)
    if part == "encoder":
        return Tracing(
            EncoderGraph(network),
            (picture,),
            (sizes.map(multiple),),
            ["picture"],
            [*names, "predicted_quality"],
        )
    with torch.no_grad():
        features, _ = network.analyse(picture)
    scales = range(len(config.widths) - 1, -1, -1)
    each = tuple(sizes.map(2**k) for k in (*scales, 0))
    return Tracing(
        DecoderGraph(network),
        (picture, tuple(features), quality),
        (sizes.map(multiple), each, sizes.row()),
        ["picture", *names, "quality"],
        ["restored"],
    )
