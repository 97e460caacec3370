"""A file that was read, and all that it knows of itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from restora.images import Picture, read_bytes, read_file
from restora.jpeg import JpegFacts, inspect
from restora.jpeg.constraint import Bins, NoBins, read_bins


@dataclass(frozen=True)
class Opened:
    """A file that was read and looked at, before anything is decided.

    Attributes:
        picture: The picture.
        facts: What the file knows, if it is a JPEG.
        bins: Its quantisation bins, where they can be had.
        no_bins: Why they cannot.
    """

    picture: Picture
    facts: JpegFacts | None
    bins: Bins | None
    no_bins: str | None


def open_source(
    source: str | Path | bytes,
    *,
    name: str = "picture",
    salvage: bool = False,
    max_pixels: int | None = None,
    history: bool = True,
) -> Opened:
    """Read a file, and look at what it knows; see :meth:`restora.engine.restorer.Restorer.open`.

    Raises:
        InputError: The file cannot be used.
    """
    if isinstance(source, bytes):
        data = source
    else:
        name, data = str(source), read_file(Path(source))
    limit = {} if max_pixels is None else {"max_pixels": max_pixels}
    picture = read_bytes(data, name=name, salvage=salvage, **limit)
    if picture.format not in ("JPEG", "MPO"):
        return Opened(picture, None, None, None)
    facts = inspect(data, name=name, history=history)
    try:
        bins = read_bins(data, facts)
    except NoBins as reason:
        return Opened(picture, facts, None, str(reason))
    return Opened(picture, facts, bins, None)
