"""Draw the settings of one picture."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import get_args

import numpy as np

from restora.degradations.real_world.settings import (
    Course,
    Filter,
    Interpolation,
    Noise,
    Settings,
    Shape,
    Strength,
)
from restora.errors import UsageError

Range = tuple[float, float]

SCALES = (1, 2, 4)
STRENGTHS: tuple[Strength, ...] = get_args(Strength)

_SIDES_PX = tuple(range(7, 22, 2))
_SINC = 0.1
_SHAPES: tuple[tuple[Shape, bool, float], ...] = (  # profile, isotropic, probability
    ("gaussian", True, 0.45),
    ("gaussian", False, 0.25),
    ("generalised", True, 0.12),
    ("generalised", False, 0.03),
    ("plateau", True, 0.12),
    ("plateau", False, 0.03),
)
_BETA: dict[Shape, Range] = {"generalised": (0.5, 4.0), "plateau": (1.0, 2.0)}
_INTERPOLATIONS: tuple[Interpolation, ...] = get_args(Interpolation)


@dataclass(frozen=True)
class _Round:
    """Ranges of one round; sigmas of noise in units of 1/255."""

    blur: float  # probability
    sigma_px: Range
    resize: tuple[float, float, float]  # probabilities of up, down, keep
    size: Range
    gaussian: Range
    poisson: Range
    quality: tuple[int, int]


_ROUNDS: dict[Strength, tuple[_Round, _Round]] = {
    "full": (
        _Round(1.0, (0.2, 3.0), (0.2, 0.7, 0.1), (0.15, 1.5), (1, 30), (0.05, 3.0), (30, 95)),
        _Round(0.8, (0.2, 1.5), (0.3, 0.4, 0.3), (0.3, 1.2), (1, 25), (0.05, 2.5), (30, 95)),
    ),
    # The lighter numbers are published for sizes, Gaussian noise and JPEG; the rest follows them.
    "light": (
        _Round(1.0, (0.2, 1.5), (0.2, 0.7, 0.1), (0.3, 1.5), (1, 15), (0.05, 2.0), (60, 95)),
        _Round(0.5, (0.2, 1.0), (0.3, 0.4, 0.3), (0.6, 1.2), (1, 12), (0.05, 1.0), (60, 100)),
    ),
}
_GAUSSIAN = 0.5
_GRAY = 0.4
_LAST_SINC = 0.8


def mildness(scale: int) -> float:
    """How much of the published blur and shrinking is left at a scale: 1 at 4, less below.

    Sigmas are multiplied by it and the smallest sizes raised to its power. The published numbers
    are meant for a picture that ends up a quarter as large; on one that keeps its size the same
    blur would leave nothing to recognise.
    """
    return 0.4 + 0.15 * scale


def draw(rng: np.random.Generator, *, strength: Strength = "full", scale: int = 4) -> Settings:
    """Draw the damage of one picture.

    Args:
        rng: source of every number, the seeds of the noise included.
        strength: ``"full"`` as published, or ``"light"``.
        scale: how much smaller the damaged picture is before it is enlarged again: 1, 2 or 4 (as
            published).

    Raises:
        UsageError: another strength or scale.
    """
    return draw_on(draw_course(rng, strength=strength, scale=scale), rng, strength=strength)


def draw_course(rng: np.random.Generator, *, strength: Strength = "full", scale: int = 4) -> Course:
    """Draw the sizes and the order alone; the arguments are those of :func:`draw`."""
    check(strength, scale)
    first, second = (_size(rng, each, mildness(scale)) for each in _ROUNDS[strength])
    a, b, c = (_INTERPOLATIONS[i] for i in rng.integers(len(_INTERPOLATIONS), size=3))
    return Course(scale, first, second, (a, b, c), jpeg_last=bool(rng.random() < 0.5))


def draw_on(course: Course, rng: np.random.Generator, *, strength: Strength = "full") -> Settings:
    """Draw everything else for a course that is given."""
    check(strength, course.scale)
    rounds = _ROUNDS[strength]
    share = mildness(course.scale)
    blurs = [_blur(rng, each, share) for each in rounds]
    skipped = rng.random() >= rounds[1].blur
    noises = [_noise(rng, each) for each in rounds]
    qualities = [int(rng.integers(each.quality[0], each.quality[1] + 1)) for each in rounds]
    sinc = _sinc(rng, math.pi / 3)
    return Settings(
        strength,
        course,
        (blurs[0], None if skipped else blurs[1]),
        (noises[0], noises[1]),
        (qualities[0], qualities[1]),
        sinc if rng.random() < _LAST_SINC else None,
    )


def check(strength: str, scale: int) -> None:
    """Refuse strengths and scales that there are not (UsageError)."""
    if strength not in STRENGTHS:
        raise UsageError(f"There is no strength {strength!r}. Take one of: {', '.join(STRENGTHS)}.")
    if scale not in SCALES:
        raise UsageError(f"There is no scale {scale!r}. Take one of: 1, 2, 4.")


def _size(rng: np.random.Generator, ranges: _Round, share: float) -> float:
    low, high = ranges.size
    way = rng.choice(3, p=ranges.resize)
    up, down = rng.uniform(1, high), rng.uniform(low**share, 1)
    return float((up, down, 1.0)[way])


def _blur(rng: np.random.Generator, ranges: _Round, share: float) -> Filter:
    if rng.random() < _SINC:
        return _sinc(rng, None)
    shape, isotropic, _ = _SHAPES[rng.choice(len(_SHAPES), p=[each[2] for each in _SHAPES])]
    low, high = (share * sigma for sigma in ranges.sigma_px)
    first, second = (float(x) for x in rng.uniform(low, high, size=2))
    beta = 1.0
    if shape in _BETA:  # half of them pointed, half of them flat
        least, most = _BETA[shape]
        beta = float(rng.uniform(least, 1) if rng.random() < 0.5 else rng.uniform(1, most))
    return Filter(
        shape,
        int(rng.choice(_SIDES_PX)),
        (first, first if isotropic else second),
        0.0 if isotropic else float(rng.uniform(-math.pi, math.pi)),
        beta,
    )


def _sinc(rng: np.random.Generator, lowest: float | None) -> Filter:
    side = int(rng.choice(_SIDES_PX))
    if lowest is None:
        lowest = math.pi / 3 if side < 13 else math.pi / 5
    return Filter("sinc", side, cutoff_rad=float(rng.uniform(lowest, math.pi)))


def _noise(rng: np.random.Generator, ranges: _Round) -> Noise:
    gaussian = bool(rng.random() < _GAUSSIAN)
    level = rng.uniform(*ranges.gaussian) / 255 if gaussian else rng.uniform(*ranges.poisson)
    return Noise(
        "gaussian" if gaussian else "poisson",
        float(level),
        gray=bool(rng.random() < _GRAY),
        seed=int(rng.integers(2**31)),
    )
