"""Smooth fields over a picture: random ones, shrunk ones, and ones that follow its edges."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Plane = NDArray[np.float32]

_BT601 = np.array([0.299, 0.587, 0.114], np.float32)


def luma(pixels: NDArray[np.float32]) -> Plane:
    """BT.601 luma (H, W) of RGB (H, W, 3), same range."""
    return pixels @ _BT601


def resized(plane: Plane, height_px: int, width_px: int, *, smooth: bool = True) -> Plane:
    """A plane (h, w) at another size: bicubic (may overshoot) when growing, else box means."""
    method = Image.Resampling.BICUBIC if smooth else Image.Resampling.BOX
    image = Image.fromarray(np.ascontiguousarray(plane, np.float32))
    return np.array(image.resize((width_px, height_px), method), np.float32)


def smooth_noise(height_px: int, width_px: int, cells: int, rng: np.random.Generator) -> Plane:
    """Low-frequency noise (H, W) in 0-1, with about ``cells`` hills along the longer side."""
    longest = max(height_px, width_px)
    rows = max(2, round(cells * height_px / longest) + 1)
    columns = max(2, round(cells * width_px / longest) + 1)
    grid = rng.random((rows, columns), np.float32)
    return resized(grid, height_px, width_px).clip(0, 1)


def box_mean(plane: NDArray[np.floating], radius_px: int) -> Plane:
    """Mean of the square of ``2 * radius_px + 1`` around every pixel; edges are repeated."""
    side = 2 * radius_px + 1
    means = plane.astype(np.float64)
    for _ in range(2):  # down the columns, then, turned, along the rows
        padded = np.pad(means, ((radius_px + 1, radius_px), (0, 0)), mode="edge")
        sums = padded.cumsum(axis=0)
        means = ((sums[side:] - sums[:-side]) / side).T
    return means.astype(np.float32)


def along_edges(coarse: Plane, guide: Plane, *, radius_px: int = 5, epsilon: float = 2e-3) -> Plane:
    """Bring a coarse field to the size of a guide so that its steps fall on the guide's edges.

    Args:
        coarse: (h, w), at most as large as the guide.
        guide: (H, W), 0-1.
        radius_px: half window, in pixels of the coarse field.
        epsilon: variance of the guide under which it counts as flat.

    Returns:
        (H, W).

    Source: He & Sun 2015, "Fast Guided Filter".
    """
    small = resized(guide, *coarse.shape, smooth=False)
    mean, target = box_mean(small, radius_px), box_mean(coarse, radius_px)
    variance = (box_mean(small * small, radius_px) - mean * mean).clip(0)
    slope = (box_mean(small * coarse, radius_px) - mean * target) / (variance + epsilon)
    offset = box_mean(target - slope * mean, radius_px)
    field: Plane = resized(box_mean(slope, radius_px), *guide.shape) * guide + resized(
        offset, *guide.shape
    )
    return field
