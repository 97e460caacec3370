"""Whole numbers of files to floats of pictures and back, strip by strip.

Strips keep the peak of memory at the result plus what it is made from: a photo of 100 megapixels
already is 1.2 GB as float32, a second copy of it would not fit into many machines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from restora.images.picture import Alpha, Pixels

__all__ = ["alpha_as", "band", "floats", "joined", "pillow_floats", "strips", "whole_numbers"]

_STRIP_PX = 1 << 19


def strips(height_px: int, width_px: int) -> Iterator[tuple[int, int]]:
    """Row ranges ``(top, bottom)`` of about half a megapixel that cover the picture."""
    rows = max(1, _STRIP_PX // width_px)
    for top in range(0, height_px, rows):
        yield top, min(height_px, top + rows)


def floats(
    fetch: Callable[[int, int], NDArray[Any]], *, shape: tuple[int, int, int], peak: int
) -> Pixels:
    """Float pixels from whole numbers.

    Args:
        fetch: Gives rows ``top`` to ``bottom`` as an unsigned array ``(rows, W, C)`` or
            ``(rows, W)``.
        shape: ``(H, W, C)`` of the result.
        peak: The number that means 1.0, such as 255 or 65535.

    Returns:
        ``(H, W, C)`` float32 in 0-1.
    """
    height, width, channels = shape
    pixels = np.empty(shape, np.float32)
    for top, bottom in strips(height, width):
        rows = fetch(top, bottom).reshape(bottom - top, width, channels)
        np.divide(rows, np.float32(peak), out=pixels[top:bottom], dtype=np.float32)
    return pixels


def pillow_floats(image: Image.Image, *, channels: int) -> Pixels:
    """Float pixels ``(H, W, channels)`` from the first channels of an 8-bit Pillow image."""

    def fetch(top: int, bottom: int) -> NDArray[Any]:
        rows = band(image, top, bottom)
        return rows if rows.ndim == 2 else rows[..., :channels]

    return floats(fetch, shape=(image.height, image.width, channels), peak=255)


def band(image: Image.Image, top: int, bottom: int) -> NDArray[Any]:
    """Rows of a Pillow image as an array ``(rows, W)`` or ``(rows, W, C)``.

    Asking Pillow for the whole array would build it twice, once as bytes and once joined.
    """
    if image.width > _STRIP_PX:  # one row alone: a crop that wide would trip Pillow's bomb check
        parts = [
            image.crop((left, top, min(image.width, left + _STRIP_PX), bottom))
            for left in range(0, image.width, _STRIP_PX)
        ]
        return np.concatenate([np.asarray(part) for part in parts], axis=1)
    return np.asarray(image.crop((0, top, image.width, bottom)))


def joined(high: NDArray[np.uint8], low: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """16-bit samples from their two bytes, arrays of one shape."""
    samples = high.astype(np.uint16)
    samples <<= 8
    samples |= low
    return samples


def whole_numbers(pixels: Pixels, *, bits: int) -> NDArray[np.uint8 | np.uint16]:
    """Whole numbers for a file: clipped, rounded to the nearest; NaN becomes 0.

    Args:
        pixels: ``(H, W, C)`` float32 in 0-1.
        bits: 8 or 16.

    Returns:
        ``(H, W, C)`` uint8 or uint16, contiguous.
    """
    height, width = pixels.shape[:2]
    result: NDArray[Any] = np.empty(pixels.shape, np.uint8 if bits == 8 else np.uint16)
    peak = np.float32((1 << bits) - 1)
    for top, bottom in strips(height, width):
        rows = np.fmax(pixels[top:bottom], np.float32(0))  # fmax, unlike clip, drops NaN
        np.minimum(rows, np.float32(1), out=rows)
        rows *= peak
        np.rint(rows, out=rows)
        result[top:bottom] = rows
    return result


def alpha_as(alpha: Alpha, *, bits: int) -> Alpha:
    """Alpha at another depth: ×257 upwards (exact), rounded downwards; contiguous."""
    if alpha.dtype == np.uint8 and bits == 16:
        return alpha.astype(np.uint16) * np.uint16(257)
    if alpha.dtype == np.uint16 and bits == 8:
        return ((alpha.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return np.ascontiguousarray(alpha)
