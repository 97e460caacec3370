"""Gaussian and Poisson noise, in colour or in gray.

Source: Wang et al. 2021 (Real-ESRGAN, 3.2). There the counts of Poisson noise follow the number of
gray levels that a picture happens to have; here white is always 256 counts, as in any photo with
all levels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from restora.degradations.real_world.settings import Noise

_COUNTS = 256
_BT601 = (0.299, 0.587, 0.114)


def noisy(pictures: Tensor, noises: Sequence[Noise]) -> Tensor:
    """Add to each picture its own noise.

    Args:
        pictures: (B, 3, H, W); Poisson noise is that of the values clipped to 0-1.
        noises: B. The same seed gives the same noise on the same kind of device.

    Returns:
        (B, 3, H, W), clipped to 0-1.
    """
    added = [noise_of(picture, each) for picture, each in zip(pictures, noises, strict=True)]
    return (pictures + torch.stack(added)).clamp_(0, 1)


def noise_of(picture: Tensor, noise: Noise) -> Tensor:
    """The noise of one picture (3, H, W): the same shape, mean 0."""
    generator = torch.Generator(picture.device).manual_seed(noise.seed)
    light = picture
    if noise.gray:
        light = (picture * picture.new_tensor(_BT601)[:, None, None]).sum(0, keepdim=True)
    if noise.kind == "gaussian":
        drawn = torch.randn(
            light.shape, generator=generator, device=light.device, dtype=light.dtype
        )
    else:
        expected = light.clamp(0, 1) * _COUNTS
        drawn = (torch.poisson(expected, generator) - expected) / _COUNTS
    return (noise.level * drawn).expand_as(picture)
