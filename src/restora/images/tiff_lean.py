"""A TIFF file made small for decoders: one directory, and in it only what describes the pixels.

Pillow and tifffile trust a directory: they take every value of every tag into memory, as a Python
number each, follow every pointer, and warn about oddities through Python's warnings. Here a hostile
directory loses all of that before they see it. BigTIFF becomes classic TIFF on the way, which it
always can: files that Restora reads are smaller than 4 GB.

Source: TIFF 6.0, section 2; the BigTIFF design of Aware Systems and Joris Van Damme.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from restora.images.tiff_exif import STRUCTURE_TAGS
from restora.jpeg.ifd import TYPE_BYTES, Directory, Entry, Order, first_directory

__all__ = ["PARTS_MAX", "PARTS_TAGS", "PICTURES_MAX", "classic_from_big", "lean"]

# Where strips and tiles lie, and how long they are.
PARTS_TAGS = (273, 279, 324, 325)
# 250 megapixels in tiles of 64×64 are a quarter of this; Pillow takes some 400 bytes for each.
PARTS_MAX = 250_000
PICTURES_MAX = 10_000
# Tags that hold one value; with more, Pillow would warn.
_SINGLE = {254, 256, 257, 259, 262, 266, 277, 278, 284, 317, 322, 323, 332}
_COLOUR_MAP = 320
_MANY = {_COLOUR_MAP: 3 << 16, **dict.fromkeys(PARTS_TAGS, PARTS_MAX)}
_FEW = 65_536  # tables of a JPEG inside are the longest of all others

_BIG_TYPE_BYTES = {**TYPE_BYTES, 16: 8, 17: 8, 18: 8}
_LONGS = {16, 17, 18}  # of 8 bytes: numbers, signed ones, places of directories
_TAGS_MAX = 4096


def lean(whole: Directory) -> bytes:
    """The same file with a directory, at its end, that holds only what describes the pixels."""
    data, order = whole.source, whole.order
    kept = [
        _slot(entry, order)
        for tag, entry in sorted(whole.entries.items())
        if tag in STRUCTURE_TAGS
        and entry.kind in TYPE_BYTES
        and entry.whole
        and entry.count > 0
        and (tag in _SINGLE or entry.count <= _MANY.get(tag, _FEW))
    ]
    padding = b"\0" * (len(data) % 2)
    directory = struct.pack(order + "H", len(kept)) + b"".join(kept) + bytes(4)
    start = data[:4] + struct.pack(order + "I", len(data) + len(padding))
    return b"".join([start, memoryview(data)[8:], padding, directory])


def _slot(entry: Entry, order: Order) -> bytes:
    count, field = entry.count, entry.field
    if entry.tag in _SINGLE and count > 1:
        count, size = 1, TYPE_BYTES[entry.kind]
        if size <= 4:
            field = entry.source[entry.value_at : entry.value_at + size].ljust(4, b"\0")
    return struct.pack(order + "HHI", entry.tag, entry.kind, count) + field


@dataclass(frozen=True)
class _Big:
    """A directory of a BigTIFF: where its tags start, how many, and where the next one is."""

    at: int
    count: int
    next_at: int


def classic_from_big(data: bytes) -> tuple[Directory, int] | None:
    """What describes the pixels of a BigTIFF, as a classic file, and how many pictures it holds.

    Everything stays where it was; a directory, and numbers that took 8 bytes, are put at the end.

    Returns:
        The directory and the number of pictures; None if there is no directory that can be read.
    """
    order: Order = "<" if data[:2] == b"II" else ">"
    if len(data) < 16 or struct.unpack_from(order + "HH", data, 4) != (8, 0):
        return None
    first = _read_big(data, order, struct.unpack_from(order + "Q", data, 8)[0])
    if first is None:
        return None
    at = len(data) + len(data) % 2
    pieces: list[bytes | memoryview] = [
        data[:2] + struct.pack(order + "HI", 42, 0),
        memoryview(data)[8:],
    ]
    pieces.append(b"\0" * (at - len(data)))
    slots: dict[int, bytes] = {}
    for position in range(first.at, first.at + 20 * first.count, 20):
        tag, kind, count = struct.unpack_from(order + "HHQ", data, position)
        size = _BIG_TYPE_BYTES.get(kind, 0) * count
        if tag not in STRUCTURE_TAGS or tag in slots or not size:
            continue
        inside = size <= 8
        value_at = (
            position + 12 if inside else struct.unpack_from(order + "Q", data, position + 12)[0]
        )
        if value_at + size > len(data) or count > PARTS_MAX:
            continue
        if kind in _LONGS:
            numbers = struct.unpack_from(f"{order}{count}Q", data, value_at)
            value = struct.pack(f"{order}{count}I", *(min(n, 0xFFFFFFFF) for n in numbers))
            kind, value_at = 4, at
            if len(value) > 4:
                pieces.append(value)
                at += len(value)
        else:
            value = data[value_at : value_at + size] if size <= 4 else b""
        field = (
            value.ljust(4, b"\0")
            if len(value) in range(1, 5)
            else struct.pack(order + "I", value_at)
        )
        slots[tag] = struct.pack(order + "HHI", tag, kind, count) + field
    pieces.append(struct.pack(order + "H", len(slots)) + b"".join(slots.values()) + bytes(4))
    pieces[0] = data[:2] + struct.pack(order + "HI", 42, at)
    directory = first_directory(b"".join(pieces))
    return None if directory is None else (directory, _count_big(data, order, first))


def _read_big(data: bytes, order: Order, at: int) -> _Big | None:
    if not 16 <= at <= len(data) - 8:
        return None
    count = struct.unpack_from(order + "Q", data, at)[0]
    end = at + 8 + 20 * count
    if count > _TAGS_MAX or end > len(data):
        return None
    next_at = struct.unpack_from(order + "Q", data, end)[0] if end + 8 <= len(data) else 0
    return _Big(at + 8, count, next_at)


def _count_big(data: bytes, order: Order, first: _Big) -> int:
    """How many directories the chain has, safe against circles."""
    seen, following = {0}, first.next_at
    while following not in seen and len(seen) < PICTURES_MAX:
        found = _read_big(data, order, following)
        if found is None:
            break
        seen.add(following)
        following = found.next_at
    return len(seen)
