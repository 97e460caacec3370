"""Image file directories: the list of tags inside EXIF, TIFF and the index of MPO, as bytes.

Source: TIFF 6.0, section 2. Only the classic form with 32-bit offsets; EXIF has no other. A hostile
file can point a thousand tags at the same megabytes, so values are cut out only when asked for.
"""

from __future__ import annotations

import dataclasses
import struct
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal, TypeAlias

__all__ = [
    "ORIENTATION_TAG",
    "TYPE_BYTES",
    "Directory",
    "Entry",
    "Order",
    "byte_order",
    "first_directory",
    "orientation_of",
    "read_directory",
]

Order: TypeAlias = Literal["<", ">"]

TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
ORIENTATION_TAG: Final = 0x0112
_NUMBERS_MAX: Final = 4096  # a file can be one tag of a billion numbers
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
        value_at: Where the value's bytes start.
        source: The whole TIFF structure.
    """

    tag: int
    kind: int
    count: int
    field_at: int
    field: bytes
    value_at: int
    source: bytes = dataclasses.field(repr=False, compare=False)

    @property
    def size_bytes(self) -> int:
        """Length of the value."""
        return TYPE_BYTES.get(self.kind, 1) * self.count

    @property
    def inline(self) -> bool:
        """Whether the value sits in the directory itself."""
        return self.size_bytes <= 4

    @property
    def whole(self) -> bool:
        """Whether the value lies inside the file."""
        return self.value_at + self.size_bytes <= len(self.source)

    @property
    def data(self) -> bytes | None:
        """The value's bytes in the order of the file; None if they lie outside the file."""
        return self.source[self.value_at : self.value_at + self.size_bytes] if self.whole else None


@dataclass(frozen=True)
class Directory:
    """One directory of a TIFF structure; it lies inside ``source``, its values need not.

    Attributes:
        source: The whole TIFF structure.
        order: Its byte order.
        at: Where the directory starts.
        count: How many tags it states.
    """

    source: bytes = dataclasses.field(repr=False)
    order: Order
    at: int
    count: int

    @property
    def next_field_at(self) -> int:
        """Where the four bytes stand that point to the next directory."""
        return self.at + 2 + 12 * self.count

    @property
    def next_at(self) -> int:
        """Where the next directory starts; 0 if there is none."""
        # Some writers leave these four bytes out at the very end of the file.
        if self.next_field_at + 4 > len(self.source):
            return 0
        return int(struct.unpack_from(self.order + "I", self.source, self.next_field_at)[0])

    @cached_property
    def entries(self) -> dict[int, Entry]:
        """The tags by number; the first of twins wins."""
        found: dict[int, Entry] = {}
        for position in range(self.at + 2, self.next_field_at, 12):
            tag, kind, count, start = struct.unpack_from(self.order + "HHII", self.source, position)
            if tag in found:
                continue
            content = self.source[position + 8 : position + 12]
            inline = TYPE_BYTES.get(kind, 1) * count <= 4
            value_at = position + 8 if inline else start
            found[tag] = Entry(tag, kind, count, position, content, value_at, self.source)
        return found

    def numbers(self, tag: int) -> tuple[float, ...]:
        """The values of a numeric tag; empty if it is missing, damaged or not a number.

        Of very many values, which no tag has that is asked for, only the first are given.
        """
        entry = self.entries.get(tag)
        if entry is None or not entry.whole:
            return ()
        count = min(entry.count, _NUMBERS_MAX)
        if entry.kind in {5, 10}:
            code = f"{self.order}{2 * count}{'I' if entry.kind == 5 else 'i'}"
            parts = struct.unpack_from(code, self.source, entry.value_at)
            pairs = zip(parts[::2], parts[1::2], strict=True)
            return tuple(top / bottom if bottom else 0.0 for top, bottom in pairs)
        number_code = _NUMBER_CODES.get(entry.kind)
        if number_code is None:
            return ()
        return struct.unpack_from(f"{self.order}{count}{number_code}", self.source, entry.value_at)

    def whole_number(self, tag: int) -> int | None:
        """The value of a tag that holds a single number from 0 on; None where it does not."""
        values = self.numbers(tag)
        return int(values[0]) if len(values) == 1 and values[0] >= 0 else None


def byte_order(data: bytes) -> Order | None:
    """``<`` or ``>`` if the bytes start like a classic TIFF, else None."""
    if data[:4] == b"II*\0":
        return "<"
    return ">" if data[:4] == b"MM\0*" else None


def first_directory(data: bytes) -> Directory | None:
    """The directory the header of a TIFF structure points to; None if it cannot be read."""
    order = byte_order(data)
    if order is None or len(data) < 8:
        return None
    return read_directory(data, order=order, at=struct.unpack_from(order + "I", data, 4)[0])


def read_directory(data: bytes, *, order: Order, at: int) -> Directory | None:
    """Read one directory.

    Args:
        data: The whole TIFF structure.
        order: From :func:`byte_order`.
        at: Offset of the directory in bytes.

    Returns:
        The directory; None if it does not lie inside ``data``.
    """
    if not 8 <= at <= len(data) - 2:
        return None
    (count,) = struct.unpack_from(order + "H", data, at)
    directory = Directory(data, order, at, count)
    return directory if directory.next_field_at <= len(data) else None


def orientation_of(directory: Directory) -> int | None:
    """The orientation a directory states, 1-8, or None where it says nothing or nonsense."""
    values = directory.numbers(ORIENTATION_TAG)
    return int(values[0]) if values and values[0] in range(1, 9) else None
