"""Damage one 8-bit picture, reproducibly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import torch
from numpy.typing import NDArray

from restora.degradations.by_task import Degraded
from restora.degradations.real_world.drawing import SCALES, STRENGTHS, draw
from restora.degradations.real_world.pipeline import apply
from restora.degradations.real_world.settings import Strength
from restora.errors import InputError


def real_world_pixels(
    pixels: NDArray[np.uint8],
    seed: int | Sequence[int],
    *,
    strength: Strength | None = None,
    scale: int | None = None,
) -> Degraded:
    """Draw a real-world damage and apply it.

    Args:
        pixels: (H, W, 3) RGB, at least 1x1.
        seed: not negative; the same pixels and seed give the same result on the same machine.
        strength: ``"full"``, ``"light"``, or None to draw one of them.
        scale: 1, 2, 4, or None to draw one of them.

    Returns:
        The damaged picture at its full size, with its strength 0-1 and its settings.

    Raises:
        UsageError: another strength or scale.
        InputError: pixels that are not 8-bit RGB.
    """
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise InputError(f"Needs 8-bit RGB pixels (H, W, 3), not {pixels.dtype} {pixels.shape}.")
    rng = np.random.default_rng(seed)
    # Both are always drawn, so that a given one leaves the rest of the damage as it was.
    any_scale, any_strength = int(rng.choice(SCALES)), STRENGTHS[rng.integers(len(STRENGTHS))]
    settings = draw(
        rng,
        strength=any_strength if strength is None else strength,
        scale=any_scale if scale is None else scale,
    )
    clean = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))[None].float() / 255
    damaged = (apply(clean, [settings])[0] * 255).round().to(torch.uint8)
    return Degraded(
        np.ascontiguousarray(damaged.permute(1, 2, 0).numpy()), settings.strength, asdict(settings)
    )
