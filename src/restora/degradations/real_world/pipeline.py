"""The chain of two rounds: blur, resize, noise, JPEG, twice, with ringing at the end.

Source: Wang et al. 2021 (Real-ESRGAN); Wu et al. 2024 (SeeSR); Zhang et al. 2025 (SSP-IR), whose
numbers these are.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import torch
from torch import Tensor

from restora.degradations.jpeg import JpegBatch
from restora.degradations.real_world.drawing import draw_course, draw_on
from restora.degradations.real_world.kernels import filtered
from restora.degradations.real_world.noise import noisy
from restora.degradations.real_world.resize import resized, size_at
from restora.degradations.real_world.settings import Course, Settings, Strength


def degrade_real(
    clean: Tensor,
    rng: np.random.Generator,
    *,
    strength: Strength = "full",
    scale: int = 4,
    share: int = 1,
) -> Tensor:
    """Draw a damage for every picture and apply it.

    Args:
        clean: (B, 3, H, W), 0-1, any size from 1x1, on any device.
        rng: source of all settings.
        strength: ``"full"`` as published, or ``"light"``.
        scale: how much smaller the damaged picture is before it is enlarged again: 1, 2 or 4 (as
            published).
        share: so many pictures in a row, at least 1, share sizes and order and nothing else; they
            are worked on together, which spares a GPU most of its small launches.

    Returns:
        (B, 3, H, W) float32 of whole 255ths, 0-1.

    Raises:
        UsageError: another strength or scale.
    """
    settings = []
    for index in range(len(clean)):
        if index % share == 0:
            course = draw_course(rng, strength=strength, scale=scale)
        settings.append(draw_on(course, rng, strength=strength))
    return apply(clean, settings)


def apply(clean: Tensor, settings: Sequence[Settings]) -> Tensor:
    """Damage pictures (B, 3, H, W) of 0-1 by B settings; returns whole 255ths of 0-1."""
    by_course: dict[Course, list[int]] = {}
    for index, each in enumerate(settings):
        by_course.setdefault(each.course, []).append(index)
    with torch.no_grad(), torch.autocast(clean.device.type, enabled=False):
        result = torch.empty_like(clean, dtype=torch.float32)
        for course, members in by_course.items():
            alike = clean[members].float()
            result[members] = _on_one_course(alike, course, [settings[i] for i in members])
        return result


def compressed(pictures: Tensor, qualities: Sequence[int]) -> Tensor:
    """JPEG on pictures (B, 3, H, W), clipped to 0-1, each at its own quality 1-100."""
    jpeg = _jpeg(pictures.device)
    quality = torch.tensor(qualities, device=pictures.device)
    decoded: Tensor = jpeg(pictures.clamp(0, 1) * 255, quality)
    return decoded / 255


def _on_one_course(clean: Tensor, course: Course, settings: list[Settings]) -> Tensor:
    full = (clean.shape[-2], clean.shape[-1])
    small = size_at(full, 1 / course.scale)
    first, second, last = course.interpolations

    pictures = filtered(clean, [each.blurs[0] for each in settings])
    pictures = resized(pictures, size_at(full, course.first), first)
    pictures = noisy(pictures, [each.noises[0] for each in settings])
    pictures = compressed(pictures, [each.qualities[0] for each in settings])

    pictures = filtered(pictures, [each.blurs[1] for each in settings])
    pictures = resized(pictures, size_at(full, course.second / course.scale), second)
    pictures = noisy(pictures, [each.noises[1] for each in settings])
    if not course.jpeg_last:
        pictures = compressed(pictures, [each.qualities[1] for each in settings])
    pictures = filtered(resized(pictures, small, last), [each.sinc for each in settings])
    if course.jpeg_last:
        pictures = compressed(pictures, [each.qualities[1] for each in settings])
    return _whole(resized(_whole(pictures), full, "bicubic"))


def _whole(pictures: Tensor) -> Tensor:
    return (pictures.clamp(0, 1) * 255).round() / 255


@cache
def _jpeg(device: torch.device) -> JpegBatch:
    return JpegBatch().to(device)
