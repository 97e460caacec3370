"""How well the edges of a clean picture survive: an F-measure that needs no network.

Defined exactly, so that figures can be compared:

1. Full-range luma (JFIF), 0-255; a Gaussian of sigma 1 px cut off at 3 px, picture mirrored.
2. Sobel derivatives over 8, so that a ramp of one level a pixel has the gradient 1.
3. A pixel is a ridge if its gradient's magnitude is not below that of its two neighbours along the
   gradient, rounded to the nearest of four directions; one part in 10,000 makes no difference.
4. An edge is a ridge whose magnitude is above the 90th percentile of all magnitudes of the *clean*
   picture, and above 1: one threshold for both pictures, so that fainter edges are lost edges.
5. An edge counts as found if the other picture has one within 1 px, diagonally too. Precision is
   the share of the tested picture's edges found in the clean one, recall the reverse.
6. F is their harmonic mean, 0-1; two pictures without any edge agree, 1.

Edge detection after Canny (1986), without hysteresis.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from restora.errors import InputError
from restora.images.colour import jfif_luma

__all__ = ["Edges", "find_edges"]

SIGMA_PX, RADIUS_PX = 1.0, 3
STRONGEST_PERCENT = 10.0
LEAST_GRADIENT = 1.0
TIE = np.float32(1.0001)  # a step between two pixels has two equal ridges; rounding must not choose

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]


class Edges:
    """The edges of a clean picture, against which others are tested."""

    def __init__(self, clean: NDArray[np.uint8]) -> None:
        """Find them in ``clean``, (H, W) gray or (H, W, 3) RGB, 0-255, sides of 8 px at least."""
        magnitude, ridge = _ridges(clean)
        percentile = float(np.percentile(magnitude, 100 - STRONGEST_PERCENT))
        self.shape = clean.shape[:2]
        self.threshold = max(percentile, LEAST_GRADIENT)
        self.mask: Mask = ridge & (magnitude > self.threshold)
        self._wide = _widened(self.mask)

    def f_measure(self, picture: NDArray[np.uint8]) -> float:
        """How well the edges of ``picture`` are those of the clean one, 0-1.

        Raises:
            InputError: It has another size.
        """
        if picture.shape[:2] != self.shape:
            raise InputError(
                f"Pictures of {picture.shape[:2]} and {self.shape} have no edge alike."
            )
        tested = find_edges(picture, threshold=self.threshold)
        if not tested.any() and not self.mask.any():
            return 1.0
        if not tested.any() or not self.mask.any():
            return 0.0
        precision = float(self._wide[tested].mean())
        recall = float(_widened(tested)[self.mask].mean())
        return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def find_edges(picture: NDArray[np.uint8], *, threshold: float) -> Mask:
    """Ridges of the gradient above ``threshold`` levels a pixel, (H, W)."""
    magnitude, ridge = _ridges(picture)
    return ridge & (magnitude > threshold)


def _ridges(picture: NDArray[np.uint8]) -> tuple[Floats, Mask]:
    """Magnitude of the gradient, and where it is not below its neighbours across the edge."""
    pixels = picture.astype(np.float32)
    luma = jfif_luma(pixels) if picture.ndim == 3 else pixels
    offsets = np.arange(-RADIUS_PX, RADIUS_PX + 1)
    kernel = np.exp(-(offsets**2) / (2 * SIGMA_PX**2))
    kernel /= kernel.sum()
    smooth = np.pad(luma, RADIUS_PX + 1, mode="symmetric")
    for axis in (0, 1):
        smooth = _filtered(smooth, kernel, axis)
    mean, slope = np.array([1, 2, 1]) / 4, np.array([-1, 0, 1]) / 2
    across = _filtered(_filtered(smooth, mean, 0), slope, 1)
    down = _filtered(_filtered(smooth, slope, 0), mean, 1)
    magnitude = np.hypot(across, down)
    direction = np.rint(np.arctan2(down, across) / (np.pi / 4)).astype(int) % 4
    ridge = np.zeros(magnitude.shape, bool)
    height, width = magnitude.shape
    framed = np.pad(magnitude, 1)
    level = magnitude * TIE
    for number, (dy, dx) in enumerate(((0, 1), (1, 1), (1, 0), (1, -1))):
        ahead = framed[1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width]
        behind = framed[1 - dy : 1 - dy + height, 1 - dx : 1 - dx + width]
        ridge |= (direction == number) & (level >= ahead) & (level >= behind)
    return magnitude, ridge


def _filtered(plane: Floats, kernel: NDArray[np.floating], axis: int) -> Floats:
    """Correlation along an axis where the kernel fits whole, so the plane shrinks."""
    length = plane.shape[axis] - len(kernel) + 1
    out = np.zeros((1, 1), np.float32)
    for start, factor in enumerate(kernel.astype(np.float32)):
        part = plane[start : start + length] if axis == 0 else plane[:, start : start + length]
        out = out + factor * part
    return out


def _widened(mask: Mask) -> Mask:
    """Everything within one pixel, diagonally too."""
    height, width = mask.shape
    framed = np.pad(mask, 1)
    wide = np.zeros_like(mask)
    for dy in range(3):
        for dx in range(3):
            wide |= framed[dy : dy + height, dx : dx + width]
    return wide
