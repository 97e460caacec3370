"""Pictures of real-world damage and their clean ones: damaged here, or pairs of the user's.

* The synthetic protocol: clean pictures through the published chain of blur, resizing, noise and
  JPEG, for each of :data:`SETTINGS`. The damage of a picture is drawn by the seed
  ``(SEED, CRC-32 of its name without suffix, scale, place of the strength in STRENGTHS)``, so that
  a part of a set is damaged as the whole is. It comes at the size of the clean picture: what the
  chain made smaller, it has enlarged again by bicubic interpolation.
* Pairs such as RealSR's: two folders with the same names, the degraded pictures smaller by a whole
  factor up to 4, or as large.
"""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from restora.errors import InputError, UsageError
from restora.evaluation.checks import find_pictures, load_rgb
from restora.images.enlarge import enlarge_bytes
from restora.images.pairs import factor_of, pair_by_stem, pictures_by_stem

__all__ = [
    "NAMES",
    "SEED",
    "SETS",
    "SETTINGS",
    "Damage",
    "Loaded",
    "PairCase",
    "RealCase",
    "Setting",
    "SyntheticCase",
    "clean_pictures",
    "pair_cases",
    "synthetic_cases",
]

Pixels = NDArray[np.uint8]
Strength = Literal["full", "light"]

SEED = 1
STRENGTHS: tuple[Strength, ...] = ("full", "light")
SETS = {"live1": "live1_color", "cid22": "cid22_val", "urban10": "urban10"}
"""The sets that have a name, and their folders under the data folder."""

NAMES = (("input", "target"), ("LQ", "GT"), ("LR", "HR"))
"""What the two folders of pairs are called; the first that are there count."""


class Setting(NamedTuple):
    """A kind of damage: how much smaller the picture is on the way, and which numbers are drawn.

    >>> str(Setting(2, "full"))
    'x2 full'
    """

    scale: int
    strength: Strength

    def __str__(self) -> str:
        return f"x{self.scale} {self.strength}"


SETTINGS = (Setting(1, "light"), Setting(2, "full"), Setting(4, "full"))
"""The synthetic protocol; the last one is the published chain."""

Damage = Callable[[Pixels, Sequence[int], Setting], Pixels]
"""A clean picture ``(H, W, 3)``, a seed and a setting in; the damaged picture of that size out."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A picture to restore.

    Attributes:
        setting: Its damage, as the table names it.
        name: Of the picture.
        clean: ``(H, W, 3)`` RGB, 0-255.
        degraded: ``(H / factor, W / factor, 3)``.
        file: The degraded picture as a file that loses nothing and knows nothing of its history.
        factor: How much larger the clean one is, 1-4.
    """

    setting: str
    name: str
    clean: Pixels
    degraded: Pixels
    file: bytes
    factor: int

    @property
    def start(self) -> Pixels:
        """The degraded picture at the size of the clean one, bicubic."""
        return enlarge_bytes(self.degraded, self.factor)


class RealCase(Protocol):
    """A picture and its damage, not loaded yet."""

    @property
    def setting(self) -> str:
        """Its damage, as the table names it."""
        ...

    @property
    def name(self) -> str:
        """Of the picture; within a setting it is there once."""
        ...

    def load(self) -> Loaded:
        """Read it, and make of it what is not kept.

        Raises:
            InputError: A file is no picture.
        """
        ...


@dataclass(frozen=True, slots=True)
class SyntheticCase:
    """A clean picture that is damaged here."""

    clean: Path
    damage_setting: Setting
    damage: Damage

    @property
    def setting(self) -> str:
        """See :class:`RealCase`."""
        return str(self.damage_setting)

    @property
    def name(self) -> str:
        """See :class:`RealCase`."""
        return self.clean.stem

    @property
    def seed(self) -> tuple[int, ...]:
        """Of the damage; see the module."""
        scale, strength = self.damage_setting
        return SEED, zlib.crc32(self.name.encode()), scale, STRENGTHS.index(strength)

    def load(self) -> Loaded:
        """See :class:`RealCase`."""
        clean = load_rgb(self.clean)
        degraded = self.damage(clean, self.seed, self.damage_setting)
        return Loaded(self.setting, self.name, clean, degraded, _lossless(degraded), 1)


@dataclass(frozen=True, slots=True)
class PairCase:
    """A degraded and a clean file."""

    name: str
    degraded: Path
    clean: Path
    factor: int

    @property
    def setting(self) -> str:
        """See :class:`RealCase`."""
        return "pairs" if self.factor == 1 else f"pairs x{self.factor}"

    def load(self) -> Loaded:
        """See :class:`RealCase`."""
        clean, degraded = load_rgb(self.clean), load_rgb(self.degraded)
        file = _lossless(degraded)
        return Loaded(self.setting, self.name, clean, degraded, file, self.factor)


def clean_pictures(
    test_set: str, data: Path, *, folder: Path | None = None, limit: int | None = None
) -> tuple[Path, ...]:
    """The clean pictures of a set, by name.

    Args:
        test_set: One of :data:`SETS`.
        data: Folder that holds the test sets.
        folder: Any folder of lossless pictures in place of the set.
        limit: Only the first so many.

    Raises:
        UsageError: There is no such set, no picture, or ``limit`` is under 1; or two pictures
            differ in nothing but their suffix.
    """
    if limit is not None and limit < 1:
        raise UsageError(f"A limit of {limit} pictures leaves none; the least is 1.")
    if folder is None and test_set not in SETS:
        raise UsageError(f"--set is {', '.join(SETS)}; --pictures takes a folder, not {test_set}.")
    paths = find_pictures(data / SETS[test_set] if folder is None else folder, limit=limit)
    stems = [path.stem for path in paths]
    double = sorted({stem for stem in stems if stems.count(stem) > 1})
    if double:
        raise UsageError(f"Pictures are told apart by their names; there are two {double[0]}.")
    return paths


def synthetic_cases(pictures: Sequence[Path], damage: Damage) -> tuple[SyntheticCase, ...]:
    """Every picture in every one of :data:`SETTINGS`, setting by setting."""
    return tuple(SyntheticCase(path, each, damage) for each in SETTINGS for path in pictures)


def pair_cases(folder: Path, *, limit: int | None = None) -> tuple[PairCase, ...]:
    """The pairs of a folder of the user's; nothing is decoded.

    Args:
        folder: Holds two folders, called as one of :data:`NAMES`, degraded and clean; partners
            have the same name, or RealSR's, ``Canon_001_LR4`` and ``Canon_001_HR``.
        limit: Only the first so many.

    Raises:
        InputError: There is no such folder, a picture has no partner, or the clean one is not
            larger by a whole factor up to 4.
    """
    found = next(
        ((folder / bad, folder / good) for bad, good in NAMES if (folder / bad).is_dir()), None
    )
    if found is None:
        shown = ", ".join("{} and {}".format(*pair) for pair in NAMES)
        raise InputError(f"{folder} holds no pairs: it has no folders called {shown}.")
    bad, good = found
    stems, clean = pictures_by_stem(bad), pictures_by_stem(good)
    released = all(_released_key(stem) in clean for stem in stems)
    plain = any(stem in clean for stem in stems)
    pairs = pair_by_stem(bad, good, key=_released_key if released and not plain else None)
    return tuple(
        PairCase(
            pair.stem,
            pair.degraded,
            pair.clean,
            factor_of(_shape(pair.clean), _shape(pair.degraded), pair),
        )
        for pair in pairs[:limit]
    )


def _released_key(stem: str) -> str:
    """RealSR's naming: from ``Canon_001_LR4`` to ``Canon_001_HR``."""
    return re.sub(r"_LR\d?$", "_HR", stem)


def _shape(path: Path) -> tuple[int, int]:
    """Height and width of a picture that is not decoded."""
    try:
        with Image.open(path) as image:
            return image.height, image.width
    except (OSError, SyntaxError) as error:  # PNG damage is a SyntaxError in Pillow
        raise InputError(f"{path} cannot be read as a picture: {error}.") from error


def _lossless(pixels: Pixels) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    return file.getvalue()
