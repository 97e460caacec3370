"""The folders of SSP-IR's data, as its authors lay them out.

Under one folder lie

* ``gt`` and ``sr_bicubic``: clean and degraded pictures of the same names;
* ``gt_llm_caption``, as its training has it, or ``llm_caption``, as its README has it: what the
  clean pictures show, ``<stem>.txt``. Where both are there, the first counts.

Source: SSP-IR, its README, data set and training code. Ours: pairs are made by name, not by the
order of a listing, and a degraded picture may be smaller by a whole factor, as RealSR's are.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from restora.errors import InputError
from restora.images.pairs import NAMES_TOLD, Pair, pair_by_stem

__all__ = ["CAPTIONS", "CLEAN", "DEGRADED", "RealLayout"]

CLEAN = "gt"
DEGRADED = "sr_bicubic"
CAPTIONS = ("gt_llm_caption", "llm_caption")


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
