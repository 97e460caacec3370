"""Low light: a short exposure, its sensor noise, and a white balance that is a little off.

All of it happens in linear light: less light, then noise whose variance grows with the signal
(``shot * x + read^2``), clipped to what a sensor holds, then back to sRGB.

Source: Wei et al. 2018 (LOL: the same scene at a far shorter exposure); Brooks et al. 2019
("Unprocessing": shot noise, and read noise that follows it).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from restora.degradations.linear_light import from_linear, to_linear

EXPOSURE = (0.03, 0.35)
_SHOT = (1e-4, 2e-3)


@dataclass(frozen=True)
class Settings:
    """One dark picture.

    Attributes:
        exposure: light that is left, 0.03-0.35 of linear light.
        balance: gains of R, G, B; green is 1.
        shot: variance of the noise for each unit of linear signal.
        read: standard deviation of the noise without light, of linear full scale.
        grain_px: standard deviation of the noise's own blur in pixels, as a camera's denoiser
            leaves it; 0 is noise independent at every pixel.
    """

    exposure: float
    balance: tuple[float, float, float] = (1.0, 1.0, 1.0)
    shot: float = 0.0
    read: float = 0.0
    grain_px: float = 0.0

    @property
    def strength(self) -> float:
        """Place of the exposure in its range on a logarithmic scale, 0 (mild) to 1 (darkest)."""
        low, high = np.log(EXPOSURE)
        return float(np.clip((high - np.log(self.exposure)) / (high - low), 0, 1))


def draw(rng: np.random.Generator) -> Settings:
    """Draw one dark picture: exposure and noise log-uniform, half of the noise grainy."""
    shot = np.exp(rng.uniform(*np.log(_SHOT)))
    read_variance = np.exp(2.18 * np.log(shot) + 1.2 + rng.normal(0, 0.26))
    return Settings(
        exposure=float(np.exp(rng.uniform(*np.log(EXPOSURE)))),
        balance=(float(np.exp(rng.normal(0, 0.06))), 1.0, float(np.exp(rng.normal(0, 0.06)))),
        shot=float(shot),
        read=float(np.sqrt(read_variance)),
        grain_px=float(rng.uniform(0.5, 1.2)) if rng.random() < 0.5 else 0.0,
    )


def apply(
    pixels: NDArray[np.float32], settings: Settings, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Darken a picture (H, W, 3) of 0-1; returns the same shape and range."""
    light = to_linear(pixels)
    light *= np.array(settings.balance, np.float32) * np.float32(settings.exposure)
    if settings.shot > 0 or settings.read > 0:
        noise: NDArray[np.float32] = rng.standard_normal(light.shape, np.float32)
        if settings.grain_px > 0:
            noise = _grainy(noise, settings.grain_px)
        noise *= np.sqrt(np.float32(settings.shot) * light + np.float32(settings.read**2))
        light += noise
    return from_linear(light)


def _grainy(noise: NDArray[np.float32], sigma_px: float) -> NDArray[np.float32]:
    """Noise (H, W, 3) blurred by a Gaussian, of 0.6 times its strength as after a mild denoiser."""
    radius = max(1, round(2 * sigma_px))
    taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma_px) ** 2)
    taps = (taps / np.sqrt((taps**2).sum())).astype(np.float32)  # keeps the variance
    for axis in (0, 1):
        size = noise.shape[axis]
        width = [(0, 0)] * 3
        width[axis] = (radius, radius)
        padded = np.pad(noise, width, mode="symmetric")
        noise = np.zeros_like(noise)
        for start, tap in enumerate(taps):
            rows = slice(start, start + size)
            noise += tap * (padded[rows] if axis == 0 else padded[:, rows])
    noise *= np.float32(0.6)
    return noise
