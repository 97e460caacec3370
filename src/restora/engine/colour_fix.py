"""The colours of a restored picture brought back to those of the degraded one.

A diffusion model in a latent space shifts colours: of the whole picture, and slowly from place to
place. Both ways back take the colours, but not the detail, from the degraded picture.

Source: AdaIN is Huang & Belongie, ICCV 2017; the wavelet form is StableSR (Wang et al., IJCV 2024),
whose low-pass is the à trous one of five levels (Holschneider et al., 1989).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from restora.engine.backend import Floats
from restora.errors import UsageError
from restora.images.samples import strips

COLOUR_FIXES = ("none", "adain", "wavelet")

LEVELS = 5  # of the low-pass: the last reaches 16 pixels to each side, all of them 31
_FLAT = (0.1 / 255) ** 2  # variance: a tenth of a gray level is no contrast to be stretched


def fix_colours(pixels: Floats, like: Floats, kind: str, *, out: Floats | None = None) -> Floats:
    """A restored picture with the colours of another.

    Args:
        pixels: The restored picture, (H, W, C) of any size from 1×1; it may reach out of 0-1.
        like: The degraded picture, of the same shape, 0-1.
        kind: ``none``; ``adain`` gives each channel the mean and the standard deviation of
            ``like``; ``wavelet`` gives it the low frequencies of ``like`` and keeps the high ones.
        out: Where the result goes, float32 and of the same shape; it may be ``pixels``. None makes
            an array.

    Returns:
        (H, W, C) float32, clipped to 0-1; also for ``none``. It is ``out``, if that is given.

    Raises:
        UsageError: There is no such fix.
        ValueError: The pictures differ in shape.
    """
    if kind not in COLOUR_FIXES:
        known = f"{', '.join(COLOUR_FIXES[:-1])} or {COLOUR_FIXES[-1]}"
        raise UsageError(f"The colour fix is {known}, not {kind!r}.")
    if pixels.shape != like.shape:
        raise ValueError(f"a picture of {pixels.shape} has no like in one of {like.shape}")
    fixed = np.empty(pixels.shape, np.float32) if out is None else out
    if fixed is not pixels:
        fixed[...] = pixels
    if kind != "none":
        for channel in range(fixed.shape[2]):  # one by one: a large picture is copied once, not 3×
            fix = _take_statistics if kind == "adain" else _take_low_frequencies
            fix(fixed[..., channel], like[..., channel])
    return np.clip(fixed, 0, 1, out=fixed)


def _take_statistics(plane: Floats, like: Floats) -> None:
    """Shift and stretch a plane (H, W), in place."""
    mean, variance = _statistics(plane)
    mean_like, variance_like = _statistics(like)
    plane -= np.float32(mean)
    plane *= np.float32(np.sqrt((variance_like + _FLAT) / (variance + _FLAT)))
    plane += np.float32(mean_like)


def _statistics(plane: Floats) -> tuple[float, float]:
    """Mean and variance, summed in float64 strip by strip."""
    rows = list(strips(*plane.shape))
    mean = sum(plane[top:end].sum(dtype=np.float64) for top, end in rows) / plane.size
    squares = sum(np.square(plane[top:end] - mean, dtype=np.float64).sum() for top, end in rows)
    return float(mean), float(squares / plane.size)


def _take_low_frequencies(plane: Floats, like: Floats) -> None:
    """Put the low frequencies of another plane (H, W) in the place of its own, in place.

    The filter is linear, so the two planes need only one pass of it, over their difference; and
    where they are equal, nothing changes at all.
    """
    plane += _low_pass(like - plane)


def _low_pass(plane: Floats) -> Floats:
    """The low frequencies of a plane (H, W), which is used up."""
    spare = np.empty_like(plane)
    for level in range(LEVELS):
        for axis in (0, 1):
            _blur(np.moveaxis(plane, axis, 0), np.moveaxis(spare, axis, 0), 2**level)
            plane, spare = spare, plane
    return plane


def _blur(plane: Any, out: Any, reach_px: int) -> None:
    """1/4, 1/2, 1/4 of the rows this far apart into ``out``; edges repeated; uses ``plane`` up."""
    reach = min(reach_px, len(plane))
    plane *= np.float32(0.25)
    np.add(plane, plane, out=out)
    out[reach:] += plane[: len(plane) - reach]
    out[:reach] += plane[0]
    out[: len(plane) - reach] += plane[reach:]
    out[len(plane) - reach :] += plane[-1]
