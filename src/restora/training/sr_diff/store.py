"""Pairs of clean photos and what is made of them, and what an image encoder says of each.

All is made once, and kept beside the photos. Shapes: P photos of H×W pixels; N tokens of F numbers.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from restora.degradations.by_task import TASKS as DAMAGES
from restora.degradations.by_task import degrade
from restora.semantics.context import one_row
from restora.semantics.lookup import load_image_encoder
from restora.semantics.protocols import ImageEncoder
from restora.training.data import PhotoStore
from restora.training.sodiff.kept import made_whole, room
from restora.training.sr_diff.sources import Bytes, Tokens
from restora.weights.cards import IMAGE_ENCODER

SEED = 6  # of the damage that is made here
PERCENT = 100
PAIR_OF = re.compile(r"(\+\d+|_(1|\d*\.\d+)_\d*\.\d+)$")  # behind a photo's name in its pairs'
MOST_TILES = 64  # of a photo; what more files are called like is a camera, not a photo


@dataclass(frozen=True)
class TokenMaker:
    """An image encoder that is loaded when it is first needed.

    Attributes:
        encoder: What :func:`restora.semantics.lookup.load_image_encoder` calls it.
        count: N.
        dim: F.
        load: Makes it.
    """

    encoder: str
    count: int
    dim: int
    load: Callable[[], ImageEncoder]

    @property
    def key(self) -> str:
        """Tells it from others: a name, but where that is of a folder, what is in there."""
        return self.load().fingerprint() if ":" in self.encoder else self.encoder

    def __call__(self, picture: Bytes) -> Tokens:
        """(N, F) of a whole picture (H, W, 3)."""
        given = picture[None].astype(np.float32) / np.float32(255)
        made: Tokens = one_row(self.load().encode(given), self.count)[0].astype(np.float16)
        return made


class PairStore:
    """Clean photos and, for every task, degraded copies of each.

    See :class:`restora.training.sr_diff.sources.PairSource`. Photos are numbered as in their
    :class:`restora.training.data.PhotoStore`.
    """

    def __init__(
        self,
        photos: PhotoStore,
        *,
        tasks: Sequence[str],
        variants: int,
        make_tokens: TokenMaker,
        holdout: float = 0.0,
    ) -> None:
        """Make what is not there yet; it is kept where the photos keep what is made of them.

        Args:
            photos: Clean photos.
            tasks: What shall be done to them.
            variants: How often, differently.
            make_tokens: What says what they show.
            holdout: Share of the photos for :meth:`held_out`.
        """
        self._photos = photos
        self.tasks: tuple[Any, ...] = tuple(tasks)
        self.variants = variants
        self._make_tokens = make_tokens
        stems = [Path(name).stem for name in photos.names]
        self._aside = set_aside(stems or [str(number) for number in range(len(photos))], holdout)
        self._copies = {
            (task, variant): _copies(photos, task, variant)
            for task in self.tasks
            for variant in range(variants)
        }
        self._clean_tokens: Tokens | None = None
        self._tokens: dict[tuple[str, int], Tokens] = {}

    @property
    def encoders(self) -> dict[str, str]:
        """Fingerprint of the image encoder, by its role."""
        return {IMAGE_ENCODER: self._make_tokens.load().fingerprint()}

    def __len__(self) -> int:
        return len(self._photos)

    def numbers(self, task: str) -> Sequence[int]:  # noqa: ARG002
        """The photos that have a task: all."""
        return range(len(self))

    def clean(self, number: int) -> Bytes:
        """Photo ``number``, (H, W, 3)."""
        return self._photos[number]

    def degraded(self, number: int, task: str, variant: int = 0) -> Bytes:
        """A degraded copy of it, (H, W, 3)."""
        return self._copies[task, variant][0][number]

    def strength(self, number: int, task: str, variant: int = 0) -> float:
        """How strong its damage is within the range of the task, 0-1."""
        return float(self._copies[task, variant][1][number])

    def clean_tokens(self, number: int) -> Tokens:
        """(N, F) of the whole photo."""
        if self._clean_tokens is None:
            self._clean_tokens = self._all_tokens(self._photos, "clean")
        tokens: Tokens = self._clean_tokens[number]
        return tokens

    def tokens(self, number: int, task: str, variant: int = 0) -> Tokens:
        """(N, F) of a whole degraded copy."""
        if (task, variant) not in self._tokens:
            copies = self._copies[task, variant][0]
            self._tokens[task, variant] = self._all_tokens(copies, f"{task} {variant} {SEED}")
        tokens: Tokens = self._tokens[task, variant][number]
        return tokens

    def held_out(self, number: int) -> bool:
        """Whether this photo is among those the refiner is not shown; see :func:`set_aside`."""
        return self._aside[number]

    def _all_tokens(self, pictures: PhotoStore, what: str) -> Tokens:
        make = self._make_tokens
        shape = (len(pictures), make.count, make.dim)
        path = place_of(self._photos, f"{what} {make.key} {shape}", "tokens")
        if path is None or not path.exists():
            with room(path, shape, np.float16) as tokens:
                for number in range(len(pictures)):
                    tokens[number] = make(pictures[number])
            if path is None:
                return tokens
        return np.memmap(path, np.float16, "r", shape=shape)


def _copies(photos: PhotoStore, task: str, variant: int) -> tuple[PhotoStore, NDArray[np.float32]]:
    """Degraded copies of all photos, and how strong the damage of each is."""
    what = f"{task} {variant} {SEED}"
    path, told = place_of(photos, what, "degraded"), place_of(photos, what, "strength")
    if path is not None and told is not None and told.exists():
        return photos.like(np.memmap(path, np.uint8, "r")), np.fromfile(told, np.float32)
    strength = np.empty(len(photos), np.float32)
    with room(path, (photos.size_bytes,), np.uint8) as data:
        copies = photos.like(data)
        for number in range(len(photos)):
            made = degrade(photos[number], task, (SEED, DAMAGES.index(task), variant, number))
            copies[number][:] = made.pixels
            strength[number] = made.strength
    if path is None or told is None:
        return copies, strength
    with made_whole(told) as partial:  # written last, so its presence means all is there
        strength.tofile(partial)
    return photos.like(np.memmap(path, np.uint8, "r")), strength


def set_aside(stems: Sequence[str], share: float) -> list[bool]:
    """Which photos are held out, by their names: those of a name always, whatever others there are.

    By the photo and not the picture: tiles, named alike before their last ``_``, go together, and
    so do pairs of the same photo, which differ in a ``+`` and a number behind the name, or as
    RESIDE has it in the numbers of the haze, ``_0.8_0.2``. Where so many are named alike that this
    cannot be a photo, each stands for itself.

    Args:
        stems: Names without suffix.
        share: How many, 0-1.
    """
    plain = [PAIR_OF.sub("", stem) for stem in stems]
    photos = [before or name for before, _, name in (stem.rpartition("_") for stem in plain)]
    tiles = Counter(dict(zip(plain, photos, strict=True)).values())
    keys = [
        name if tiles[photo] > MOST_TILES or len(tiles) == 1 else photo
        for name, photo in zip(plain, photos, strict=True)
    ]
    places = (int(hashlib.sha256(key.encode()).hexdigest()[:8], 16) % PERCENT for key in keys)
    return [place < PERCENT * share for place in places]


def place_of(photos: PhotoStore, what: str, kind: str) -> Path | None:
    """Where something made of photos is kept; None: nowhere.

    Args:
        photos: Of which it is made.
        what: Everything else it depends on.
        kind: What it is called by.
    """
    if photos.cache is None or not photos.key:
        return None
    made = hashlib.sha256(f"{photos.key} {what}".encode()).hexdigest()[:16]
    return photos.cache / f"{made}-{kind}.bin"


def token_maker(encoder: str, *, count: int, dim: int, device: str = "cpu") -> TokenMaker:
    """The encoder of a network's description, loaded when it is first needed."""
    loaded: list[ImageEncoder] = []

    def load() -> ImageEncoder:
        if not loaded:
            loaded.append(load_image_encoder(encoder, device=device))
        return loaded[0]

    return TokenMaker(encoder, count, dim, load)
