"""Image file directories: the list of tags inside EXIF and TIFF, as bytes.

Source: TIFF 6.0, section 2. Only the classic form with 32-bit offsets; EXIF has no other.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["TYPE_BYTES", "Entry", "Order", "byte_order", "numbers", "read_ifd"]

Order: TypeAlias = Literal["<", ">"]

TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_NUMBER_CODES = {1: "B", 3: "H", 4: "I", 6: "b", 7: "B", 8: "h", 9: "i", 13: "I"}


@dataclass(frozen=True)
class Entry:
    """One tag of a directory.

    Attributes:
        tag: Its number.
        kind: Its TIFF type, such as 3 for SHORT.
        count: How many values.
        field_at: Where its 12 bytes start.
        field: The last 4 of them: the value itself if it fits, else where it lies.
        data: The value's bytes in the order of the file; None if they lie outside the file.
    """

    tag: int
    kind: int
    count: int
    field_at: int
    field: bytes
    data: bytes | None

    @property
    def inline(self) -> bool:
        """Whether the value sits in the directory itself."""
        return TYPE_BYTES.get(self.kind, 1) * self.count <= 4


def byte_order(data: bytes) -> Order | None:
    """``<`` or ``>`` if the bytes start like a classic TIFF, else None."""
    if data[:4] == b"II*\0":
        return "<"
    return ">" if data[:4] == b"MM\0*" else None


def read_ifd(data: bytes, *, order: Order, at: int) -> tuple[dict[int, Entry], int] | None:
    """Read one directory.

    Args:
        data: The whole TIFF structure.
        order: From :func:`byte_order`.
        at: Offset of the directory in bytes.

    Returns:
        The entries by tag (the first of twins wins) and the offset of the next directory (0: none);
        None if the directory does not lie inside ``data``.
    """
    if not 8 <= at <= len(data) - 2:
        return None
    (count,) = struct.unpack_from(order + "H", data, at)
    end = at + 2 + 12 * count
    if end > len(data):
        return None
    entries: dict[int, Entry] = {}
    for position in range(at + 2, end, 12):
        tag, kind, values = struct.unpack_from(order + "HHI", data, position)
        field = data[position + 8 : position + 12]
        size = TYPE_BYTES.get(kind, 1) * values
        if size <= 4:
            value: bytes | None = field[:size]
        else:
            (start,) = struct.unpack(order + "I", field)
            value = data[start : start + size] if start + size <= len(data) else None
        entries.setdefault(tag, Entry(tag, kind, values, position, field, value))
    # Some writers leave out the four bytes of "next" at the very end of the file.
    following = struct.unpack_from(order + "I", data, end)[0] if end + 4 <= len(data) else 0
    return entries, int(following)


def numbers(entry: Entry | None, *, order: Order) -> tuple[float, ...]:
    """The values of a numeric tag; empty if it is missing, damaged or not a number."""
    if entry is None or entry.data is None:
        return ()
    if entry.kind in {5, 10}:
        code = "I" if entry.kind == 5 else "i"
        parts = struct.unpack(f"{order}{2 * entry.count}{code}", entry.data)
        pairs = zip(parts[::2], parts[1::2], strict=True)
        return tuple(top / bottom if bottom else 0.0 for top, bottom in pairs)
    number_code = _NUMBER_CODES.get(entry.kind)
    if number_code is None:
        return ()
    return struct.unpack(f"{order}{entry.count}{number_code}", entry.data)
