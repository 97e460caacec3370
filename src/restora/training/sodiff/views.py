"""Parts of photos, and pictures as SAIPE and captioners get them.

Shapes: P photos, V views of each (the whole, then parts), Q qualities, S×S pixels of a small copy,
T tokens of D numbers.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

SMALLEST_SHARE = 0.5  # of a photo's shorter side, for a part of it

Bytes = NDArray[np.uint8]


def part_of(photo: Bytes, number: int, view: int) -> Bytes:
    """View 0 is the whole; the others are squares, drawn by the numbers of photo and view."""
    if view == 0:
        return photo
    rng = np.random.default_rng((number, view))
    shorter = min(photo.shape[:2])
    side = int(rng.integers(int(SMALLEST_SHARE * shorter), shorter + 1))
    y, x = (int(rng.integers(length - side + 1)) for length in photo.shape[:2])
    return np.ascontiguousarray(photo[y : y + side, x : x + side])


def small_copy(picture: Bytes, side_px: int) -> Bytes:
    """A picture (H, W, 3) squeezed to (S, S, 3)."""
    image = Image.fromarray(picture)
    return np.asarray(image.resize((side_px, side_px), Image.Resampling.BILINEAR))


def planes(copies: Bytes, device: str) -> Tensor:
    """Copies (B, S, S, 3) to (B, 3, S, S), 0-1."""
    there = torch.from_numpy(np.ascontiguousarray(copies)).to(device)
    return there.permute(0, 3, 1, 2).float() / 255
