"""What is drawn for one picture: frozen, ready for JSON, and enough to repeat the damage."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Interpolation = Literal["area", "bilinear", "bicubic"]
Shape = Literal["gaussian", "generalised", "plateau", "sinc"]
Strength = Literal["full", "light"]

_WIDEST_PX = math.hypot(3.0, 1.5)
_LOUDEST = math.hypot(30 / 255, 25 / 255)
# A Poisson scale s on mid-gray is noise of about s * sqrt(0.5 / 256).
_POISSON_AT_GRAY = math.sqrt(0.5 / 256)
# Between these lie the mean places of 98 of 100 draws: never all is mild, nor all harsh.
_MEAN_PLACE = (0.14, 0.72)


@dataclass(frozen=True)
class Filter:
    """One convolution kernel.

    Attributes:
        shape: the profile.
        side_px: kernel size, 7-21, odd.
        sigma_px: widths along the kernel's two axes; equal ones are isotropic. Unused by a sinc.
        angle_rad: turn of the first axis.
        beta: exponent of a generalised (0.5-4) or plateau (1-2) kernel; 1 otherwise.
        cutoff_rad: of a sinc, radians per pixel, up to pi; 0 otherwise.
    """

    shape: Shape
    side_px: int
    sigma_px: tuple[float, float] = (1.0, 1.0)
    angle_rad: float = 0.0
    beta: float = 1.0
    cutoff_rad: float = 0.0

    @property
    def width_px(self) -> float:
        """How wide it blurs: the mean sigma, or for a sinc about that of the same cutoff."""
        if self.shape == "sinc":
            return max(0.0, math.pi / self.cutoff_rad - 1) / 2
        return sum(self.sigma_px) / 2


@dataclass(frozen=True)
class Noise:
    """Noise of one stage.

    Attributes:
        kind: ``"gaussian"`` or ``"poisson"``.
        level: standard deviation of a Gaussian, in units of full scale; times that Poisson noise
            is stronger than that of 256 counts at white.
        gray: the same noise in all channels.
        seed: of the noise itself.
    """

    kind: Literal["gaussian", "poisson"]
    level: float
    gray: bool
    seed: int

    @property
    def sigma(self) -> float:
        """Standard deviation on mid-gray, in units of full scale."""
        return self.level * (1.0 if self.kind == "gaussian" else _POISSON_AT_GRAY)


@dataclass(frozen=True)
class Course:
    """Sizes and order of the stages; pictures of one course can be damaged as one batch.

    Attributes:
        scale: how much smaller than the full size the damaged picture is: 1, 2 or 4.
        first: size in round 1, over the full size.
        second: size in round 2, over the full size divided by ``scale``.
        interpolations: of round 1, of round 2, and of the way to the final size.
        jpeg_last: whether the last JPEG follows the final resize and sinc, or goes before.
    """

    scale: int
    first: float
    second: float
    interpolations: tuple[Interpolation, Interpolation, Interpolation]
    jpeg_last: bool

    @property
    def smallest(self) -> float:
        """The smallest size on the way, over the full size."""
        return min(1.0, self.first, min(1.0, self.second) / self.scale)


@dataclass(frozen=True)
class Settings:
    """Two rounds of damage to one picture.

    Attributes:
        kind: ``"full"`` or ``"light"``.
        course: sizes and order.
        blurs: of rounds 1 and 2; the second may be missing.
        noises: of rounds 1 and 2.
        qualities: of the JPEGs of rounds 1 and 2, 1-100.
        sinc: the ringing at the end, which may be missing.
    """

    kind: Strength
    course: Course
    blurs: tuple[Filter, Filter | None]
    noises: tuple[Noise, Noise]
    qualities: tuple[int, int]
    sinc: Filter | None

    @property
    def strength(self) -> float:
        """How harsh it is, 0-1, by the mean place of blur, size, noise and JPEG in their ranges."""
        second = self.blurs[1].width_px if self.blurs[1] else 0.0
        places = (
            math.hypot(self.blurs[0].width_px, second) / _WIDEST_PX,
            math.log(self.course.smallest) / math.log(0.3 / 4),
            math.hypot(*(noise.sigma for noise in self.noises)) / _LOUDEST,
            (95 - min(self.qualities)) / 65,
        )
        mean = sum(min(1.0, max(0.0, place)) for place in places) / len(places)
        low, high = _MEAN_PLACE
        return min(1.0, max(0.0, (mean - low) / (high - low)))
