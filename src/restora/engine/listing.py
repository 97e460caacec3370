"""Which pictures the inputs of a command name, and where each stands below its folder."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from restora.images.formats import SUFFIXES

PICTURE_SUFFIXES = {suffix for suffixes in SUFFIXES.values() for suffix in suffixes}
Unusable = list[tuple[str, str]]  # what was named, and a sentence why it came to nothing


@dataclass(frozen=True)
class Listed:
    """A picture that was found, and not yet read.

    Attributes:
        source: Its real path, or its URL.
        place: Where it stands below the folder that was named, with ``/`` between the parts.
        stamp: Differs when the content does, as far as can be told without reading it: size and
            time of the last change, or what a store says instead.
    """

    source: str
    place: str
    stamp: str


def list_pictures(inputs: Sequence[str], out: Path | None, unusable: Unusable) -> Iterator[Listed]:
    """List files, folders and glob patterns, one picture after the other.

    Args:
        inputs: Paths or patterns.
        out: A folder that is left out: results of an earlier run are no inputs.
        unusable: Takes those that come to nothing, while the list is read.
    """
    for path, place in find_pictures(inputs, out, unusable):
        try:
            status = path.stat()
        except OSError as error:
            unusable.append((str(path), f"{path} cannot be read ({error.strerror})."))
            continue
        source = str(real_path(path))
        if not is_text(source) or not is_text(str(place)):
            told = source.encode(errors="replace").decode()
            unusable.append((told, f"{told}: its name is not in UTF-8, as a manifest's must be."))
            continue
        yield Listed(source, place.as_posix(), f"{status.st_size} {status.st_mtime_ns}")


def find_pictures(
    inputs: Sequence[str], out: Path | None, unusable: Unusable
) -> Iterator[tuple[Path, Path]]:
    """The pictures behind paths and patterns, each with its place below what was named."""
    # os.path answers False where pathlib raises: a closed folder, a name too long.
    for text in inputs:
        path = Path(text)
        if os.path.isdir(path):
            empty = True
            for picture in _walk(path, out, unusable):
                empty = False
                yield picture, picture.relative_to(path)
            if empty:
                unusable.append((text, f"{path}: the folder holds no pictures that can be read."))
        elif os.path.lexists(path):
            yield path, Path(path.name)
        else:
            matches = [Path(match) for match in sorted(glob.glob(text, recursive=True))]
            files = [match for match in matches if os.path.isfile(match)]
            if not files:
                unusable.append(
                    (text, f"{text}: there is no such file, folder or pattern of files.")
                )
            yield from ((file, Path(file.name)) for file in files)


def is_picture_name(name: str) -> bool:
    """Whether a file of this name, without its folder, is one to look at."""
    # macOS keeps its own data beside a picture, under its name led by these.
    return not name.startswith("._") and os.path.splitext(name)[1].lower() in PICTURE_SUFFIXES


def is_text(name: str) -> bool:
    """Whether every byte of a name means something; disks hold any bytes."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def real_path(path: Path) -> Path:
    """The path without links. ``Path.resolve`` raises where links go in a circle."""
    return Path(os.path.realpath(path))


def _walk(folder: Path, out: Path | None, unusable: Unusable) -> Iterator[Path]:
    """The pictures in a folder and below, in order; never all in memory."""

    def refused(error: OSError) -> None:
        sentence = f"{error.filename}: the folder cannot be read ({error.strerror})."
        unusable.append((str(error.filename), sentence))

    inside = real_path(out) if out is not None and real_path(out) != real_path(folder) else None
    for here, folders, names in os.walk(folder, onerror=refused):
        # Results of an earlier run are no inputs.
        folders[:] = sorted(name for name in folders if real_path(Path(here, name)) != inside)
        for name in sorted(names):
            path = Path(here, name)
            if is_picture_name(name) and os.path.isfile(path):
                yield path
