"""Pictures as encoders take them: checked, and squeezed to the side a network was trained on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from restora.errors import InputError
from restora.semantics.protocols import Floats

__all__ = ["check_pictures", "resize"]

ROWS = 256  # rounded at once: floats of a whole large picture would take as much memory as it does


def check_pictures(pictures: Floats) -> None:
    """Refuse what is not a batch of pictures.

    Raises:
        InputError: The shape is not (N, H, W, 3) with at least one pixel each, or the numbers are
            not floating-point.
    """
    if pictures.ndim != 4 or pictures.shape[3] != 3 or 0 in pictures.shape[1:]:
        raise InputError(f"Pictures come as (N, H, W, 3), not in the shape {pictures.shape}.")
    if not np.issubdtype(pictures.dtype, np.floating):
        raise InputError(f"Pictures come as floats in 0-1, not as {pictures.dtype}.")


def resize(pictures: Floats, side_px: int) -> NDArray[np.uint8]:
    """Squeeze pictures into squares, bicubic with antialiasing.

    In 8 bits: what these networks were trained on, and what their authors resize.

    Args:
        pictures: (N, H, W, 3) float32, RGB; clipped to 0-1.
        side_px: Side of the squares.

    Returns:
        (N, side_px, side_px, 3), 0-255.

    Raises:
        InputError: See :func:`check_pictures`.
    """
    check_pictures(pictures)
    out = np.empty((len(pictures), side_px, side_px, 3), np.uint8)
    for picture, square in zip(pictures, out, strict=True):
        pixels = np.empty(picture.shape, np.uint8)
        for start in range(0, len(picture), ROWS):
            rows = slice(start, start + ROWS)
            pixels[rows] = (np.clip(picture[rows], 0, 1) * 255 + 0.5).astype(np.uint8)
        image = Image.fromarray(pixels).resize((side_px, side_px), Image.Resampling.BICUBIC)
        square[:] = np.asarray(image)
    return out
