"""Two conversions to luma that must never be mixed up, each under its own name.

*JFIF* is what JPEG files use: full range, luma 0-1 (0-255 in bytes). *BT.601 studio range* is what
the papers measure PSNR-Y on, because MATLAB's ``rgb2ycbcr`` computes it: luma 16-235.
"""

from __future__ import annotations

from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["RGB_TO_YCBCR", "bt601_luma", "jfif_luma", "rgb_from_ycbcr", "ycbcr_from_rgb"]

Float = TypeVar("Float", np.float32, np.float64)

# Rows give Y, Cb and Cr of full-range RGB; neutral colour still has to be added to the latter two.
# JFIF (ITU-T T.871), section 7, with libjpeg's digits.
RGB_TO_YCBCR: Final = (
    (0.299, 0.587, 0.114),
    (-0.168735892, -0.331264108, 0.5),
    (0.5, -0.418687589, -0.081312411),
)
_NEUTRAL = 128 / 255


def jfif_luma(rgb: NDArray[Float]) -> NDArray[Float]:
    """Full-range luma of JPEG.

    Args:
        rgb: ``(..., 3)`` float, any range.

    Returns:
        ``(...)`` in the same range and dtype.
    """
    weights = np.array(RGB_TO_YCBCR[0], rgb.dtype)
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
    matrix = np.array(RGB_TO_YCBCR, rgb.dtype)
    ycbcr: NDArray[Float] = rgb @ matrix.T
    ycbcr[..., 1:] += rgb.dtype.type(_NEUTRAL)
    return ycbcr


def rgb_from_ycbcr(ycbcr: NDArray[Float]) -> NDArray[Float]:
    """Inverse of :func:`ycbcr_from_rgb`; may leave 0-1, nothing is clipped."""
    matrix = np.linalg.inv(RGB_TO_YCBCR).astype(ycbcr.dtype)
    rgb: NDArray[Float] = (ycbcr - np.array([0, _NEUTRAL, _NEUTRAL], ycbcr.dtype)) @ matrix.T
    return rgb


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
