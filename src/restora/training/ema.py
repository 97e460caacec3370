"""Exponential moving average of a network's weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Ema:
    """Keeps ``average = decay * average + (1 - decay) * weight``, warmed up at the start."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.weights = {k: v.detach().clone() for k, v in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Move the average towards the network after optimiser step ``step`` (from 0)."""
        # Early on a long memory would hold the random start; (1+k)/(10+k) forgets it.
        decay = min(self.decay, (1 + step) / (10 + step))
        current = network.state_dict()
        moving = [k for k, v in self.weights.items() if v.is_floating_point()]
        torch._foreach_lerp_(
            [self.weights[k] for k in moving], [current[k] for k in moving], 1 - decay
        )
        for key in self.weights.keys() - set(moving):  # batch norm counts its batches
            self.weights[key].copy_(current[key])

    def load(self, weights: dict[str, Tensor]) -> None:
        """Continue from saved averages."""
        for key, value in self.weights.items():
            value.copy_(weights[key])
