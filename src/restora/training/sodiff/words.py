"""Captions of photos and of parts of them, and the tokens a prior reads.

They depend on the clean photos alone, so they are made once and kept, and the networks that make
them are loaded only then. Shapes as in :mod:`restora.training.sodiff.views`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from restora.semantics.lookup import (
    CAPTIONERS,
    TEXT_ENCODERS,
    load_captioner,
    load_text_encoder,
)
from restora.semantics.protocols import Captioner, Floats, TextEncoder
from restora.training.data import PhotoStore
from restora.training.sodiff.kept import made_whole, room
from restora.training.sodiff.views import Bytes, part_of, small_copy

CAPTION_PX = 256  # side of what the captioner gets
CHUNK = 64


class Describer:
    """A recipe's captioner and text encoder, which are loaded when first needed."""

    def __init__(
        self, captioner: str, text_encoder: str, *, max_tokens: int, device: str = "cpu"
    ) -> None:
        """
        Args:
            captioner, text_encoder: As :mod:`restora.semantics.lookup` knows them.
            max_tokens: T.
            device: Where they run.
        """
        self._names = (captioner, text_encoder)
        self._device = device
        self._captioner: Captioner | None = None
        self._encoder: TextEncoder | None = None
        self.max_tokens = max_tokens

    @property
    def looks_up(self) -> bool:
        """Whether captions are found by a picture's name, so that a nameless one has none."""
        return self._names[0].partition(":")[0] == "file"

    @property
    def captioner(self) -> Captioner:
        if self._captioner is None:
            self._captioner = load_captioner(self._names[0], device=self._device)
        return self._captioner

    @property
    def encoder(self) -> TextEncoder:
        if self._encoder is None:
            self._encoder = load_text_encoder(
                self._names[1], max_tokens=self.max_tokens, device=self._device
            )
        return self._encoder

    def unload(self) -> None:
        """Free what the networks take until they are needed again."""
        self._captioner = self._encoder = None

    def key(self) -> str:
        """What the words depend on; a network that a path names is not loaded to tell."""
        captioner, encoder = self._names
        told = (
            _listing(captioner)
            if _by_path(captioner, CAPTIONERS)
            else self.captioner.fingerprint(),
            _listing(encoder) if _by_path(encoder, TEXT_ENCODERS) else self.encoder.fingerprint(),
            str(self.max_tokens),
        )
        return " ".join(told)

    def fingerprints(self) -> dict[str, str]:
        """Of both, by role."""
        return {
            "captioner": self.captioner.fingerprint(),
            "text encoder": self.encoder.fingerprint(),
        }

    def caption(self, pictures: Sequence[Bytes], names: Sequence[str] | None = None) -> list[str]:
        """A sentence for each picture (CAPTION_PX, CAPTION_PX, 3)."""
        shown = np.stack(pictures).astype(np.float32) / np.float32(255)
        return self.captioner.caption(shown, names)

    def encode(self, sentences: Sequence[str]) -> tuple[Floats, NDArray[np.bool_]]:
        """Tokens (N, T, D), padding nothing, and which are words (N, T)."""
        found = self.encoder.encode(sentences)
        count, length = found.tokens.shape[:2]
        tokens = np.zeros((count, self.max_tokens, found.tokens.shape[2]), np.float32)
        mask = np.zeros(tokens.shape[:2], np.bool_)
        tokens[:, :length] = found.tokens
        mask[:, :length] = True if found.mask is None else found.mask
        return tokens, mask


@dataclass(frozen=True)
class Words:
    """What is said of every view.

    Attributes:
        captions: P lists of V.
        tokens: (P, V, T, D) float16, of the captions; padding is nothing. A mapped file.
        mask: (P, V, T) bool, which tokens are words.
        fingerprints: Of captioner and text encoder, by role.
    """

    captions: list[list[str]]
    tokens: NDArray[np.float16]
    mask: NDArray[np.bool_]
    fingerprints: dict[str, str]


def read_words(photos: PhotoStore, describer: Describer, *, views: int) -> Words:
    """The words of all photos, from where the photos keep what is made of them if they are there.

    Raises:
        MissingExtra: The captioner or the text encoder is not installed.
        UsageError: There is no such captioner or text encoder.
        InputError, WeightsError: They cannot be loaded, or a caption is missing.
    """
    stem = _stem(photos, describer, views)
    index, data = (None, None) if stem is None else (Path(f"{stem}.npz"), Path(f"{stem}.bin"))
    if index is None or data is None or not (index.exists() and data.exists()):
        words = _make(photos, describer, views, data)
        if index is None:
            return words
        with made_whole(index) as partial, partial.open("wb") as file:
            np.savez(
                file,
                captions=np.array(json.dumps(words.captions)),
                mask=words.mask,
                shape=np.array(words.tokens.shape),
                fingerprints=np.array(json.dumps(words.fingerprints)),
            )
    assert data is not None
    with np.load(index) as kept:
        tokens = np.memmap(data, np.float16, "r", shape=tuple(kept["shape"].tolist()))
        captions, prints = (json.loads(str(kept[name])) for name in ("captions", "fingerprints"))
        return Words(captions, tokens, kept["mask"], prints)


def _make(photos: PhotoStore, describer: Describer, views: int, data: Path | None) -> Words:
    names = [name for name in photos.names for _ in range(views)]
    parts = _parts(photos, views)
    said: list[str] = []
    while chunk := list(islice(parts, CHUNK)):
        said += describer.caption(chunk, names[len(said) : len(said) + len(chunk)] or None)
    shape = (len(said), describer.max_tokens, describer.encoder.token_dim)
    mask = np.empty(shape[:2], np.bool_)
    with room(data, shape, np.float16) as tokens:
        for start in range(0, len(said), CHUNK):
            some = slice(start, start + CHUNK)
            tokens[some], mask[some] = describer.encode(said[some])
    captions = [said[n : n + views] for n in range(0, len(said), views)]
    by_view = (len(photos), views)
    return Words(
        captions,
        tokens.reshape(*by_view, *shape[1:]),
        mask.reshape(*by_view, shape[1]),
        describer.fingerprints(),
    )


def _parts(photos: PhotoStore, views: int) -> Iterator[Bytes]:
    """Every view as the captioner shall see it."""
    for number in range(len(photos)):
        for view in range(views):
            yield small_copy(part_of(photos[number], number, view), CAPTION_PX)


def _stem(photos: PhotoStore, describer: Describer, views: int) -> Path | None:
    if photos.cache is None or not photos.key:
        return None
    made = f"{photos.key} {describer.key()} {views}"
    return photos.cache / f"{hashlib.sha256(made.encode()).hexdigest()[:16]}-words"


def _by_path(name: str, known: Sequence[str]) -> bool:
    return f"{name.partition(':')[0]}:PATH" in known


def _listing(name: str) -> str:
    """A name, and names and sizes of the files in the folder behind it if it is one."""
    folder = Path(name.partition(":")[2])
    files = sorted(p for p in folder.rglob("*") if p.is_file()) if folder.is_dir() else []
    return "\n".join([name, *(f"{p.relative_to(folder)} {p.stat().st_size}" for p in files)])
