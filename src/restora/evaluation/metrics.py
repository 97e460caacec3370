"""PSNR, SSIM and PSNR-B as the JPEG tables of the literature use them.

Every function takes ``(reference, restored)``: uint8, ``(H, W)`` gray or ``(H, W, 3)`` RGB, 0-255.
The order matters: PSNR-B looks for block edges in the restored picture only.

Source: the test protocol of FBCNN (Jiang et al., ICCV 2021); SSIM after Wang et al. 2004; PSNR-B
after Yim and Bovik 2011. Other code bases average PSNR-B over R, G and B or round the number of
blocks down; such figures must not share a column with these.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from restora.errors import InputError
from restora.images.colour import bt601_luma

__all__ = [
    "METRICS",
    "Metric",
    "Scores",
    "blocking_effect",
    "measure",
    "psnr",
    "psnr_b",
    "ssim",
    "studio_luma",
]

_PEAK = 255.0
_BLOCK_PX = 8
_WINDOW_PX = 11
_WINDOW_SIGMA_PX = 1.5
_C1 = (0.01 * _PEAK) ** 2
_C2 = (0.03 * _PEAK) ** 2
_BAND_PX = 64  # rows of SSIM worked on at a time: the intermediate planes stay in the cache


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric that knows how it is called, printed and read.

    Attributes:
        name: Key in records, such as ``"psnr_b"``.
        label: Heading in tables, such as ``"PSNR-B"``.
        unit: ``"dB"``, or ``""`` for a plain number.
        better: Which way is better.
        digits: Digits after the point that the literature prints.
        smallest_px: The shortest side of a picture it is defined for.
        compute: The function ``(reference, restored) -> value``.

    >>> plain = np.zeros((16, 16), np.uint8)
    >>> round(METRICS[0](plain, plain + np.uint8(1)), 2)
    48.13
    >>> METRICS[1].text(0.77349), METRICS[0].text(27.766, unit=True)
    ('0.773', '27.77 dB')
    """

    name: Literal["psnr", "ssim", "psnr_b"]
    label: str
    unit: str
    better: Literal["higher", "lower"]
    digits: int
    smallest_px: int
    compute: Callable[[NDArray[np.uint8], NDArray[np.uint8]], float]

    def __call__(self, reference: NDArray[np.uint8], restored: NDArray[np.uint8]) -> float:
        """Measure ``restored`` against ``reference``; see the module for the arrays."""
        return self.compute(reference, restored)

    def text(self, value: float, *, unit: bool = False, sign: bool = False) -> str:
        """``value`` as tables print it; ``unit`` appends the unit, ``sign`` keeps a plus."""
        number = f"{value:{'+' if sign else ''}.{self.digits}f}"
        return f"{number} {self.unit}" if unit and self.unit else number


@dataclass(frozen=True, slots=True)
class Scores:
    """The three figures of one picture: PSNR in dB, SSIM up to 1, PSNR-B in dB."""

    psnr: float
    ssim: float
    psnr_b: float


def measure(reference: NDArray[np.uint8], restored: NDArray[np.uint8]) -> Scores:
    """All three figures of one picture.

    Raises:
        InputError: As :func:`psnr`, :func:`ssim` and :func:`psnr_b`.

    >>> picture = np.arange(256, dtype=np.uint8).reshape(16, 16)
    >>> measure(picture, picture)
    Scores(psnr=inf, ssim=1.0, psnr_b=inf)
    """
    return Scores(*(metric(reference, restored) for metric in METRICS))


def psnr(reference: NDArray[np.uint8], restored: NDArray[np.uint8]) -> float:
    """Peak signal-to-noise ratio in dB over all pixels, in colour over all three channels at once.

    Infinite for equal pictures.

    Raises:
        InputError: The arrays are not two uint8 pictures of one shape.

    >>> psnr(np.zeros((2, 2), np.uint8), np.full((2, 2), 255, np.uint8))
    0.0
    """
    _check(reference, restored)
    return _decibels(_mean_square(reference, restored))


def ssim(reference: NDArray[np.uint8], restored: NDArray[np.uint8]) -> float:
    """Structural similarity, -1 to 1: an 11x11 Gaussian window, sigma 1.5, where it fits whole.

    Float64 throughout, C1 = (0.01 * 255)^2, C2 = (0.03 * 255)^2; in colour the mean of the
    figures of R, G and B. Symmetric in its arguments.

    Raises:
        InputError: The arrays are not two uint8 pictures of one shape, or a side is under 11 px.

    >>> ramp = np.tile(np.arange(32, dtype=np.uint8), (32, 1))
    >>> ssim(ramp, ramp)
    1.0
    """
    _check(reference, restored)
    _check_size(restored, smallest_px=_WINDOW_PX, label="SSIM")
    if restored.ndim == 2:
        return _ssim_plane(reference, restored)
    return sum(_ssim_plane(reference[..., i], restored[..., i]) for i in range(3)) / 3


def psnr_b(reference: NDArray[np.uint8], restored: NDArray[np.uint8]) -> float:
    """PSNR in dB with the blocking effect of the restored picture added to the error.

    In colour the error is that of :func:`psnr` and the blocking effect that of the rounded
    BT.601 studio luma. Never above :func:`psnr`.

    Raises:
        InputError: The arrays are not two uint8 pictures of one shape, or a side is under 8 px.

    >>> steps = np.repeat(np.uint8([0, 40, 80]), 8) * np.ones((24, 1), np.uint8)
    >>> round(psnr_b(steps, steps), 2), psnr(steps, steps)
    (20.94, inf)
    """
    _check(reference, restored)
    _check_size(restored, smallest_px=_BLOCK_PX, label="PSNR-B")
    luma = restored if restored.ndim == 2 else studio_luma(restored)
    return _decibels(_mean_square(reference, restored) + blocking_effect(luma))


def blocking_effect(plane: NDArray[np.uint8]) -> float:
    """The blocking effect factor (BEF) of one plane ``(H, W)``, in squared grey levels, 0 or more.

    Mean squared steps across the edges of the 8x8 grid less those between all other neighbours,
    times log2(8) / log2(shorter side); 0 where the grid edges are the smoother ones. The number
    of pairs across edges is H * (W/8 - 1) + W * (H/8 - 1) with real division, as the protocol
    has it, also where the sides are no multiples of 8.

    Raises:
        InputError: The plane is not uint8 of two dimensions, or a side is under 8 px.

    >>> blocking_effect(np.tile(np.arange(0, 96, 2, dtype=np.uint8), (48, 1)))
    0.0
    """
    _check(plane, plane)
    _check_size(plane, smallest_px=_BLOCK_PX, label="The blocking effect")
    height, width = plane.shape
    levels = plane.astype(np.int64)  # uint8 differences would wrap around
    steps_x = (np.diff(levels, axis=1) ** 2).sum(axis=0)  # one figure for each pair of columns
    steps_y = (np.diff(levels, axis=0) ** 2).sum(axis=1)
    edges = steps_x[_BLOCK_PX - 1 :: _BLOCK_PX].sum() + steps_y[_BLOCK_PX - 1 :: _BLOCK_PX].sum()
    inside = steps_x.sum() + steps_y.sum() - edges
    edge_pairs = height * (width / _BLOCK_PX - 1) + width * (height / _BLOCK_PX - 1)
    inside_pairs = height * (width - 1) + width * (height - 1) - edge_pairs
    if edge_pairs == 0:  # a single block
        return 0.0
    excess = float(edges / edge_pairs - inside / inside_pairs)
    return max(0.0, excess) * math.log2(_BLOCK_PX) / math.log2(min(height, width))


METRICS: tuple[Metric, Metric, Metric] = (
    Metric("psnr", "PSNR", "dB", "higher", 2, 1, psnr),
    Metric("ssim", "SSIM", "", "higher", 3, _WINDOW_PX, ssim),
    Metric("psnr_b", "PSNR-B", "dB", "higher", 2, _BLOCK_PX, psnr_b),
)
"""All metrics, in the order of :class:`Scores` and of every table."""


def studio_luma(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The gray of the literature: BT.601 studio luma, rounded as MATLAB's ``rgb2ycbcr`` does.

    Args:
        rgb: ``(H, W, 3)``, 0-255.

    Returns:
        ``(H, W)``, 16-235.

    >>> studio_luma(np.uint8([[[0, 0, 0], [255, 255, 255], [255, 0, 0]]]))
    array([[ 16, 235,  81]], dtype=uint8)
    """
    return np.asarray(np.rint(bt601_luma(rgb)), dtype=np.uint8)


def _check(reference: NDArray[np.uint8], restored: NDArray[np.uint8]) -> None:
    for what, array in (("clean", reference), ("restored", restored)):
        if array.dtype != np.uint8:
            raise InputError(
                f"The {what} picture is {array.dtype}; metrics are defined on uint8, 0 to 255."
            )
        if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] != 3) or not array.size:
            raise InputError(
                f"The {what} picture has the shape {array.shape}; "
                f"metrics take (height, width) or (height, width, 3)."
            )
    if reference.shape != restored.shape:
        raise InputError(
            f"The restored picture has the shape {restored.shape}, the clean one "
            f"{reference.shape}; they must agree."
        )


def _check_size(array: NDArray[np.uint8], *, smallest_px: int, label: str) -> None:
    height, width = array.shape[:2]
    if min(height, width) < smallest_px:
        raise InputError(
            f"{label} needs sides of at least {smallest_px} pixels; this picture has "
            f"{width} x {height}."
        )


def _mean_square(reference: NDArray[np.uint8], restored: NDArray[np.uint8]) -> float:
    difference = reference.astype(np.int32) - restored.astype(np.int32)
    return float(np.square(difference).mean(dtype=np.float64))


def _decibels(error: float) -> float:
    return math.inf if error == 0 else 10 * math.log10(_PEAK**2 / error)


def _window() -> NDArray[np.float64]:
    offsets = np.arange(_WINDOW_PX) - _WINDOW_PX // 2
    taps = np.exp(-(offsets**2) / (2 * _WINDOW_SIGMA_PX**2))
    return np.asarray(taps / taps.sum(), dtype=np.float64)


def _smooth(plane: NDArray[np.float64], taps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Separable valid convolution of ``(H, W)`` with a symmetric window: ``(H-10, W-10)``."""
    for _ in range(2):  # rows, then (transposed views) columns
        length = plane.shape[0] - _WINDOW_PX + 1
        half = _WINDOW_PX // 2
        total = plane[half : half + length] * taps[half]
        for i in range(half):
            pair = plane[i : i + length] + plane[2 * half - i : 2 * half - i + length]
            pair *= taps[i]
            total += pair
        plane = total.T
    return plane


def _ssim_plane(reference: NDArray[np.uint8], restored: NDArray[np.uint8]) -> float:
    taps = _window()
    rows = restored.shape[0] - _WINDOW_PX + 1
    total = 0.0
    for top in range(0, rows, _BAND_PX):
        band = slice(top, min(top + _BAND_PX, rows) + _WINDOW_PX - 1)
        x = reference[band].astype(np.float64)
        y = restored[band].astype(np.float64)
        mean_x, mean_y = _smooth(x, taps), _smooth(y, taps)
        means = mean_x * mean_y
        mean_squares = mean_x * mean_x + mean_y * mean_y
        covariance = _smooth(x * y, taps) - means
        variances = _smooth(x * x + y * y, taps) - mean_squares
        similarity = (2 * means + _C1) * (2 * covariance + _C2)
        similarity /= (mean_squares + _C1) * (variances + _C2)
        total += float(similarity.sum())
    return float(total / (rows * (restored.shape[1] - _WINDOW_PX + 1)))
