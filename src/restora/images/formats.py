"""Which file formats there are, how to tell them, and what each can hold."""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass
from pathlib import PurePath

from restora.errors import UsageError

__all__ = [
    "READABLE",
    "WRITABLE",
    "Container",
    "format_of_suffix",
    "sniff",
    "stranger",
    "writable_name",
]

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
READABLE = "JPEG, PNG, TIFF, WebP, AVIF, BMP, PPM and GIF"


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

# Recognised only to be refused by name.
_STRANGERS = (
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\xff\xd8\xff\xf7", "JPEG-LS"),
    (b"8BPS", "Photoshop"),
    (b"%PDF", "PDF"),
    (b"<svg", "SVG"),
    (b"<!DOCTYPE", "HTML"),
    (b"<html", "HTML"),
    (b"PK\x03\x04", "zip"),
)


def sniff(data: bytes) -> str | None:  # noqa: PLR0911 one line a format
    """The format by its first bytes, as a key of ``SUFFIXES``, or None."""
    brand = data[8:12]
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data[:4] in {b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"}:
        return "TIFF"
    if data.startswith(b"RIFF") and brand == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp" and (brand in {b"avif", b"avis"} or b"avif" in data[8:64]):
        return "AVIF"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if data.startswith(b"BM"):
        return "BMP"
    if data[:1] == b"P" and data[1:2] in b"123456" and data[2:3].isspace():
        return "PPM"
    return None


def stranger(data: bytes) -> str | None:
    """The name of a format that Restora knows but does not read."""
    if data[4:8] == b"ftyp":
        return "HEIC" if data[8:12] in {b"heic", b"heix", b"mif1", b"msf1"} else "video"
    for start, name in _STRANGERS:
        if data.lstrip().startswith(start):
            return name
    return None


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
