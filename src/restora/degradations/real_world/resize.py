"""Changes of size, without care for aliasing: careless software is what they stand for.

Source: Wang et al. 2021 (Real-ESRGAN, 3.1).
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from restora.degradations.real_world.settings import Interpolation

Size = tuple[int, int]


def size_at(full: Size, factor: float) -> Size:
    """A size (height, width) times a factor, rounded, at least 1x1."""
    return max(1, round(full[0] * factor)), max(1, round(full[1] * factor))


def resized(pictures: Tensor, size: Size, interpolation: Interpolation) -> Tensor:
    """Bring pictures (B, C, H, W) to a size (height, width); bicubic may overshoot."""
    if tuple(pictures.shape[-2:]) == size:
        return pictures
    if interpolation == "area":
        return functional.interpolate(pictures, size, mode="area")
    return functional.interpolate(pictures, size, mode=interpolation, align_corners=False)
