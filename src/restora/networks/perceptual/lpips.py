"""LPIPS on VGG16, version 0.1, from two files the user names; only to measure with.

Source: Zhang et al., The Unreasonable Effectiveness of Deep Features as a Perceptual Metric, CVPR
2018, section 3.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn

from restora.errors import WeightsError
from restora.networks.perceptual.vgg16 import VGG16, read_tensors

LENGTH_FLOOR = 1e-10  # added to the length of the features at a place


class LPIPS(nn.Module):
    """Weighted squared distances of features whose length at every place is made 1."""

    def __init__(self, vgg: VGG16, linear: list[Tensor]) -> None:
        """Take a VGG16 and the weights of its stages.

        Args:
            vgg: With ``pooling="max"``.
            linear: A weight for each channel of every stage, each of any shape.

        Raises:
            WeightsError: The weights are of other stages.
        """
        super().__init__()
        counts = tuple(weights.numel() for weights in linear)
        if counts != vgg.channels:
            raise WeightsError(f"LPIPS takes {vgg.channels} weights for its stages, not {counts}.")
        self.vgg = vgg
        self.linear = nn.ParameterList(weights.flatten() for weights in linear)
        self.requires_grad_(False)

    @classmethod
    def load(cls, vgg_path: Path, linear_path: Path) -> Self:
        """Read both files.

        Args:
            vgg_path: torchvision's weights of VGG16.
            linear_path: The release's ``vgg.pth`` of version 0.1, ``lin0.model.1.weight`` and on.

        Raises:
            WeightsError: A file is missing, damaged or of the wrong kind.
        """
        tensors = read_tensors(linear_path)
        names = [f"lin{stage}.model.1.weight" for stage in range(5)]
        missing = [name for name in names if name not in tensors]
        if missing:
            raise WeightsError(f"{linear_path}: these are no weights of LPIPS: no {missing[0]}.")
        vgg = VGG16(read_tensors(vgg_path), pooling="max", source=str(vgg_path))
        return cls(vgg, [tensors[name] for name in names])

    @torch.no_grad()
    def forward(self, restored: Tensor, clean: Tensor) -> Tensor:
        """Distances (B,) of pictures (B, 3, H, W), RGB, 0-1; without a gradient."""
        total = restored.new_zeros(len(restored))
        for x, y, weights in zip(self.vgg(restored), self.vgg(clean), self.linear, strict=True):
            squares = (_unit(x) - _unit(y)).square().mean((2, 3))
            total = total + squares @ weights
        return total


def _unit(x: Tensor) -> Tensor:
    """(B, C, h, w) with the length over C made 1."""
    return x / (x.square().sum(1, keepdim=True).sqrt() + LENGTH_FLOOR)
