"""Parts of photos with a caption, and small copies of them as SAIPE sees them.

All of it is made once and kept: captions and their tokens depend on the clean photos alone, and a
photo saved at a few qualities stands for all of them where the prompt is concerned.

Shapes: P photos, V views of each (the whole, then parts), Q qualities, S×S pixels of a copy, T
tokens of D numbers.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from restora.degradations.jpeg import compress
from restora.images.atomic import write_atomically
from restora.semantics.lookup import load_captioner, load_text_encoder
from restora.training.data import CLEAN_QUALITY, PhotoStore
from restora.training.sodiff.recipe import SODiffSection

CAPTION_PX = 256  # side of what the captioner gets
SMALLEST_SHARE = 0.5  # of a photo's shorter side, for a part of it
CHUNK = 64

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Views:
    """What is known of every view.

    Attributes:
        captions: P lists of V.
        tokens: (P, V, T, D) float16, of the captions; padding is nothing.
        mask: (P, V, T) bool, which tokens are words.
        copies: (P, V, 1 + Q, S, S, 3), clean, then saved at each of ``qualities``.
        qualities: (Q,) ascending.
        fingerprints: Of captioner and text encoder, by role.
    """

    captions: list[list[str]]
    tokens: NDArray[np.float16]
    mask: NDArray[np.bool_]
    copies: Bytes
    qualities: tuple[int, ...]
    fingerprints: dict[str, str]

    def nearest(self, quality: torch.Tensor) -> torch.Tensor:
        """Which of the 1 + Q copies stands for a quality (B,); 0 for none known, or never saved."""
        known = torch.tensor(self.qualities, device=quality.device).float()
        ratio = (quality[:, None].clamp_min(1) / known).log().abs()
        number = ratio.nan_to_num(torch.inf).argmin(dim=1) + 1
        return torch.where(quality.isnan() | (quality == CLEAN_QUALITY), 0, number)


def read_views(
    photos: PhotoStore, section: SODiffSection, *, side_px: int, max_tokens: int
) -> Views:
    """The views of all photos, from where the photos keep what is made of them if they are there.

    Raises:
        MissingExtra: The captioner or the text encoder is not installed.
        UsageError: There is no such captioner or text encoder.
    """
    captioner = load_captioner(section.captioner)
    encoder = load_text_encoder(section.text_encoder, max_tokens=max_tokens)
    prints = {"captioner": captioner.fingerprint(), "text encoder": encoder.fingerprint()}
    qualities = tuple(sorted(section.view_qualities))
    made = f"{' '.join(prints.values())} {section.views} {qualities} {side_px} {max_tokens}"
    what = f"{photos.key} {made}"
    key = hashlib.sha256(what.encode()).hexdigest()[:16]
    stem = None if photos.cache is None or not photos.key else photos.cache / f"{key}-views"
    shape = (len(photos), section.views, 1 + len(qualities), side_px, side_px, 3)
    if stem is not None and stem.with_suffix(".npz").exists():  # written last
        kept = np.load(stem.with_suffix(".npz"))
        found = np.memmap(stem.with_suffix(".bin"), np.uint8, "r", shape=shape)
        captions = json.loads(str(kept["captions"]))
        return Views(captions, kept["tokens"], kept["mask"], found, qualities, prints)
    copies = np.empty(shape, np.uint8) if stem is None else _room(stem, shape)
    parts = _look(photos, copies, qualities)
    words: list[str] = []
    names = [name for name in photos.names for _ in range(section.views)]
    while chunk := list(islice(parts, CHUNK)):
        shown = np.stack(chunk).astype(np.float32) / np.float32(255)
        words += captioner.caption(shown, names[len(words) : len(words) + len(chunk)] or None)
    features = encoder.encode(words)
    tokens = features.tokens.reshape(*shape[:2], *features.tokens.shape[1:]).astype(np.float16)
    mask = np.ones(tokens.shape[:3], np.bool_)
    if features.mask is not None:
        mask = features.mask.reshape(mask.shape)
    captions = [words[n : n + section.views] for n in range(0, len(words), section.views)]
    if isinstance(copies, np.memmap):
        copies.flush()
    if stem is not None:
        _keep(stem.with_suffix(".npz"), captions, tokens, mask)
    return Views(captions, tokens, mask, copies, qualities, prints)


def _room(stem: Path, shape: tuple[int, ...]) -> Bytes:
    stem.parent.mkdir(parents=True, exist_ok=True)
    return np.memmap(stem.with_suffix(".bin"), np.uint8, "w+", shape=shape)


def _look(photos: PhotoStore, copies: Bytes, qualities: tuple[int, ...]) -> Iterator[Bytes]:
    """Fill in the copies; gives each view as the captioner shall see it, (256, 256, 3)."""
    for number in range(len(photos)):
        photo = photos[number]
        for view in range(copies.shape[1]):
            part = np.ascontiguousarray(_part(photo, number, view))
            copies[number, view, 0] = small_copy(part, copies.shape[3])
            for place, quality in enumerate(qualities, start=1):
                copies[number, view, place] = small_copy(compress(part, quality), copies.shape[3])
            yield small_copy(part, CAPTION_PX)


def _part(photo: Bytes, number: int, view: int) -> Bytes:
    """View 0 is the whole; the others are squares, drawn by the numbers of photo and view."""
    if view == 0:
        return photo
    rng = np.random.default_rng((number, view))
    shorter = min(photo.shape[:2])
    side = int(rng.integers(int(SMALLEST_SHARE * shorter), shorter + 1))
    y, x = (int(rng.integers(length - side + 1)) for length in photo.shape[:2])
    return photo[y : y + side, x : x + side]


def small_copy(picture: Bytes, side_px: int) -> Bytes:
    """A picture (H, W, 3) squeezed to (S, S, 3)."""
    image = Image.fromarray(picture)
    return np.asarray(image.resize((side_px, side_px), Image.Resampling.BILINEAR))


def _keep(
    path: Path,
    captions: list[list[str]],
    tokens: NDArray[np.float16],
    mask: NDArray[np.bool_],
) -> None:
    out = io.BytesIO()
    np.savez(out, captions=np.array(json.dumps(captions)), tokens=tokens, mask=mask)
    write_atomically(path, out.getvalue())
