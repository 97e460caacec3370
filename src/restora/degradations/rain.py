"""Rain: layers of streaks over the picture, and a faint veil where far drops run together.

A streak is a drop smeared by its fall during the exposure. Near drops are few, long, wide and
bright; far ones many, short, thin and dim. Streaks only add light: by ``"screen"``,
``J + (1 - J) S``, or by sum, ``J + S``, clipped, as the data sets have it.

Source: Garg & Nayar 2007; Yang et al. 2017 (Rain100H, Rain100L: sums of streak layers).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from restora.degradations.fields import Plane, smooth_noise

COVERAGE = (0.03, 0.9)
_ANGLE_DEG = 40.0
_AT_ONCE = 4096  # streaks drawn together; bounds memory on large pictures

_Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Layer:
    """Streaks at about one distance.

    Attributes:
        angle_deg: direction of fall from the vertical, -40 to 40.
        length_px: mean length, 10-50.
        width_px: mean full width at half maximum, 1-3.
        coverage: area of all streaks over the area of the picture.
        brightness: mean light a streak adds at its core, 0-1.
    """

    angle_deg: float
    length_px: float
    width_px: float
    coverage: float
    brightness: float


@dataclass(frozen=True)
class Settings:
    """One rain.

    Attributes:
        layers: far to near.
        blend: how streaks add to the picture.
        veil: most the veil covers, 0-1.
        veil_light: gray of the veil, 0-1.
        strength: light (0) to heavy (1).
    """

    layers: tuple[Layer, ...]
    blend: Literal["screen", "sum"]
    veil: float
    veil_light: float
    strength: float


def draw(rng: np.random.Generator) -> Settings:
    """Draw one rain: strength uniform; coverage, brightness, layers and veil follow from it."""
    strength = float(rng.uniform())
    low, high = COVERAGE
    coverage = low * (high / low) ** strength
    angle = rng.uniform(-_ANGLE_DEG, _ANGLE_DEG)
    count = int(rng.integers(1, 3 + round(2 * strength)))
    shares = rng.dirichlet(np.full(count, 2.0))
    near = np.sort(rng.uniform(0, 1, count))  # 0 far, 1 near
    layers = tuple(
        Layer(
            angle_deg=float(np.clip(angle + rng.normal(0, 3), -_ANGLE_DEG, _ANGLE_DEG)),
            length_px=float(10 + 40 * (0.25 * rng.uniform() + 0.75 * n * rng.uniform(0.6, 1))),
            width_px=float(1 + 2 * n * rng.uniform(0.3, 1)),
            coverage=float(coverage * share),
            brightness=float((0.32 + 0.24 * strength) * rng.uniform(0.7, 1.2) * (0.75 + 0.4 * n)),
        )
        for n, share in zip(near, shares, strict=True)
    )
    return Settings(
        layers=layers,
        blend="screen" if rng.random() < 0.5 else "sum",
        veil=float(rng.uniform(0, 0.02 + 0.18 * strength)),
        veil_light=float(rng.uniform(0.6, 0.9)),
        strength=strength,
    )


def apply(
    pixels: NDArray[np.float32], settings: Settings, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Let it rain over a picture (H, W, 3) of 0-1; returns the same shape and range."""
    height, width = pixels.shape[:2]
    cover = settings.veil * (0.5 + 0.5 * smooth_noise(height, width, 3, rng))[..., None]
    wet = pixels + (settings.veil_light - pixels) * cover
    light = np.zeros((height, width), np.float32)
    for layer in settings.layers:
        light += streaks(height, width, layer, rng)
    # Where streaks cross, light saturates instead of growing without end.
    light = (1 - np.exp(-light))[..., None]
    added = (1 - wet) * light if settings.blend == "screen" else light
    wet += added
    return wet.clip(0, 1, out=wet)


def streaks(height_px: int, width_px: int, layer: Layer, rng: np.random.Generator) -> Plane:
    """Light of one layer, (H, W), not negative.

    Every streak has its own place, length, width, brightness and a slightly own angle.
    """
    slope = np.tan(np.radians(layer.angle_deg))
    tall = layer.length_px * np.cos(np.radians(layer.angle_deg))
    # Streaks begin above and beside the picture too, so that no edge stays dry.
    above, beside = 1.5 * tall, 1.5 * tall * abs(slope) + 2 * layer.width_px
    area = (height_px + above) * (width_px + 2 * beside)
    count = int(rng.poisson(layer.coverage * area / (layer.length_px * layer.width_px)))
    drops = _Drops(
        top=np.sort(rng.uniform(-above, height_px, count)),
        left=rng.uniform(-beside, width_px + beside, count) - slope * tall / 2,
        rows=(tall * rng.uniform(0.6, 1.4, count)).clip(1),
        lean=slope + rng.normal(0, 0.02, count),
        sigma=(layer.width_px * rng.uniform(0.75, 1.25, count)).clip(0.8) / 2.355,
        peak=layer.brightness * rng.gamma(4, 1 / 4, count),
    )
    total = np.zeros((height_px, width_px), np.float32)
    for start in range(0, count, _AT_ONCE):
        _draw_into(total, drops.part(slice(start, start + _AT_ONCE)))
    return total


@dataclass(frozen=True)
class _Drops:
    """Streaks, one array (N,) for each property, from top to bottom; lengths in pixels."""

    top: _Numbers
    left: _Numbers  # where it begins
    rows: _Numbers
    lean: _Numbers  # columns for each row
    sigma: _Numbers  # of the Gaussian across
    peak: _Numbers

    def part(self, which: slice) -> _Drops:
        return _Drops(**{name: values[which] for name, values in vars(self).items()})


def _draw_into(total: Plane, drops: _Drops) -> None:
    """Add streaks to the rows they touch: a Gaussian across, a tapered line along."""
    height_px, width_px = total.shape
    first = max(0, int(np.ceil(drops.top[0])))
    end = min(height_px, int((drops.top + drops.rows).max()) + 1)
    if end <= first:
        return
    y = np.ceil(drops.top)[:, None] + np.arange(int(drops.rows.max()) + 1)  # (N, R)
    along = (y - drops.top[:, None]) / drops.rows[:, None]
    owner, step = np.nonzero((along <= 1) & (y >= first) & (y < end))
    y, along = y[owner, step], along[owner, step]  # (P,)
    centre = drops.left[owner] + drops.lean[owner] * (y - drops.top[owner])
    light = drops.peak[owner] * np.sqrt(4 * along * (1 - along))
    reach = int(np.ceil(2 * drops.sigma.max()))
    x = np.round(centre)[:, None] + np.arange(-reach, reach + 1)  # (P, 2 * reach + 1)
    distance = (x - centre[:, None]) / drops.sigma[owner][:, None]
    weight = np.exp(-0.5 * distance * distance) * light[:, None]
    inside = (x >= 0) & (x < width_px)
    index = ((y - first)[:, None] * width_px + x)[inside].astype(np.int64)
    sums = np.bincount(index, weight[inside], minlength=(end - first) * width_px)
    total[first:end] += sums.reshape(end - first, width_px)
