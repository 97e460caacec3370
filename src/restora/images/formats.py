"""Which file formats there are by name, and what each can hold; `jpeg.sniff` tells them apart."""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass
from pathlib import PurePath

from restora.errors import UsageError

__all__ = ["SUFFIXES", "WRITABLE", "Container", "format_of_suffix", "writable_name"]

SUFFIXES = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "PNG": (".png", ".apng"),
    "TIFF": (".tif", ".tiff"),
    "WEBP": (".webp",),
    "AVIF": (".avif",),
    "BMP": (".bmp", ".dib"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "GIF": (".gif",),
}


@dataclass(frozen=True)
class Container:
    """What a format that Restora writes can hold.

    Attributes:
        name: As people write it.
        side_max_px: Longest side the format, its encoder and its decoders agree on.
        depths: Bits a sample.
        alpha: Whether it holds transparency.
        cmyk: Whether it holds CMYK.
    """

    name: str
    side_max_px: int
    depths: tuple[int, ...]
    alpha: bool
    cmyk: bool


WRITABLE = {
    # 65535 in the standard, but libjpeg stops at 65500.
    "JPEG": Container("JPEG", 65500, (8,), alpha=False, cmyk=True),
    "PNG": Container("PNG", 2**31 - 1, (8, 16), alpha=True, cmyk=False),
    "TIFF": Container("TIFF", 2**31 - 1, (8, 16), alpha=True, cmyk=True),
    "WEBP": Container("WebP", 16383, (8,), alpha=True, cmyk=False),
    # 65536 in the standard, but libavif refuses to read more than this.
    "AVIF": Container("AVIF", 32768, (8,), alpha=True, cmyk=False),
}


def format_of_suffix(path: str | os.PathLike[str]) -> str | None:
    """The format a file name promises, as a key of ``SUFFIXES``, or None."""
    suffix = PurePath(path).suffix.lower()
    return next((name for name, suffixes in SUFFIXES.items() if suffix in suffixes), None)


def writable_name(wish: str) -> str:
    """The key of ``WRITABLE`` for a format name in any spelling.

    Raises:
        UsageError: Restora does not write that.
    """
    spelled = wish.lower().lstrip(".")
    name = format_of_suffix("x." + spelled) or spelled.upper()
    if name in WRITABLE:
        return name
    spellings = {key.lower(): entry.name for key, entry in WRITABLE.items()} | {"jpg": "JPEG"}
    near = difflib.get_close_matches(spelled, spellings, n=1)
    hint = f" Did you mean {spellings[near[0]]}?" if near else ""
    known = ", ".join(entry.name for entry in WRITABLE.values())
    raise UsageError(f"Restora does not write {wish!r}.{hint} It writes {known}.")
