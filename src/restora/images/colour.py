"""Two conversions to luma that must never be mixed up, each under its own name.

*JFIF* is what JPEG files use: full range, luma 0-1 (0-255 in bytes). *BT.601 studio range* is what
the papers measure PSNR-Y on, because MATLAB's ``rgb2ycbcr`` computes it: luma 16-235.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["bt601_luma", "jfif_luma", "rgb_from_ycbcr", "ycbcr_from_rgb"]

Float = TypeVar("Float", np.float32, np.float64)

# JFIF 1.02, page 3.
_KR, _KG, _KB = 0.299, 0.587, 0.114


def jfif_luma(rgb: NDArray[Float]) -> NDArray[Float]:
    """Full-range luma of JPEG.

    Args:
        rgb: ``(..., 3)`` float, any range.

    Returns:
        ``(...)`` in the same range and dtype.
    """
    weights = np.array([_KR, _KG, _KB], rgb.dtype)
    luma: NDArray[Float] = rgb @ weights
    return luma


def ycbcr_from_rgb(rgb: NDArray[Float]) -> NDArray[Float]:
    """JPEG's Y, Cb, Cr from RGB.

    Args:
        rgb: ``(..., 3)`` float in 0-1.

    Returns:
        ``(..., 3)`` of the same dtype: Y in 0-1; Cb and Cr in 0-1 with neutral at 128/255, so that
        ×255 gives the numbers libjpeg codes, unrounded and unclipped.
    """
    luma = jfif_luma(rgb)
    neutral = 128 / 255
    blue = (rgb[..., 2] - luma) / (2 - 2 * _KB) + neutral
    red = (rgb[..., 0] - luma) / (2 - 2 * _KR) + neutral
    return np.stack([luma, blue, red], axis=-1).astype(rgb.dtype, copy=False)


def rgb_from_ycbcr(ycbcr: NDArray[Float]) -> NDArray[Float]:
    """Inverse of :func:`ycbcr_from_rgb`; may leave 0-1, nothing is clipped."""
    luma = ycbcr[..., 0]
    neutral = 128 / 255
    blue = luma + (2 - 2 * _KB) * (ycbcr[..., 1] - neutral)
    red = luma + (2 - 2 * _KR) * (ycbcr[..., 2] - neutral)
    green = (luma - _KR * red - _KB * blue) / _KG
    return np.stack([red, green, blue], axis=-1).astype(ycbcr.dtype, copy=False)


def bt601_luma(rgb: NDArray[np.uint8] | NDArray[Float]) -> NDArray[np.float64]:
    """Studio-range luma as MATLAB's ``rgb2ycbcr`` computes it, for the papers' PSNR-Y.

    Args:
        rgb: ``(..., 3)`` in **0-255**, uint8 or float.

    Returns:
        ``(...)`` float64 in 16-235, unrounded.
    """
    weights = np.array([65.481, 128.553, 24.966]) / 255
    luma: NDArray[np.float64] = 16 + rgb.astype(np.float64) @ weights
    return luma
