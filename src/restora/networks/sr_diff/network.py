"""SR-Diff: what a picture shows, cleaned of its damage, guides a diffusion back to the clean one.

Source: SR-Diff (Zhu et al.), its public code; nothing of the paper but that was to be had. Shapes:
B pictures of H×W pixels, 0-1; N tokens of F numbers from an image encoder, of D in the context.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from restora.networks.sr_diff.config import SRDiffConfig
from restora.networks.sr_diff.judge import Judge
from restora.networks.sr_diff.refiner import Refiner
from restora.networks.sr_diff.unet import ConditionalUNet


class SRDiff(nn.Module):
    """The whole of it, but for the frozen image encoder, which is nobody's part."""

    kept: Tensor
    spread: Tensor

    def __init__(self, config: SRDiffConfig) -> None:
        super().__init__()
        self.config = config
        sde = config.sde.make()
        # As tensors, since a graph looks them up by a step that it is given.
        for name, table in (("kept", sde.kept), ("spread", sde.spread)):
            self.register_buffer(name, torch.from_numpy(table).float(), persistent=False)
        self.refiner = Refiner(config.refiner, config.token_dim)
        self.judge = None if config.judge is None else Judge(config.judge, config.tasks)
        self.unet = ConditionalUNet(
            config.unet,
            token_dim=config.context_dim,
            tasks=len(config.tasks),
            quiet=config.predicts == "clean",
        )

    def context(self, tokens: Tensor) -> Tensor:
        """What guides the U-Net, of an encoder's tokens (B, N, F): (B, N, D), or nothing but 0."""
        projected = self.refiner.project(tokens)
        if self.config.context == "none":
            return torch.zeros_like(projected)
        return self.refiner.refine(projected) if self.config.context == "refined" else projected

    def forward(
        self,
        state: Tensor,
        degraded: Tensor,
        time: Tensor,
        task: Tensor,
        context: Tensor,
    ) -> Tensor:
        """The clean pictures as the network sees them.

        Args:
            state: (B, 3, H, W) x_t.
            degraded: (B, 3, H, W) mu. Any sides: they are reflected up to multiples of
                ``config.multiple_px`` and cut again.
            time: (B,) t, 1 to the steps of the SDE.
            task: (B, K) one-hot in the order of ``config.tasks``.
            context: (B, N, D) of :meth:`context`.

        Returns:
            (B, 3, H, W), not clipped.
        """
        told = self.prediction(state, degraded, time, task, context)
        if self.config.predicts == "clean":
            return degraded + told
        kept, spread = (
            table[time.long()][:, None, None, None] for table in (self.kept, self.spread)
        )
        return degraded + (state - degraded - spread * told) / kept

    def prediction(
        self,
        state: Tensor,
        degraded: Tensor,
        time: Tensor,
        task: Tensor,
        context: Tensor,
    ) -> Tensor:
        """What the U-Net itself gives: noise, or what the degraded picture lacks."""
        height, width = state.shape[-2:]
        multiple = self.config.multiple_px
        border = (0, -width % multiple, 0, -height % multiple)
        if any(border):
            # Reflection needs more pixels than it adds; tiny pictures repeat their edge.
            small = border[1] >= width or border[3] >= height
            mode = "replicate" if small else "reflect"
            state, degraded = (functional.pad(x, border, mode=mode) for x in (state, degraded))
        told = self.unet(state, degraded, time, task, context)
        return cast(Tensor, told[..., :height, :width])


def one_hot(task: int, tasks: int, count: int) -> Tensor:
    """(count, tasks): the same task for each picture."""
    return torch.eye(tasks)[task].repeat(count, 1)
