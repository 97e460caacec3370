"""Metadata as JPEG segments, put into an encoded file."""

from __future__ import annotations

import struct
from itertools import islice

from restora.errors import OutputError
from restora.images.picture import Metadata
from restora.jpeg.markers import APP0, APP1, APP2, APP13, COM, segments
from restora.jpeg.metadata import EXIF, ICC, PHOTOSHOP, XMP, is_jfif

__all__ = ["BODY_MAX_BYTES", "metadata_segments", "with_metadata"]

BODY_MAX_BYTES = 65533  # of a segment, without its length
_ICC_PART_MAX_BYTES = BODY_MAX_BYTES - len(ICC) - 2


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
    opening, first = islice(segments(jpeg), 2)
    rest = jpeg[first.end if is_jfif(first) else opening.end :]
    return b"".join([jpeg[: opening.end], *metadata_segments(metadata), rest])


def metadata_segments(metadata: Metadata) -> list[bytes]:
    """A picture's metadata, but its orientation, as segments for behind the start of a JPEG.

    Raises:
        OutputError: EXIF or XMP are longer than the 64 kB JPEG has for them.
    """
    parts = [_jfif(metadata.dpi)]
    if metadata.exif:
        parts.append(_segment(APP1, EXIF + metadata.exif, what="EXIF"))
    if metadata.xmp:
        parts.append(_segment(APP1, XMP + metadata.xmp, what="XMP"))
    if metadata.photoshop:
        room = BODY_MAX_BYTES - len(PHOTOSHOP)
        for start in range(0, len(metadata.photoshop), room):
            piece = metadata.photoshop[start : start + room]
            parts.append(_segment(APP13, PHOTOSHOP + piece, what="Photoshop data"))
    parts += _icc(metadata.icc or b"")
    comment = metadata.comment or b""
    for start in range(0, len(comment), BODY_MAX_BYTES):  # a full one goes on in the next
        parts.append(_segment(COM, comment[start : start + BODY_MAX_BYTES], what="comment"))
    return parts


def _segment(marker: int, body: bytes, *, what: str) -> bytes:
    if len(body) > BODY_MAX_BYTES:
        raise OutputError(
            f"The {what} is {len(body)} bytes long and JPEG holds {BODY_MAX_BYTES}; "
            f"save as PNG or TIFF, or leave the metadata out."
        )
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def _jfif(dpi: tuple[float, float] | None) -> bytes:
    across, down = (min(65535, max(1, round(value))) for value in dpi) if dpi else (1, 1)
    body = b"JFIF\0\x01\x01" + struct.pack(">BHHBB", 1 if dpi else 0, across, down, 0, 0)
    return _segment(APP0, body, what="JFIF")


def _icc(icc: bytes) -> list[bytes]:
    pieces = [
        icc[start : start + _ICC_PART_MAX_BYTES]
        for start in range(0, len(icc), _ICC_PART_MAX_BYTES)
    ]
    if len(pieces) > 255:
        raise OutputError("The colour profile is larger than JPEG can hold; save as PNG or TIFF.")
    return [
        _segment(APP2, ICC + bytes([number, len(pieces)]) + piece, what="profile")
        for number, piece in enumerate(pieces, start=1)
    ]
