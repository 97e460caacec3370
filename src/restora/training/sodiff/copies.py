"""Small copies of photos and of parts of them, clean and saved at a few qualities.

A photo saved at a few qualities stands for all of them where the prompt is concerned. The copies
depend on no words, and those of each view are a file of their own, so a stage reads what it needs.
Shapes as in :mod:`restora.training.sodiff.views`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from restora.degradations.jpeg import compress
from restora.training.data import CLEAN_QUALITY, PhotoStore
from restora.training.sodiff.kept import room
from restora.training.sodiff.views import Bytes, part_of, small_copy

UNKNOWN_QUALITY = 40  # what stands for pictures of which no one number tells how they were saved


@dataclass(frozen=True)
class Copies:
    """The copies of some views.

    Attributes:
        views: (P, 1 + Q, S, S, 3) of each: clean, then saved at each of ``qualities``.
        qualities: (Q,) ascending.
    """

    views: tuple[Bytes, ...]
    qualities: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.views[0])

    def take(self, photos: Iterable[int], views: Iterable[int], saves: Iterable[int]) -> Bytes:
        """Copies (B, S, S, 3) by the numbers of photo, view and save."""
        places = zip(photos, views, saves, strict=True)
        return np.stack([self.views[view][photo, save] for photo, view, save in places])

    def nearest(self, quality: Tensor) -> Tensor:
        """Which of the 1 + Q saves stands for a quality (B,).

        Clean ones, 0, for what was never saved; for a NaN, which has been saved twice, one that is
        about as bad.
        """
        known = torch.tensor(self.qualities, device=quality.device).float()
        told = quality.nan_to_num(UNKNOWN_QUALITY)
        number = (told[:, None].clamp_min(1) / known).log().abs().argmin(dim=1) + 1
        return torch.where(quality == CLEAN_QUALITY, 0, number)


def read_copies(
    photos: PhotoStore, qualities: Sequence[int], *, side_px: int, views: int = 1
) -> Copies:
    """The copies of all photos, from where the photos keep what is made of them if they are there.

    Args:
        photos: The photos.
        qualities: What the copies are saved at.
        side_px: S.
        views: How many of each; the first is the whole.
    """
    ascending = tuple(sorted(qualities))
    found = tuple(_read_view(photos, ascending, side_px, view) for view in range(views))
    return Copies(found, ascending)


def _read_view(photos: PhotoStore, qualities: tuple[int, ...], side_px: int, view: int) -> Bytes:
    shape = (len(photos), 1 + len(qualities), side_px, side_px, 3)
    path = _place(photos, qualities, side_px, view)
    if path is None or not path.exists():
        with room(path, shape, np.uint8) as copies:
            for number in range(len(photos)):
                part = part_of(photos[number], number, view)
                copies[number, 0] = small_copy(part, side_px)
                for place, quality in enumerate(qualities, start=1):
                    copies[number, place] = small_copy(compress(part, quality), side_px)
        if path is None:
            return copies
    return np.memmap(path, np.uint8, "r", shape=shape)


def _place(photos: PhotoStore, qualities: tuple[int, ...], side_px: int, view: int) -> Path | None:
    if photos.cache is None or not photos.key:
        return None
    made = f"{photos.key} {qualities} {side_px} {view}"
    return photos.cache / f"{hashlib.sha256(made.encode()).hexdigest()[:16]}-copies.bin"
