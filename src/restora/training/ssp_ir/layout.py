"""The folders of SSP-IR's data, as its authors lay them out.

Under one folder lie

* ``gt`` and ``sr_bicubic``: clean and degraded pictures of the same names;
* ``gt_llm_caption``, as its training has it, or ``llm_caption``, as its README has it: what the
  clean pictures show, ``<stem>.txt``. Where both are there, the first counts.

Source: SSP-IR, its README, data set and training code. Ours: pairs are made by name, not by the
order of a listing, and a degraded picture may be smaller by a whole factor, as RealSR's are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from restora.errors import InputError
from restora.images import Picture
from restora.images.enlarge import FACTORS, enlarge
from restora.images.pairs import NAMES_TOLD, Pair, pair_by_stem

__all__ = ["CAPTIONS", "CLEAN", "DEGRADED", "RealLayout", "enlarged", "factor_of"]

CLEAN = "gt"
DEGRADED = "sr_bicubic"
CAPTIONS = ("gt_llm_caption", "llm_caption")

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class RealLayout:
    """Where everything lies under one folder; nothing need be there yet.

    Attributes:
        root: The folder that holds ``gt`` and ``sr_bicubic``.
    """

    root: Path

    @property
    def clean(self) -> Path:
        return self.root / CLEAN

    @property
    def degraded(self) -> Path:
        return self.root / DEGRADED

    @property
    def homes(self) -> tuple[Path, ...]:
        """The folders with pictures."""
        return self.clean, self.degraded

    @property
    def is_there(self) -> bool:
        """Whether it holds degraded pictures, without which a folder is one of photos."""
        return self.degraded.is_dir()

    def captions(self) -> Path | None:
        """The folder of captions that counts, if there is one."""
        return next((place for name in CAPTIONS if (place := self.root / name).is_dir()), None)

    def caption_path(self, stem: str) -> Path:
        """Where the caption of a clean picture is written."""
        return self.root / CAPTIONS[0] / f"{stem}.txt"

    def pairs(self) -> list[Pair]:
        """Degraded and clean pictures, sorted by name; see
        :func:`restora.images.pairs.pair_by_stem`.

        Raises:
            InputError: They do not pair up.
        """
        return pair_by_stem(self.degraded, self.clean)

    def check_captions(self) -> None:
        """Refuse captions that are not all there.

        Raises:
            InputError: Clean pictures have none.
        """
        folder = self.captions()
        there = set() if folder is None else {path.stem for path in folder.glob("*.txt")}
        pairs = self.pairs()
        lacking = [f"{pair.stem}.txt" for pair in pairs if pair.stem not in there]
        if lacking:
            rest = len(lacking) - NAMES_TOLD
            told = ", ".join(lacking[:NAMES_TOLD]) + (f" and {rest} more" if rest > 0 else "")
            raise InputError(
                f"{folder}: captions of {len(lacking)} of {len(pairs)} clean pictures are missing: "
                f"{told}. Write them, or name another captioner as sspir.captioner."
            )


def factor_of(clean: Sequence[int], degraded: Sequence[int], pair: Pair) -> int:
    """How many times as large the clean picture of a pair is, 1-4.

    Args:
        clean: Its shape, (H, W, 3).
        degraded: That of the degraded picture, (h, w, 3).
        pair: Their files, for the message.

    Raises:
        InputError: It is so by no whole factor up to 4.
    """
    (height, width), (low, narrow) = clean[:2], degraded[:2]
    for factor in FACTORS:
        if (height, width) == (low * factor, narrow * factor):
            return factor
    raise InputError(
        f"{pair.degraded} has {narrow}×{low} pixels and {pair.clean} {width}×{height}; the clean "
        f"picture of a pair is as large or {FACTORS[1]} to {FACTORS[-1]} times."
    )


def enlarged(pixels: Bytes, factor: int) -> Bytes:
    """A picture (h, w, 3), ``factor`` times as large, as ``--upscale`` enlarges."""
    if factor == 1:
        return pixels
    small = Picture(pixels=pixels.astype(np.float32) / np.float32(255), space="rgb")
    large = enlarge(small, factor, max_pixels=pixels.size * factor**2)
    made: Bytes = np.rint(large.pixels * 255).astype(np.uint8)
    return made
