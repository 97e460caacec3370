"""What kind of file some bytes are, and the one sentence for those that hold no picture."""

from __future__ import annotations

from typing import Final

__all__ = ["READABLE", "no_jpeg", "no_picture", "sniff"]

READABLE: Final = {  # as sniff() names them: as people write them
    "JPEG": "JPEG",
    "PNG": "PNG",
    "TIFF": "TIFF",
    "WEBP": "WebP",
    "AVIF": "AVIF",
    "BMP": "BMP",
    "PPM": "PPM",
    "GIF": "GIF",
}
_STARTS: Final = (
    (0, b"\xff\xd8", "JPEG"),
    (0, b"\x89PNG\r\n\x1a\n", "PNG"),
    (0, b"II*\0", "TIFF"),
    (0, b"MM\0*", "TIFF"),
    (0, b"II+\0", "TIFF"),
    (0, b"MM\0+", "TIFF"),
    (0, b"GIF87a", "GIF"),
    (0, b"GIF89a", "GIF"),
    (0, b"BM", "BMP"),
    # From here on: recognised only to be refused by name.
    (4, b"JXL \r\n", "JPEG XL"),
    (0, b"\xff\x0a", "JPEG XL"),
    (4, b"jP  \r\n", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
    (0, b"8BPS", "Photoshop"),
    (0, b"%PDF", "PDF"),
    (0, b"PK\x03\x04", "zip"),
    (0, b"\x1f\x8b", "gzip"),
)
_HEIC_BRANDS: Final = frozenset(
    (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")
)
_WEB_PAGE = "web page"
_LOOKED_AT_BYTES = 1024  # how far in the first words of a text are looked for


def sniff(data: bytes) -> str | None:
    """The format by the first bytes: a key of ``READABLE``, the name of another, or None.

    >>> sniff(b"GIF89a"), sniff(b"%PDF-1.7"), sniff(b"hello")
    ('GIF', 'PDF', None)
    """
    for offset, magic, kind in _STARTS:
        if data.startswith(magic, offset):
            return kind
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp":
        return _iso_kind(data)
    if data[:1] == b"P" and data[1:2] in b"123456" and data[2:3].isspace():
        return "PPM"
    return _text_kind(data[:_LOOKED_AT_BYTES])


def _iso_kind(data: bytes) -> str:
    """AVIF, HEIC and films share one container; its brands tell them apart."""
    brand = data[8:12]
    if brand in {b"avif", b"avis"} or b"avif" in data[16:64]:
        return "AVIF"
    return "HEIC" if brand in _HEIC_BRANDS else "video"


def _text_kind(start: bytes) -> str | None:
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html", b"<head")):
        return _WEB_PAGE
    if text.startswith((b"<svg", b"<?xml", b"<!--", b"<!doctype svg")) and b"<svg" in text:
        return "SVG"
    return None


def no_picture(data: bytes, *, name: str) -> str | None:
    """Why bytes hold no picture, as a sentence; None if they start like one Restora reads.

    >>> no_picture(b"", name="a.jpg")
    'a.jpg is empty: it has 0 bytes.'
    """
    kind = sniff(data)
    if kind in READABLE:
        return None
    *most, last = READABLE.values()
    reads = f"Restora reads {', '.join(most)} and {last}."
    if not data:
        return f"{name} is empty: it has 0 bytes."
    if kind == _WEB_PAGE:
        return f"{name} is a web page, not a picture; the download may have failed."
    if kind is not None:
        return f"{name} is {_with_article(kind)} file; {reads}"
    if data.count(0) == len(data):
        return f"{name} is not a picture: it holds nothing but zeros."
    return f"{name} is not a picture Restora knows; {reads}"


def no_jpeg(data: bytes, *, name: str) -> str | None:
    """Why bytes are no JPEG, as a sentence; None if they start like one.

    >>> no_jpeg(b"GIF89a", name="a.jpg")
    'a.jpg is a GIF file, not a JPEG.'
    """
    kind = sniff(data)
    if kind == "JPEG":
        return None
    if kind in READABLE:
        return f"{name} is {_with_article(READABLE[kind])} file, not a JPEG."
    return no_picture(data, name=name)


def _with_article(kind: str) -> str:
    return f"{'an' if kind in {'AVIF', 'SVG'} else 'a'} {kind}"
