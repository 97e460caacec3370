"""The colours a picture is mostly of, by name."""

from __future__ import annotations

from typing import Final

import numpy as np

from restora.semantics.protocols import Floats

__all__ = ["HUES", "name_hues"]

HUES: Final = (
    "black", "grey", "white", "red", "orange", "brown", "beige", "yellow", "green", "teal", "blue",
    "purple", "pink",
)  # fmt: skip
"""Every name there is."""

SECOND_SHARE = 0.2  # a second colour is named from this share of the picture on


def name_hues(cells: Floats) -> list[tuple[str, ...]]:
    """One or two names for each picture, the more frequent first.

    Args:
        cells: (N, h, w, 3) RGB, 0-1, means over cells: single pixels of a JPEG have any colour.
    """
    named = _name(cells).reshape(len(cells), -1)
    out: list[tuple[str, ...]] = []
    for picture in named:
        shares = np.bincount(picture, minlength=len(HUES)) / picture.size
        first, second = np.argsort(-shares, kind="stable")[:2]
        two = shares[second] >= SECOND_SHARE
        out.append((HUES[first], HUES[second]) if two else (HUES[first],))
    return out


def _name(rgb: Floats) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """Places in :data:`HUES`, by hue, saturation and value (Smith, SIGGRAPH 1978)."""
    red, green, blue = np.moveaxis(rgb, -1, 0)
    value = rgb.max(-1)
    chroma = value - rgb.min(-1)
    scale = np.maximum(chroma, 1e-6)
    sextant = np.select(
        [value == red, value == green],
        [(green - blue) / scale % 6, (blue - red) / scale + 2],
        (red - green) / scale + 4,
    )
    hue = sextant * 60
    saturation = chroma / np.maximum(value, 1e-6)
    pale = (chroma < 0.08) | (saturation < 0.14)
    warm = (hue >= 15) & (hue < 65)
    rules = (
        (value < 0.15, "black"),
        (pale & (value < 0.22), "black"),
        (pale & (value > 0.80), "white"),
        (pale, "grey"),
        (warm & (value > 0.60) & (saturation < 0.40), "beige"),
        (warm & (hue < 48) & (value < 0.65), "brown"),
        (((hue < 15) | (hue >= 345)) & (value > 0.60) & (saturation < 0.45), "pink"),
        ((hue < 15) | (hue >= 345), "red"),
        (hue < 42, "orange"),
        ((hue < 65) & (value >= 0.50), "yellow"),
        (hue < 160, "green"),
        (hue < 195, "teal"),
        (hue < 255, "blue"),
        ((hue < 290) | (value < 0.45), "purple"),
    )
    conditions = [condition for condition, _ in rules]
    places = [HUES.index(name) for _, name in rules]
    return np.select(conditions, places, HUES.index("pink"))
