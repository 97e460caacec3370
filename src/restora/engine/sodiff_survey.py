"""What SODiff knows of a whole picture: what is on it, and how hard it was compressed.

Source: SODiff, see :mod:`restora.networks.sodiff.network`. Plain array arithmetic, for every
backend. Shapes: N pictures; T tokens of D numbers; K candidate timesteps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from restora.engine.backend import Check
from restora.engine.tiles import Floats, lay_grid

WINDOW_PX = 512


@dataclass(frozen=True)
class Guidance:
    """What every tile of a picture shall know of the whole; a row for each of N pictures."""

    prompt: Floats  # (N, T, D)
    logits: Floats  # (N, K), of the timesteps
    strength: Floats  # (N, 1), (100 - quality) / 100

    def rows(self, count: int) -> Guidance:
        """N = ``count``: as they are, or one for all."""
        if len(self.prompt) == count:
            return self
        each = (self.prompt, self.logits, self.strength)
        return Guidance(*(np.repeat(array, count, axis=0) for array in each))


def join(guidance: list[Guidance]) -> Guidance:
    """That of several pictures, row by row."""
    names = ("prompt", "logits", "strength")
    return Guidance(*(np.concatenate([getattr(g, name) for g in guidance]) for name in names))


def survey(
    pixels: Floats,
    side_px: int,
    prompt: Callable[[Floats], Floats],
    predict: Callable[[Floats], tuple[Floats, Floats]],
    *,
    alike: Guidance | None = None,
    check: Check = lambda: None,
) -> Guidance:
    """See a whole picture.

    Args:
        pixels: (H, W, C), 0-1.
        side_px: Of the small copy that the prompt is made from.
        prompt: Makes it, (1, T, D), of that copy (1, side_px, side_px, C).
        predict: Logits (1, K) and strength (1, 1) of a window (1, h, w, C).
        alike: That of the same picture before it was turned. Compression is the same however it
            is turned, so it is not looked at again.
        check: Called after each part; may raise.

    Returns:
        Its guidance. Logits and strength are the means over windows, by their pixels.
    """
    tokens = prompt(small_copy(pixels, side_px)[None])
    check()
    if alike is not None:
        return Guidance(tokens, alike.logits, alike.strength)
    grid = lay_grid(*pixels.shape[:2], tile_px=WINDOW_PX, overlap_px=0)
    sums: list[NDArray[np.float64]] = []
    for row, column in grid:
        found = predict(grid.cut(pixels, row, column)[None])
        share = 1.0
        for axis, number in ((grid.rows, row), (grid.columns, column)):
            start, end = axis.share(number)
            share *= (min(end, axis.length_px) - start) / axis.length_px
        parts = [share * array.astype(np.float64) for array in found]
        sums = [a + b for a, b in zip(sums, parts, strict=True)] if sums else parts
        check()
    logits, strength = (array.astype(np.float32) for array in sums)
    return Guidance(tokens, logits, strength)


def small_copy(pixels: Floats, side_px: int) -> Floats:
    """A picture (H, W, C) squeezed or stretched to (side_px, side_px, C), without aliasing."""
    size = (side_px, side_px)
    planes = (Image.fromarray(np.ascontiguousarray(plane)) for plane in np.moveaxis(pixels, 2, 0))
    small = [np.asarray(plane.resize(size, Image.Resampling.BILINEAR)) for plane in planes]
    return np.stack(small, axis=2)
