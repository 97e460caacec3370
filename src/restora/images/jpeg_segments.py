"""Metadata as JPEG segments, put into an encoded file."""

from __future__ import annotations

import struct

from restora.errors import OutputError
from restora.images.picture import Metadata

__all__ = ["with_metadata"]

_BODY_MAX_BYTES = 65533
_ICC_PART_MAX_BYTES = _BODY_MAX_BYTES - 14
_PHOTOSHOP = b"Photoshop 3.0\0"


def with_metadata(jpeg: bytes, metadata: Metadata) -> bytes:
    """Add a picture's metadata to a JPEG file.

    Args:
        jpeg: A file as libjpeg writes it; its JFIF segment, if any, is replaced.
        metadata: Everything but its orientation.

    Returns:
        The file with its segments in the order cameras use: JFIF, EXIF, XMP, Photoshop, ICC.

    Raises:
        OutputError: EXIF or XMP are longer than the 64 kB JPEG has for them.
    """
    rest = jpeg[2:]
    if rest[:2] == b"\xff\xe0" and rest[4:9] == b"JFIF\0":
        rest = rest[2 + struct.unpack_from(">H", rest, 2)[0] :]
    parts = [jpeg[:2], _jfif(metadata.dpi)]
    if metadata.exif:
        parts.append(_segment(0xE1, b"Exif\0\0" + metadata.exif, what="EXIF"))
    if metadata.xmp:
        parts.append(_segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + metadata.xmp, what="XMP"))
    if metadata.photoshop:
        room = _BODY_MAX_BYTES - len(_PHOTOSHOP)
        for start in range(0, len(metadata.photoshop), room):
            piece = metadata.photoshop[start : start + room]
            parts.append(_segment(0xED, _PHOTOSHOP + piece, what="Photoshop data"))
    parts += _icc(metadata.icc or b"")
    if metadata.comment:
        parts.append(_segment(0xFE, metadata.comment, what="comment"))
    return b"".join([*parts, rest])


def _segment(marker: int, body: bytes, *, what: str) -> bytes:
    if len(body) > _BODY_MAX_BYTES:
        raise OutputError(
            f"The {what} is {len(body)} bytes long and JPEG holds {_BODY_MAX_BYTES}; "
            f"save as PNG or TIFF, or leave the metadata out."
        )
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def _jfif(dpi: tuple[float, float] | None) -> bytes:
    across, down = (min(65535, max(1, round(value))) for value in dpi) if dpi else (1, 1)
    body = b"JFIF\0\x01\x01" + struct.pack(">BHHBB", 1 if dpi else 0, across, down, 0, 0)
    return _segment(0xE0, body, what="JFIF")


def _icc(icc: bytes) -> list[bytes]:
    pieces = [
        icc[start : start + _ICC_PART_MAX_BYTES]
        for start in range(0, len(icc), _ICC_PART_MAX_BYTES)
    ]
    if len(pieces) > 255:
        raise OutputError("The colour profile is larger than JPEG can hold; save as PNG or TIFF.")
    return [
        _segment(0xE2, b"ICC_PROFILE\0" + bytes([number, len(pieces)]) + piece, what="profile")
        for number, piece in enumerate(pieces, start=1)
    ]
