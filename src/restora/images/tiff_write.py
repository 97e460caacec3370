"""Writing TIFF of 8 and 16 bits, with everything a picture carries.

Deflate with horizontal differences: lossless, and read by all that read compressed TIFF at all.
"""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from restora.errors import OutputError
from restora.images.picture import Alpha, Metadata
from restora.images.tiff_exif import EMBEDDED_TAG, shared_entries
from restora.jpeg.ifd import ORIENTATION_TAG, Order, byte_order

__all__ = ["encode_tiff"]

_STRIP_BYTES = 1 << 20
_BYTE, _SHORT, _LONG, _RATIONAL, _UNDEFINED = 1, 3, 4, 5, 7
_PHOTOMETRIC = {1: 1, 3: 2, 4: 5}  # by number of colours: black is zero, RGB, separated
_DEFLATE, _UNASSOCIATED = 8, 2


def encode_tiff(
    samples: NDArray[np.uint8 | np.uint16],
    *,
    alpha: Alpha | None = None,
    metadata: Metadata | None = None,
) -> bytes:
    """Write a TIFF file.

    Args:
        samples: ``(H, W, 1)`` gray, ``(H, W, 3)`` RGB or ``(H, W, 4)`` CMYK (full ink is the
            largest number), uint8 or uint16.
        alpha: ``(H, W)`` of the same dtype, or None.
        metadata: Everything but its orientation, which is written as 1.

    Returns:
        The file's bytes.

    Raises:
        OutputError: The file would pass 4 GB, the end of classic TIFF.
    """
    metadata = metadata or Metadata()
    exif = metadata.exif or b""
    order: Order = byte_order(exif) or "<"
    height, width, colours = samples.shape
    bits = 8 * samples.dtype.itemsize
    channels = colours + (alpha is not None)
    rows = max(1, _STRIP_BYTES // (width * channels * bits // 8))
    pieces = [_packed(samples, alpha, top, top + rows, order) for top in range(0, height, rows)]

    body = _Body(exif or {"<": b"II*\0", ">": b"MM\0*"}[order] + bytes(4), order=order)
    offsets = [body.append(piece) for piece in pieces]
    fields: dict[int, tuple[int, bytes]] = {
        tag: (entry.kind, b"") for tag, entry in shared_entries(exif).items()
    }
    kept = {tag: (entry.count, entry.field) for tag, entry in shared_entries(exif).items()}
    fields |= {
        256: (_LONG, body.pack("I", width)),
        257: (_LONG, body.pack("I", height)),
        258: (_SHORT, body.pack("H", *[bits] * channels)),
        259: (_SHORT, body.pack("H", _DEFLATE)),
        262: (_SHORT, body.pack("H", _PHOTOMETRIC[colours])),
        273: (_LONG, body.pack("I", *offsets)),
        ORIENTATION_TAG: (_SHORT, body.pack("H", 1)),
        277: (_SHORT, body.pack("H", channels)),
        278: (_LONG, body.pack("I", rows)),
        279: (_LONG, body.pack("I", *map(len, pieces))),
        284: (_SHORT, body.pack("H", 1)),
        317: (_SHORT, body.pack("H", 2)),
    }
    if alpha is not None:
        fields[338] = (_SHORT, body.pack("H", _UNASSOCIATED))
    if metadata.dpi:
        across, down = (min(2**32 - 1, round(value * 10_000)) for value in metadata.dpi)
        fields[282] = (_RATIONAL, body.pack("I", across, 10_000))
        fields[283] = (_RATIONAL, body.pack("I", down, 10_000))
        fields[296] = (_SHORT, body.pack("H", 2))
    if metadata.xmp:
        fields[700] = (_BYTE, metadata.xmp)
    if metadata.photoshop:
        fields[34377] = (_BYTE, metadata.photoshop)
    if metadata.icc:
        fields[34675] = (_UNDEFINED, metadata.icc)
    if exif:
        directory_at = struct.unpack_from(order + "I", exif, 4)[0]
        fields[EMBEDDED_TAG] = (_LONG, body.pack("I", len(exif), directory_at))
    return body.finish(fields, kept)


class _Body:
    """A growing file: the pieces so far, and how long they are."""

    def __init__(self, start: bytes, *, order: Order) -> None:
        self.order = order
        self.pieces = [start]
        self.length = len(start)

    def pack(self, code: str, *values: int) -> bytes:
        return struct.pack(f"{self.order}{len(values)}{code}", *values)

    def append(self, piece: bytes) -> int:
        """Add bytes at an even offset; returns it."""
        padding = b"\0" * (self.length % 2)
        at = self.length + len(padding)
        self.pieces += [padding, piece]
        self.length = at + len(piece)
        if self.length > 2**32 - (1 << 16):
            raise OutputError("The picture is too large for TIFF, which ends at 4 GB; use PNG.")
        return at

    def finish(
        self, fields: dict[int, tuple[int, bytes]], kept: dict[int, tuple[int, bytes]]
    ) -> bytes:
        """Add the directory and point the header at it.

        Args:
            fields: Type and value by tag.
            kept: Count and value field, as they stand in the EXIF, for tags repeated from there.
        """
        sizes = {_BYTE: 1, _SHORT: 2, _LONG: 4, _RATIONAL: 8, _UNDEFINED: 1}
        slots = []
        for tag, (kind, value) in sorted(fields.items()):
            if tag in kept:
                count, field = kept[tag]
            else:
                count = len(value) // sizes[kind]
                inline = len(value) <= 4
                field = value.ljust(4, b"\0") if inline else self.pack("I", self.append(value))
            slots.append(struct.pack(self.order + "HHI", tag, kind, count) + field)
        at = self.append(self.pack("H", len(slots)) + b"".join(slots) + bytes(4))
        start = self.pieces[0]
        self.pieces[0] = start[:4] + self.pack("I", at) + start[8:]
        return b"".join(self.pieces)


def _packed(
    samples: NDArray[Any], alpha: Alpha | None, top: int, bottom: int, order: Order
) -> bytes:
    strip = samples[top:bottom]
    if alpha is not None:
        strip = np.concatenate([strip, alpha[top:bottom, :, None]], axis=2)
    changes = strip.copy()
    changes[:, 1:] -= strip[:, :-1]  # wraps round, as the predictor wants it
    return zlib.compress(changes.astype(strip.dtype.newbyteorder(order)).tobytes(), 6)
