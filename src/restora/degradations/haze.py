"""Haze: light scattered between the scene and the camera, after Koschmieder.

    I = J t + A (1 - t),   t = exp(-beta d)

J is the clean picture, A the airlight, t the transmission and d the depth, 0 at the camera and 1
at the farthest point, so that ``beta`` is the optical depth of the whole scene. As in the data
sets the equation works on sRGB values. No depth is measured: :func:`depth_map` makes a likely one.

Source: Koschmieder 1924; Narasimhan & Nayar 2002; ranges after RESIDE (Li et al. 2019: airlight
0.7-1, beta 0.6-1.8 indoors, 0.04-0.2 per unit of depth outdoors).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from restora.degradations.fields import Plane, along_edges, box_mean, luma, resized, smooth_noise

BETA = (0.4, 2.5)
AIRLIGHT = (0.7, 1.0)
_TINT = 0.02  # most that red falls and blue rises, or the other way round
_COARSE_PX = 96  # longer side of the map in which depth is made
_CONSTANT_ODDS = 0.12
_FLAT = np.float32(1.5e-3)  # variance under which a place looks flat


@dataclass(frozen=True)
class Settings:
    """One haze.

    Attributes:
        beta: optical depth of the farthest point, 0.4-2.5.
        airlight: R, G, B of endless haze, 0-1.
        depth: ``"scene"`` makes a map, ``"constant"`` puts the whole picture at ``nearest``.
        nearest: depth of the nearest point, 0-1.
        gradient: weight of "the upper part is far".
        tilt: slant of that gradient, -1 to 1 (1: 45 degrees).
        patches: weight of a smooth random field.
        patch_cells: hills of that field along the longer side.
        sky: weight of "bright, flat and gray regions are far".
    """

    beta: float
    airlight: tuple[float, float, float]
    depth: Literal["scene", "constant"] = "scene"
    nearest: float = 0.2
    gradient: float = 1.0
    tilt: float = 0.0
    patches: float = 0.2
    patch_cells: int = 3
    sky: float = 1.0

    @property
    def strength(self) -> float:
        """Place of beta in its range, 0-1."""
        low, high = BETA
        return float(np.clip((self.beta - low) / (high - low), 0, 1))


def draw(rng: np.random.Generator) -> Settings:
    """Draw one haze: beta uniform in its range, airlight with a slight tint."""
    gray = rng.uniform(*AIRLIGHT)
    # Skylight is bluish, low sun and dust are yellowish; haze is hardly ever green or purple.
    tint = rng.uniform(-_TINT, _TINT) * np.array([-1, 0, 1]) + rng.normal(0, _TINT / 5, 3)
    red, green, blue = np.clip(gray + tint, *AIRLIGHT).tolist()
    constant = rng.random() < _CONSTANT_ODDS
    return Settings(
        beta=float(rng.uniform(*BETA)),
        airlight=(red, green, blue),
        depth="constant" if constant else "scene",
        nearest=float(rng.uniform(0.3, 0.9) if constant else rng.uniform(0.1, 0.4)),
        gradient=float(rng.uniform(0.4, 1)),
        tilt=float(rng.uniform(-0.4, 0.4)),
        patches=float(rng.uniform(0, 0.4)),
        patch_cells=int(rng.integers(2, 5)),
        sky=float(rng.uniform(0, 1)),
    )


def apply(
    pixels: NDArray[np.float32], settings: Settings, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Put haze over a picture (H, W, 3) of 0-1; returns the same shape and range."""
    through = np.exp(-settings.beta * depth_map(pixels, settings, rng))[..., None]
    airlight = np.array(settings.airlight, np.float32)
    hazy: NDArray[np.float32] = airlight + (pixels - airlight) * through
    return hazy


def depth_map(pixels: NDArray[np.float32], settings: Settings, rng: np.random.Generator) -> Plane:
    """A likely depth (H, W) in 0-1 for a picture (H, W, 3) of 0-1."""
    height, width = pixels.shape[:2]
    if settings.depth == "constant":
        return np.full((height, width), settings.nearest, np.float32)
    shrink = min(1.0, _COARSE_PX / max(height, width))
    rows, columns = max(1, round(height * shrink)), max(1, round(width * shrink))
    coarse = settings.gradient * _upper(rows, columns, settings.tilt)
    coarse += settings.patches * smooth_noise(rows, columns, settings.patch_cells, rng)
    coarse += settings.sky * _sky(pixels, rows, columns)
    low, high = float(coarse.min()), float(coarse.max())
    relative = (coarse - low) / (high - low) if high > low else np.full_like(coarse, 0.5)
    depth = settings.nearest + (1 - settings.nearest) * relative
    return along_edges(depth.astype(np.float32), luma(pixels)).clip(settings.nearest, 1)


def _upper(rows: int, columns: int, tilt: float) -> Plane:
    """1 at the top edge to 0 at the bottom, slanted by ``tilt``."""
    y = np.linspace(1, 0, rows) if rows > 1 else np.array([0.5])
    x = np.linspace(-0.5, 0.5, columns) if columns > 1 else np.zeros(1)
    return (y[:, None] + tilt * x[None]).clip(0, 1).astype(np.float32)


def _sky(pixels: NDArray[np.float32], rows: int, columns: int) -> Plane:
    """How much a place looks like sky, 0-1: bright and flat, and rather in the upper part."""
    colours = [resized(pixels[..., c], rows, columns, smooth=False) for c in range(3)]
    # Blue sky has little red: the brighter of green and blue finds white and blue sky alike.
    bright = box_mean(np.maximum(colours[1], colours[2]), 1)
    spread = box_mean(colours[1] * colours[1], 2) - box_mean(colours[1], 2) ** 2
    flat = np.exp(-spread.clip(0) / _FLAT)
    return box_mean(bright * bright * flat, 1) * (0.4 + 0.6 * _upper(rows, columns, 0))
