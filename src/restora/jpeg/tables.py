"""The quantisation tables of the JPEG standard and libjpeg's scaling of them.

Tables are ``(8, 8)`` integer arrays in natural (row-major) order: ``table[v, u]`` divides the
coefficient of vertical frequency ``v`` and horizontal frequency ``u``.

Source: ITU-T T.81, Annex K.1; the scaling is libjpeg's ``jpeg_quality_scaling``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

STANDARD_LUMA: NDArray[np.int64] = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
)
STANDARD_CHROMA: NDArray[np.int64] = np.array(
    [
        [17, 18, 24, 47, 99, 99, 99, 99],
        [18, 21, 26, 66, 99, 99, 99, 99],
        [24, 26, 56, 99, 99, 99, 99, 99],
        [47, 66, 99, 99, 99, 99, 99, 99],
        [99, 99, 99, 99, 99, 99, 99, 99],
        [99, 99, 99, 99, 99, 99, 99, 99],
        [99, 99, 99, 99, 99, 99, 99, 99],
        [99, 99, 99, 99, 99, 99, 99, 99],
    ]
)


def scale_table(base: NDArray[np.int64], quality: int) -> NDArray[np.int64]:
    """The table libjpeg derives from ``base`` at ``quality`` (1-100), entries 1-255.

    Raises:
        ValueError: ``quality`` is outside 1-100.
    """
    if not 1 <= quality <= 100:
        raise ValueError(f"quality {quality} is outside 1-100")
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    return np.clip((base * percent + 50) // 100, 1, 255)
