"""How pictures look, measured and put into a few words: light, colours, texture, lines, focus.

The words are a closed vocabulary, and an ordinary picture gets few of them. All is measured on the
small square a classifier looks at, so that the words do not depend on the size of the picture.
The bounds leave about a fifth of some hundred photos on either side.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from restora.images.colour import jfif_luma
from restora.semantics.hues import name_hues
from restora.semantics.protocols import Floats

__all__ = ["Attributes", "measure_attributes"]

CELL_PX = 8
DARK, BRIGHT = 0.25, 0.60  # mean luma
FLAT, CONTRASTY = 0.11, 0.23  # standard deviation of luma
SMOOTH, TEXTURED = 0.024, 0.074  # mean of the standard deviation inside cells
SOFT, SHARP = 0.67, 0.87  # gradient of neighbours over the gradient of 2×2 means
DIRECTED = 0.45  # coherence of the gradients, 0-1
# Hasler and Süsstrunk, "Measuring colourfulness in natural images", 2003: not, slightly, highly
COLOURLESS, MUTED, VIVID = 3.0, 15.0, 59.0


@dataclass(frozen=True, slots=True)
class Attributes:
    """Words for one picture; an empty one stands for nothing remarkable.

    Attributes:
        light: ``"dark"`` or ``"bright"``.
        hues: One or two names of colours, the more frequent first.
        rest: Texture, contrast, colourfulness, lines and focus, in this order, where remarkable.
    """

    light: str
    hues: tuple[str, ...]
    rest: tuple[str, ...]


def measure_attributes(squares: NDArray[np.uint8]) -> list[Attributes]:
    """Attributes of pictures (N, S, S, 3), RGB, 0-255, with S a multiple of 8."""
    pictures: Floats = np.divide(squares, 255, dtype=np.float32)
    luma = jfif_luma(pictures)
    count, side_px = luma.shape[:2]
    grid = (count, side_px // CELL_PX, CELL_PX, side_px // CELL_PX, CELL_PX)
    texture = luma.reshape(grid).std(axis=(2, 4)).mean(axis=(1, 2))
    hues = name_hues(pictures.reshape(*grid, 3).mean(axis=(2, 4)))
    coherence, angle = _lines(luma)
    words = zip(
        _low_high(luma.mean((1, 2)), DARK, BRIGHT, "dark", "bright"),
        hues,
        _low_high(texture, SMOOTH, TEXTURED, "smooth", "finely textured"),
        _low_high(luma.std((1, 2)), FLAT, CONTRASTY, "low contrast", "high contrast"),
        _colours(pictures),
        _directions(coherence, angle),
        _low_high(_sharpness(luma), SOFT, SHARP, "soft", "sharp"),
        strict=True,
    )
    return [
        Attributes(light, names, tuple(word for word in rest if word))
        for light, names, *rest in words
    ]


def _low_high(values: Floats, low: float, high: float, below: str, above: str) -> list[str]:
    return [below if v < low else above if v > high else "" for v in values.tolist()]


def _colours(pictures: Floats) -> list[str]:
    """Colourfulness after Hasler and Süsstrunk, on their scale of 0-255."""
    red, green, blue = np.moveaxis(pictures * 255, -1, 0)
    opponents = red - green, (red + green) / 2 - blue
    spread = np.hypot(*(axis.std((1, 2)) for axis in opponents))
    mean = np.hypot(*(axis.mean((1, 2)) for axis in opponents))
    return [
        "no colours" if v < COLOURLESS
        else "muted colours" if v < MUTED
        else "vivid colours" if v > VIVID
        else ""
        for v in (spread + 0.3 * mean).tolist()
    ]  # fmt: skip


def _lines(luma: Floats) -> tuple[Floats, Floats]:
    """Coherence 0-1 and angle of the gradients, 0-180 degrees, from the structure tensor."""
    across = luma[:, :-1, 1:] - luma[:, :-1, :-1]
    down = luma[:, 1:, :-1] - luma[:, :-1, :-1]
    even = (across**2 - down**2).sum((1, 2))
    odd = 2 * (across * down).sum((1, 2))
    total = (across**2 + down**2).sum((1, 2))
    coherence = np.hypot(even, odd) / np.maximum(total, 1e-6)
    return coherence, np.degrees(np.arctan2(odd, even)) / 2 % 180


_DIRECTIONS: Final = ("vertical lines", "diagonal lines", "horizontal lines", "diagonal lines")


def _directions(coherence: Floats, angle: Floats) -> list[str]:
    """A line runs across its gradient: a gradient of 0 degrees is a vertical line."""
    sector = np.rint(angle / 45).astype(int) % 4
    return [
        _DIRECTIONS[s] if c > DIRECTED else ""
        for s, c in zip(sector.tolist(), coherence.tolist(), strict=True)
    ]


def _sharpness(luma: Floats) -> Floats:
    """Gradient of neighbouring pixels over that of 2×2 means: fine detail against coarse."""
    count, side_px = luma.shape[:2]
    half = luma.reshape(count, side_px // 2, 2, side_px // 2, 2).mean((2, 4))
    fine, coarse = (
        np.abs(np.diff(x, axis=1)).mean((1, 2)) + np.abs(np.diff(x, axis=2)).mean((1, 2))
        for x in (luma, half)
    )
    sharpness: Floats = fine / np.maximum(coarse, 1e-6)
    return sharpness
