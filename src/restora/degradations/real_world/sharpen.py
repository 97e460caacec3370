"""Unsharp masking of the clean picture.

The published training sharpens its targets so that what it learns to give looks crisp. That is no
damage and moves the target away from the photo, so nothing here does it unasked.

Source: Wang et al. 2021 (Real-ESRGAN, "sharpened ground truth").
"""

from __future__ import annotations

import torch
from torch import Tensor

from restora.degradations.real_world.kernels import convolved

_SIDE_PX = 51
_SIGMA_PX = 8.0
_AMOUNT = 0.5
_THRESHOLD = 10 / 255


def sharpen(clean: Tensor) -> Tensor:
    """Sharpen where a picture differs from its blur by more than 10 levels.

    Args:
        clean: (B, C, H, W), 0-1, any size from 1x1.

    Returns:
        The same shape and range.
    """
    detail = clean - _blurred(clean)
    share = _blurred((detail.abs() > _THRESHOLD).to(clean.dtype))
    sharp = (clean + _AMOUNT * detail).clamp(0, 1)
    return share * sharp + (1 - share) * clean


def _blurred(pictures: Tensor) -> Tensor:
    at = torch.arange(_SIDE_PX, device=pictures.device, dtype=pictures.dtype) - _SIDE_PX // 2
    line = torch.exp(-0.5 * (at / _SIGMA_PX) ** 2)
    lines = (line / line.sum()).expand(len(pictures), -1)
    return convolved(convolved(pictures, lines[:, None]), lines[:, :, None])
