"""Motion blur: a camera that moves while the shutter is open.

The picture is convolved in linear light with the path of the camera; borders are mirrored. Paths
are straight lines or shakes. Two related kernels blended by a smooth mask stand for rotation and
depth. A little Gaussian noise comes last.

Source: Boracchi & Foi 2012 (random trajectories with inertia, tremor and jerks); Kupyn et al. 2018
(DeblurGAN); Nah et al. 2017 (GoPro: blur is the mean of light, not of sRGB values).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from restora.degradations.fields import smooth_noise
from restora.degradations.linear_light import from_linear, to_linear

Kernel = NDArray[np.float32]

EXTENT_PX = (5.0, 31.0)
_SIGMA = 2 / 255
_STEPS = 128  # of a trajectory


@dataclass(frozen=True)
class Settings:
    """One blur.

    Attributes:
        path: ``"line"`` or ``"shake"``.
        extent_px: longest distance within the path, 5-31.
        angle_deg: direction of a line, 0-180; turn of a shake, 0-360.
        unrest: how far a shake strays from a smooth course, 0-1.
        path_seed: seed of the shake's steps.
        second_turn_deg: turn of the second kernel from the first; with ``second_scale`` None the
            picture has one kernel.
        second_scale: length of the second path over the first.
        sigma: standard deviation of the noise, in units of full scale (0-2/255).
    """

    path: Literal["line", "shake"]
    extent_px: float
    angle_deg: float
    unrest: float = 0.3
    path_seed: int = 0
    second_turn_deg: float = 0.0
    second_scale: float | None = None
    sigma: float = 0.0

    @property
    def strength(self) -> float:
        """Place of the extent in its range, 0-1."""
        low, high = EXTENT_PX
        return float(np.clip((self.extent_px - low) / (high - low), 0, 1))


def draw(rng: np.random.Generator) -> Settings:
    """Draw one blur: extent uniform, a third of the paths straight, 40% with two kernels."""
    line = rng.random() < 1 / 3
    return Settings(
        path="line" if line else "shake",
        extent_px=float(rng.uniform(*EXTENT_PX)),
        angle_deg=float(rng.uniform(0, 180 if line else 360)),
        unrest=float(rng.beta(2, 3)),
        path_seed=int(rng.integers(2**31)),
        second_turn_deg=float(rng.uniform(-30, 30)),
        second_scale=float(rng.uniform(0.4, 1.0)) if rng.random() < 0.4 else None,
        sigma=float(rng.uniform(0, _SIGMA)),
    )


def apply(
    pixels: NDArray[np.float32], settings: Settings, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Blur a picture (H, W, 3) of 0-1; returns the same shape and range."""
    height, width = pixels.shape[:2]
    points = trajectory(settings)
    kernels = [drawn(points)]
    mask = None
    if settings.second_scale is not None:
        turn = settings.second_scale * np.exp(1j * np.radians(settings.second_turn_deg))
        kernels.append(drawn(points * turn))
        hills = smooth_noise(height, width, 2, rng)
        mask = (1.6 * hills - 0.3).clip(0, 1)[..., None]
    blurred = from_linear(convolve(to_linear(pixels), kernels, mask))
    if settings.sigma > 0:
        noise = rng.standard_normal(blurred.shape, np.float32)
        noise *= np.float32(settings.sigma)
        blurred += noise
    return blurred.clip(0, 1, out=blurred)


def trajectory(settings: Settings) -> NDArray[np.complex128]:
    """The camera's path: points (N,) at equal times, x + iy in pixels, centred on their mean."""
    # A point already covers a pixel: a line of extent 5 joins the centres of five pixels.
    stretch = (settings.extent_px - 1) * np.exp(1j * np.radians(settings.angle_deg))
    if settings.path == "line":
        return np.asarray(stretch * np.linspace(-0.5, 0.5, _STEPS), np.complex128)
    rng = np.random.default_rng(settings.path_seed)
    tremor = settings.unrest * 0.12 * (rng.normal(size=_STEPS) + 1j * rng.normal(size=_STEPS))
    jerks = rng.random(_STEPS) < settings.unrest * 3 / _STEPS
    swings = 0.12 * rng.normal() + rng.normal(0, 0.05 + 0.1 * settings.unrest, _STEPS).cumsum() / 4
    velocity = np.complex128(1)
    velocities = np.empty(_STEPS, np.complex128)
    for step in range(_STEPS):
        if jerks[step]:  # the hand turns back, as after pressing the button
            velocity *= 1.5 * np.exp(1j * rng.uniform(0.5, 1.5) * np.pi)
        velocity = (velocity + tremor[step]) * np.exp(1j * swings[step] / 8)
        velocities[step] = velocity = velocity / max(1.0, abs(velocity))
    points = velocities.cumsum()
    points -= points.mean()
    span = float(np.abs(points[:, None] - points[None]).max())
    return np.asarray(stretch * points / max(span, 1e-9), np.complex128)


def drawn(points: NDArray[np.complex128]) -> Kernel:
    """A path as a kernel (S, S), S odd, of sum 1; points fall between pixels bilinearly."""
    # Four in-between points for each, so that long paths have no gaps.
    at = np.arange(4 * points.size - 3) / 4
    x, y = (np.interp(at, np.arange(points.size), part) for part in (points.real, points.imag))
    radius = int(np.ceil(max(np.abs(x).max(), np.abs(y).max()))) + 1
    side = 2 * radius + 1
    x, y = x + radius, y + radius
    left, top = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    right_share, bottom_share = x - left, y - top
    kernel = np.zeros(side * side)
    for down in (0, 1):
        for across in (0, 1):
            weight = np.abs(1 - down - bottom_share) * np.abs(1 - across - right_share)
            index = (top + down) * side + left + across
            kernel += np.bincount(index, weight, minlength=side * side)
    kernel /= kernel.sum()
    return kernel.reshape(side, side).astype(np.float32)


def convolve(
    light: NDArray[np.float32], kernels: list[Kernel], mask: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """Convolve a picture (H, W, 3) with one kernel, or blend the results of two by a mask.

    Args:
        light: (H, W, 3), mirrored at its borders.
        kernels: one or two, square and odd.
        mask: (H, W, 1) in 0-1, the share of the first kernel; needed with two.

    Returns:
        (H, W, 3).
    """
    height, width = light.shape[:2]
    radius = max(kernel.shape[0] for kernel in kernels) // 2
    padded = np.pad(
        light.transpose(2, 0, 1), ((0, 0), (radius, radius), (radius, radius)), "symmetric"
    )
    shape = (_fast_size(padded.shape[1]), _fast_size(padded.shape[2]))
    spectrum = np.fft.rfft2(padded, s=shape, axes=(1, 2))
    results = []
    for kernel in kernels:
        own = kernel.shape[0] // 2
        product = spectrum * np.fft.rfft2(kernel, s=shape, axes=(0, 1))
        whole = np.fft.irfft2(product, s=shape, axes=(1, 2))
        first = radius + own
        part = whole[:, first : first + height, first : first + width]
        results.append(np.ascontiguousarray(part.transpose(1, 2, 0), np.float32))
    blended = results[0]
    if mask is not None:
        blended -= results[1]
        blended *= mask
        blended += results[1]
    return blended


def _fast_size(least: int) -> int:
    """The smallest size from ``least`` on with no prime factor above 7: FFTs like those."""
    size = least
    while True:
        rest = size
        for prime in (2, 3, 5, 7):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return size
        size += 1
