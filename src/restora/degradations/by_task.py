"""Degrade a picture for a restoration task, reproducibly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from restora._optional import require
from restora.degradations import haze, low_light, motion_blur, rain
from restora.errors import InputError, UsageError

_Draw = Callable[[np.random.Generator], Any]
_Apply = Callable[[NDArray[np.float32], Any, np.random.Generator], NDArray[np.float32]]

_BY_TASK: dict[str, tuple[_Draw, _Apply]] = {
    "dehaze": (haze.draw, haze.apply),
    "derain": (rain.draw, rain.apply),
    "deblur": (motion_blur.draw, motion_blur.apply),
    "lowlight": (low_light.draw, low_light.apply),
}
REAL = "real"  # which draws its stages itself, and needs PyTorch
TASKS = (*_BY_TASK, REAL)


@dataclass(frozen=True)
class Degraded:
    """A degraded picture and how it became one.

    Attributes:
        pixels: (H, W, 3) RGB.
        strength: place within the task's range, 0 (mild) to 1.
        settings: what was drawn, ready for JSON.
    """

    pixels: NDArray[np.uint8]
    strength: float
    settings: dict[str, Any]


def degrade(pixels: NDArray[np.uint8], task: str, seed: int | Sequence[int]) -> Degraded:
    """Draw a degradation and apply it.

    Args:
        pixels: (H, W, 3) RGB, at least 1x1.
        task: one of :data:`TASKS`.
        seed: not negative; the same pixels, task and seed give the same result.

    Raises:
        UsageError: unknown task.
        InputError: pixels that are not 8-bit RGB.
    """
    if task not in TASKS:
        raise UsageError(f"There is no task {task!r}. Take one of: {', '.join(TASKS)}.")
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise InputError(f"Needs 8-bit RGB pixels (H, W, 3), not {pixels.dtype} {pixels.shape}.")
    if task == REAL:
        require("torch", extra="train")
        from restora.degradations.real_world import real_world_pixels  # noqa: PLC0415 - PyTorch

        return real_world_pixels(pixels, seed)
    draw, apply = _BY_TASK[task]
    rng = np.random.default_rng(seed)
    settings = draw(rng)
    result = apply(pixels.astype(np.float32) / np.float32(255), settings, rng)
    rounded = (result * np.float32(255)).round().clip(0, 255).astype(np.uint8)
    return Degraded(rounded, settings.strength, asdict(settings))
