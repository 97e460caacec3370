"""Captions that are given, not found: from text files, one for all, or none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from restora.errors import InputError, UsageError
from restora.semantics.fingerprint import hash_text, make_fingerprint
from restora.semantics.protocols import Floats

__all__ = ["EmptyCaptioner", "FileCaptioner", "StaticCaptioner"]


class FileCaptioner:
    """The caption of ``photo.jpg`` is what ``photo.txt`` holds.

    See :class:`restora.semantics.protocols.Captioner`. Line breaks become spaces.
    """

    name = "file"

    def __init__(self, folder: str | Path | None = None) -> None:
        """Say where the texts lie.

        Args:
            folder: Of the texts; ``None`` for beside each picture, whose name is then its path.

        Raises:
            InputError: There is no such folder.
        """
        self._folder = None if folder is None else Path(folder)
        if self._folder is not None and not self._folder.is_dir():
            raise InputError(f"There is no folder {folder} with captions.")

    def fingerprint(self) -> str:
        """Over all texts in the folder; those beside pictures are not known here."""
        texts = [] if self._folder is None else sorted(self._folder.glob("*.txt"))
        parts = [part for text in texts for part in (text.stem, _read(text))]
        return make_fingerprint(self.name, (len(texts),), hash_text(*parts))

    def caption(self, pictures: Floats, names: Sequence[str] | None = None) -> list[str]:
        """Look the captions up.

        Raises:
            InputError: A text is missing or cannot be read; the message names it.
            UsageError: There is not one name for each picture.
        """
        if names is None or len(names) != len(pictures):
            raise UsageError("Captions from files need the name of every picture.")
        return [_read(self._place(Path(name))) for name in names]

    def _place(self, picture: Path) -> Path:
        beside = picture.with_suffix(".txt")
        return beside if self._folder is None else self._folder / beside.name


class StaticCaptioner:
    """One caption for all; see :class:`restora.semantics.protocols.Captioner`."""

    name = "static"

    def __init__(self, text: str) -> None:
        self._text = text

    def fingerprint(self) -> str:
        return make_fingerprint(self.name, (len(self._text),), hash_text(self._text))

    def caption(
        self,
        pictures: Floats,
        names: Sequence[str] | None = None,  # noqa: ARG002 - all have the same
    ) -> list[str]:
        return [self._text] * len(pictures)


class EmptyCaptioner(StaticCaptioner):
    """No words: what a network sees whose captions were left out in training now and then."""

    name = "empty"

    def __init__(self) -> None:
        super().__init__("")


def _read(text: Path) -> str:
    try:
        return " ".join(text.read_text(encoding="utf-8").split())
    except FileNotFoundError:
        raise InputError(f"There is no caption {text}: write it, or name another folder.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"Cannot read the caption {text}: {error}") from error
