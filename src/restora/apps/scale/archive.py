"""Pictures and results on this machine and in the stores that fsspec knows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from restora._optional import require
from restora.apps.scale.cluster import load_ray
from restora.apps.scale.listing import list_url
from restora.apps.scale.urls import CHAIN, Location, is_web, local_path, locate, reason
from restora.engine.archive import Archive, LocalArchive, Sizes
from restora.engine.listing import Listed, Unusable, list_pictures
from restora.errors import OutputError, UsageError

_FOLDERS = 4  # of results whose names are in memory


def open_archive(out: str) -> Archive:
    """An archive whose results go to a folder of this machine, or to one of a store.

    Args:
        out: A path or a URL; it need not be there.

    Raises:
        MissingExtra: ``restora[scale]`` is not installed.
        OutputError: The store cannot be used.
        UsageError: Nothing can be written there.
    """
    load_ray()
    require("fsspec", extra="scale")
    path = local_path(out)
    if path is not None:
        return LocalResults(Path(path))
    if is_web(out):
        raise UsageError(f"{out}: nothing can be written by HTTP; name a folder, or a store.")
    if CHAIN in out:
        raise UsageError(f"{out}: results cannot go into an archive; name a folder, or a store.")
    try:
        return StoreResults(locate(out))
    except Exception as error:  # every store has its own
        raise OutputError(f"{out} cannot be written ({reason(error)}).") from error


class LocalResults(LocalArchive):
    """Results on this machine; pictures may come from anywhere."""

    def listed(self, inputs: Sequence[str], unusable: Unusable) -> Iterator[Listed]:
        """See :class:`restora.engine.archive.Archive`."""
        return _list_all(inputs, self._out, self.root, unusable)


class StoreResults:
    """Results in a store; pictures may come from anywhere."""

    def __init__(self, where: Location) -> None:
        """
        Args:
            where: The folder of the results.
        """
        self._where = where
        self.root = f"{where.url(where.path).rstrip('/')}/"
        self.manifest: Path | None = None  # a database needs a disk

    def listed(self, inputs: Sequence[str], unusable: Unusable) -> Iterator[Listed]:
        """See :class:`restora.engine.archive.Archive`."""
        return _list_all(inputs, None, self.root, unusable)

    def real(self, place: str) -> str:
        """See :class:`restora.engine.archive.Archive`."""
        return self.root + place

    def sizes(self) -> Sizes:
        """Results are listed a folder at a time, when the first of it is asked for.

        A question for each would be slow, and all of them would not fit into memory.

        Raises:
            OutputError: The store refuses; from the function that is returned.
        """
        there = lru_cache(_FOLDERS)(self._there)

        def size(place: str) -> int | None:
            folder, _, name = place.rpartition("/")
            return there(folder).get(name)

        return size

    def _there(self, folder: str) -> dict[str, int]:
        """Bytes of the files in a folder of results, by name."""
        files, top = self._where.files, self._where.path.rstrip("/")
        try:
            files.invalidate_cache()  # it would keep what was listed before as well
            found = files.ls(f"{top}/{folder}".rstrip("/"), detail=True)
        except FileNotFoundError:
            return {}
        except Exception as error:
            raise OutputError(f"{self.root} cannot be listed ({reason(error)}).") from error
        return {
            str(info["name"]).rsplit("/", 1)[-1]: int(info.get("size") or 0)
            for info in found
            if info["type"] != "directory"
        }


def _list_all(
    inputs: Sequence[str], out: Path | None, root: str, unusable: Unusable
) -> Iterator[Listed]:
    for text in inputs:
        path = local_path(text)
        if path is None:
            yield from list_url(text, root, unusable)
        else:
            yield from list_pictures([path], out, unusable)
