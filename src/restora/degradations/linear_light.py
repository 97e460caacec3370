"""The sRGB transfer curve, by table: fast, and exact for 8-bit values.

Source: IEC 61966-2-1.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

_TOP = 65535  # 255 * 257: every 8-bit value has an entry of its own


def to_linear(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Linear light 0-1 of sRGB values; values outside 0-1 are clipped."""
    return _looked_up(pixels, _tables()[0])


def from_linear(light: NDArray[np.float32]) -> NDArray[np.float32]:
    """sRGB values 0-1 of linear light, within 0.1 of an 8-bit level; clips to 0-1."""
    return _looked_up(light, _tables()[1])


def _looked_up(values: NDArray[np.float32], table: NDArray[np.float32]) -> NDArray[np.float32]:
    scaled = values * np.float32(_TOP)
    scaled += np.float32(0.5)
    np.clip(scaled, 0, _TOP, out=scaled)
    return table[scaled.astype(np.uint16)]


@functools.cache
def _tables() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    x = np.arange(_TOP + 1) / _TOP
    decode = np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)
    encode = np.where(x <= 0.0031308, x * 12.92, 1.055 * x ** (1 / 2.4) - 0.055)
    return decode.astype(np.float32), encode.astype(np.float32)
