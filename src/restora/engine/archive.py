"""Where the pictures of a run with a manifest come from, and where their results are."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from restora.engine.listing import Listed, Unusable, list_pictures, real_path

MANIFEST = "restora-manifest.sqlite"  # in the folder of the results
Sizes = Callable[[str], int | None]  # place of a result to its bytes; None: nothing is there
Real = Callable[[str], str]  # place of a result to its real path, or its URL


class Archive(Protocol):
    """Pictures, and the folder of their results."""

    @property
    def root(self) -> str:
        """The real path, or the URL, of the folder of the results, with a ``/`` behind."""

    @property
    def manifest(self) -> Path | None:
        """Where its manifest is unless somebody says otherwise; None: somebody has to."""

    def listed(self, inputs: Sequence[str], unusable: Unusable) -> Iterator[Listed]:
        """The pictures; ``unusable`` takes inputs that come to nothing, while the list is read."""

    def sizes(self) -> Sizes:
        """What results are there."""

    def real(self, place: str) -> str:
        """The real path, or the URL, of what would be written to the place of a result."""


class LocalArchive:
    """Paths and patterns of this machine."""

    def __init__(self, out: Path) -> None:
        """
        Args:
            out: The folder of the results; it need not be there.
        """
        self._out = real_path(out)
        self._real: dict[str, str] = {}  # of the folders below it

    @property
    def root(self) -> str:
        """See :class:`Archive`."""
        return f"{self._out.as_posix().rstrip('/')}/"

    @property
    def manifest(self) -> Path | None:
        """See :class:`Archive`."""
        return self._out / MANIFEST

    def real(self, place: str) -> str:
        """See :class:`Archive`."""
        folder, _, name = place.rpartition("/")
        if folder not in self._real:
            self._real[folder] = str(real_path(self._out / folder))
        path = f"{self._real[folder]}{os.sep}{name}"
        # There may be millions, and pathlib takes ten times as long.
        return os.path.realpath(path) if os.path.islink(path) else path  # noqa: PTH114

    def listed(self, inputs: Sequence[str], unusable: Unusable) -> Iterator[Listed]:
        """See :class:`Archive`."""
        return list_pictures(inputs, self._out, unusable)

    def sizes(self) -> Sizes:
        """See :class:`Archive`."""

        def size(place: str) -> int | None:
            try:
                return (self._out / place).lstat().st_size
            except OSError:
                return None

        return size
