"""D_up: the map of SAIPE's trunk made a picture again, for training only.

It holds the trunk to what is needed to rebuild a picture while the text pulls at its meaning.
Source: SODiff (arXiv 2508.07346), figure of SAIPE. Shapes as in
:mod:`restora.networks.sodiff.saipe`.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from restora.networks.sodiff.saipe import SAIPEConfig, SwinStages
from restora.networks.sodiff.swin import upscale


class Reconstruction(nn.Module):
    """Residual Swin blocks, then convolutions that double the map twice."""

    mean: Tensor

    def __init__(self, config: SAIPEConfig) -> None:
        super().__init__()
        channels, width = config.channels, config.recon_width
        self.up = SwinStages(config, layers=config.recon_layers, heads=config.recon_heads)
        self.at_quarter = nn.Conv2d(channels, width, 3, padding=1)
        self.at_half = nn.Conv2d(width, width, 3, padding=1)
        self.at_full = nn.Conv2d(width, width, 3, padding=1)
        self.tail = nn.Conv2d(width, 3, 3, padding=1)
        self.bend = nn.LeakyReLU(0.2, inplace=True)
        mean = torch.tensor(config.mean_rgb)[:, None, None]
        self.register_buffer("mean", mean, persistent=False)

    def forward(self, mid: Tensor) -> Tensor:
        """The trunk's map (B, C, G, G) to a picture (B, 3, S, S), not clipped."""
        x = mid + self.up(mid.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        x = upscale(self.bend(self.at_quarter(x)))
        x = upscale(self.bend(self.at_half(x)))
        return cast(Tensor, self.tail(self.bend(self.at_full(x)))) + self.mean
