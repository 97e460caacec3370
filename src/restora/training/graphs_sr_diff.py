"""The graphs of an SR-Diff that other programs see: judge, refiner and denoiser.

The image encoder, which is frozen and not its own, comes before the refiner. The denoiser sees
tiles, once for each step; what lies between steps is arithmetic outside.

Shapes: N pictures of H×W pixels, 0-1; V views of S×S pixels; T tokens of F numbers from the
encoder, of D in the context; K tasks.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from restora.errors import WeightsError
from restora.networks.sr_diff.network import SRDiff, one_hot
from restora.training.tracing import EXAMPLE_BATCH, OpenSizes, Tracing, example_picture


class JudgeGraph(nn.Module):
    """``views`` (V, 3, S, S) of one picture, the whole first, to ``logits`` (1, 1 + K).

    Of "nothing" and of each task; V is 2 or more.
    """

    def __init__(self, network: SRDiff) -> None:
        super().__init__()
        self.judge = network.judge

    def forward(self, views: Tensor) -> Tensor:
        assert self.judge is not None
        return self.judge(views)  # type: ignore[no-any-return]


class RefinerGraph(nn.Module):
    """``tokens`` (N, T, F) to ``context`` (N, T, D)."""

    def __init__(self, network: SRDiff) -> None:
        super().__init__()
        self.refiner = network.refiner
        self.used = network.config.context

    def forward(self, tokens: Tensor) -> Tensor:
        projected = self.refiner.project(tokens)
        if self.used == "none":
            return projected * 0
        # A graph that does nothing would have one name for what goes in and what comes out.
        return self.refiner.refine(projected) if self.used == "refined" else projected.clone()


class DenoiserGraph(nn.Module):
    """One look: the clean pictures (N, 3, H, W), not clipped.

    ``state`` and ``degraded`` are (N, 3, H, W), ``time`` (N,), ``task`` (N, K) a 1 among zeros,
    ``context`` (N, T, D).
    """

    def __init__(self, network: SRDiff) -> None:
        super().__init__()
        self.unet = network.unet
        self.network = network

    def forward(
        self, state: Tensor, degraded: Tensor, time: Tensor, task: Tensor, context: Tensor
    ) -> Tensor:
        return self.network(state, degraded, time, task, context)  # type: ignore[no-any-return]


def sr_diff_tracing(network: SRDiff, part: str) -> Tracing:
    """How to export one of ``judge``, ``refiner`` and ``denoiser``.

    Raises:
        WeightsError: It has no judge.
    """
    config, sizes = network.config, OpenSizes()
    if part == "judge":
        if config.judge is None:
            raise WeightsError(
                "This SR-Diff has no judge: network.judge of its recipe is null; take --format "
                "safetensors."
            )
        side = config.judge.side_px
        views = torch.zeros(EXAMPLE_BATCH, 3, side, side)
        return Tracing(
            JudgeGraph(network), (views,), (sizes.row(),), ["views"], ["logits"], as_stored=True
        )
    tokens = torch.randn(EXAMPLE_BATCH, config.tokens, config.token_dim)
    if part == "refiner":
        return Tracing(
            RefinerGraph(network),
            (tokens,),
            (sizes.row(),),
            ["tokens"],
            ["context"],
            as_stored=True,
        )
    picture = example_picture(config.channels, config.multiple_px)
    with torch.no_grad():
        context = network.context(tokens).clone()
    inputs = (
        picture,
        picture.clone(),
        torch.full((EXAMPLE_BATCH,), 50.0),
        one_hot(0, len(config.tasks), EXAMPLE_BATCH),
        context,
    )
    opened = (
        sizes.map(config.multiple_px),
        sizes.map(config.multiple_px),
        *(sizes.row() for _ in range(3)),
    )
    return Tracing(
        DenoiserGraph(network),
        inputs,
        opened,
        ["state", "degraded", "time", "task", "context"],
        ["clean"],
        as_stored=True,
    )
