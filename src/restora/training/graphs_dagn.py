"""The graphs of a DAGN that other programs see: survey, encoder, decoder, and all in one.

Between survey and encoder stands what no graph of a tile can do: the means over the whole picture,
:mod:`restora.engine.survey`.

Shapes: N pictures, C channels, H×W pixels; S, I and K channels. Pixels are 0-1, quality is 1-100.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from restora.networks.dagn import DAGN
from restora.networks.fbcnn import quality_to_strength, strength_to_quality
from restora.training.tracing import (
    OpenSizes,
    Tracing,
    example_picture,
    example_row,
    feature_names,
)


class SurveyGraph(nn.Module):
    """``picture`` (N, C, H, W) to ``sensitive``, ``insensitive``, ``keys`` and ``values``.

    Each is (N, ., H/16, W/16); H and W are multiples of 16.
    """

    def __init__(self, network: DAGN) -> None:
        super().__init__()
        self.network = network

    def forward(self, picture: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.network.look(picture))


class EncoderGraph(nn.Module):
    """A tile to its features and ``predicted_quality`` (N,), the whole picture's.

    ``picture`` is (N, C, H, W), ``keys`` and ``values`` are (N, 85, K), ``sensitive_code`` (N, S).
    """

    def __init__(self, network: DAGN) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, picture: Tensor, keys: Tensor, values: Tensor, sensitive_code: Tensor
    ) -> tuple[Tensor, ...]:
        features = self.network.analyse(picture, keys, values)
        predicted = self.network.predict(sensitive_code)
        return *features, strength_to_quality(predicted)[:, 0]


class DecoderGraph(nn.Module):
    """A tile, its features, the codes and a quality to ``restored``, not clipped.

    ``quality`` is (N,); ``insist`` (N,) is 1 where it stands instead of the sensitive code, else 0.
    """

    def __init__(self, network: DAGN) -> None:
        super().__init__()
        self.network = network

    def forward(  # noqa: PLR0917 - the inputs of the graph
        self,
        picture: Tensor,
        features: Sequence[Tensor],
        sensitive_code: Tensor,
        insensitive_code: Tensor,
        quality: Tensor,
        insist: Tensor,
    ) -> Tensor:
        return self.network.reconstruct(
            picture,
            list(features),
            sensitive_code,
            insensitive_code,
            quality_to_strength(quality)[:, None],
            insist[:, None],
        )


class WholeGraph(nn.Module):
    """All in one, for pictures of any size, each seen as a whole.

    ``picture`` (N, C, H, W), ``quality`` (N,), NaN for "predict", and ``insist`` (N,) become
    ``restored``, not clipped, and ``predicted_quality`` (N,).
    """

    def __init__(self, network: DAGN) -> None:
        super().__init__()
        self.network = network

    def forward(self, picture: Tensor, quality: Tensor, insist: Tensor) -> tuple[Tensor, Tensor]:
        strength = quality_to_strength(quality)[:, None]
        restored, predicted = self.network(picture, strength, insist[:, None])
        return restored, strength_to_quality(predicted)[:, 0]


def dagn_tracing(network: DAGN, part: str) -> Tracing:
    """How to export one of ``survey``, ``encoder``, ``decoder`` and ``whole``."""
    config, sizes = network.config, OpenSizes()
    multiple = config.multiple_px
    picture = example_picture(config.channels, multiple)
    quality, insist = example_row(50.0), example_row(0.0)
    if part == "whole":
        return Tracing(
            WholeGraph(network),
            (picture, quality, insist),
            (sizes.map(), sizes.row(), sizes.row()),
            ["picture", "quality", "insist"],
            ["restored", "predicted_quality"],
        )
    if part == "survey":
        return Tracing(
            SurveyGraph(network),
            (picture,),
            (sizes.map(multiple),),
            ["picture"],
            ["sensitive", "insensitive", "keys", "values"],
        )
    with torch.no_grad():
        guidance = network.pool(network.look(picture))
        features = tuple(network.analyse(picture, guidance.keys, guidance.values))
    names = feature_names(network)
    if part == "encoder":
        return Tracing(
            EncoderGraph(network),
            (picture, guidance.keys, guidance.values, guidance.sensitive),
            (sizes.map(multiple), sizes.row(), sizes.row(), sizes.row()),
            ["picture", "keys", "values", "sensitive_code"],
            [*names, "predicted_quality"],
        )
    steps = [multiple // (config.unshuffle * 2**k) for k in range(len(config.widths))]
    each = tuple(sizes.map(step) for step in (*steps, steps[-1]))
    return Tracing(
        DecoderGraph(network),
        (picture, features, guidance.sensitive, guidance.insensitive, quality, insist),
        (sizes.map(multiple), each, *[sizes.row()] * 4),
        ["picture", *names, "sensitive_code", "insensitive_code", "quality", "insist"],
        ["restored"],
    )
