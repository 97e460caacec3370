"""A TIFF file made small for decoders: one directory, and in it only what describes the pixels.

Pillow and tifffile trust a directory: they take every value of every tag into memory, as a Python
number each, follow every pointer, and warn about oddities through Python's warnings. Here a hostile
directory loses all of that before they see it. BigTIFF becomes classic TIFF on the way, which it
always can: files that Restora reads are smaller than 4 GB.

Source: TIFF 6.0, section 2; the BigTIFF design of Aware Systems and Joris Van Damme.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from restora.images.tiff_exif import DIRECTORY_TAGS, STRUCTURE_TAGS
from restora.jpeg.ifd import TYPE_BYTES, Directory, Entry, Order, first_directory

__all__ = [
    "PARTS_MAX",
    "PARTS_TAGS",
    "PICTURES_MAX",
    "classic_from_big",
    "lean",
    "pixel_bytes",
]

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
_PLACES = {4: "I", 13: "I", 16: "Q", 18: "Q"}  # types that can say where a directory is
_LONGS = {16, 17, 18}  # of 8 bytes: numbers, signed ones, places of directories
_LONGS_MAX = 4096  # in a tag that is not about strips and tiles
_TAGS_MAX = 4096
_LONG = 4
_DEPTH_MAX = 2  # directories below directories
_COMPRESSION, _FILL_ORDER = 259, 266
_TURNED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def lean(whole: Directory) -> bytes:
    """The same file with a directory, at its end, that holds only what describes the pixels."""
    order, data = whole.order, pixel_bytes(whole)
    turned = data is not whole.source
    tail = _Tail([whole.source[:4], b"", memoryview(data)[8:]], order, at=len(data))
    kept = [
        _slot(entry, order, tail if turned else None)
        for tag, entry in sorted(whole.entries.items())
        if tag in STRUCTURE_TAGS
        and entry.kind in TYPE_BYTES
        and entry.whole
        and entry.count > 0
        and (tag in _SINGLE or entry.count <= _MANY.get(tag, _FEW))
        and not (turned and tag == _FILL_ORDER)
    ]
    return tail.finish(tail.directory(kept))


def pixel_bytes(whole: Directory) -> bytes:
    """The file as decoders are to see its pixels: the first bit of a byte to the left.

    Of a file that has it to the right (FillOrder 2) the bits of every byte change places. Decoders
    do that by themselves for compressed pixels, but not for all kinds of plain ones.
    """
    plain = whole.numbers(_COMPRESSION)[:1] in {(), (1,)}
    turned = whole.numbers(_FILL_ORDER)[:1] == (2,)
    return whole.source.translate(_TURNED) if plain and turned else whole.source


def _slot(entry: Entry, order: Order, tail: _Tail | None) -> bytes:
    """An entry as it stands in a directory; its value goes into the tail, if one is given."""
    count, field, size = entry.count, entry.field, TYPE_BYTES[entry.kind]
    if entry.tag in _SINGLE and count > 1:
        count = 1
        if size <= 4:
            field = entry.source[entry.value_at : entry.value_at + size].ljust(4, b"\0")
    if tail is not None and size * count > 4:
        value = entry.source[entry.value_at : entry.value_at + size * count]
        field = struct.pack(order + "I", tail.append(value))
    return struct.pack(order + "HHI", entry.tag, entry.kind, count) + field


@dataclass
class _Tail:
    """A file that grows at its end.

    Attributes:
        pieces: Its bytes so far; the second piece, of 4 bytes, points to the directory.
        order: Of its bytes.
        at: Where the next piece will lie.
    """

    pieces: list[bytes | memoryview]
    order: Order
    at: int

    def append(self, piece: bytes) -> int:
        """Add bytes at an even place; returns it."""
        at = self.at + self.at % 2
        self.pieces += [b"\0" * (self.at % 2), piece]
        self.at = at + len(piece)
        return at

    def directory(self, slots: Sequence[bytes]) -> int:
        """Add a directory; returns where it lies."""
        return self.append(struct.pack(self.order + "H", len(slots)) + b"".join(slots) + bytes(4))

    def finish(self, directory_at: int) -> bytes:
        """The file."""
        self.pieces[1] = struct.pack(self.order + "I", directory_at)
        return b"".join(self.pieces)


@dataclass(frozen=True)
class _Big:
    """A directory of a BigTIFF: where its tags start, how many, and where the next one is."""

    at: int
    count: int
    next_at: int


def classic_from_big(data: bytes) -> tuple[Directory, int] | None:
    """The first directory of a BigTIFF, as a classic file, and how many pictures it holds.

    Everything stays where it was; directories, and numbers that took 8 bytes, are put at the end.

    Returns:
        The directory and the length of the chain it is the first of; None if there is no directory
        that can be read.
    """
    order: Order = "<" if data[:2] == b"II" else ">"
    if len(data) < 16 or struct.unpack_from(order + "HH", data, 4) != (8, 0):
        return None
    first = _read_big(data, order, struct.unpack_from(order + "Q", data, 8)[0])
    if first is None:
        return None
    start = data[:2] + struct.pack(order + "H", 42)
    tail = _Tail([start, b"", memoryview(data)[8:]], order, at=len(data))
    directory = first_directory(tail.finish(_append_classic(tail, data, first)))
    return None if directory is None else (directory, _count_big(data, order, first))


def _append_classic(tail: _Tail, data: bytes, found: _Big, depth: int = 0) -> int:
    """Put a directory of a BigTIFF, and those of EXIF below it, at the end; returns its place."""
    slots: dict[int, bytes] = {}
    for position in range(found.at, found.at + 20 * found.count, 20):
        tag, kind, count = struct.unpack_from(tail.order + "HHQ", data, position)
        size = _BIG_TYPE_BYTES.get(kind, 0) * count
        at = position + 12
        if size > 8:
            at = struct.unpack_from(tail.order + "Q", data, at)[0]
        if tag in slots or not size or at + size > len(data):
            continue
        if tag in DIRECTORY_TAGS:
            field = _place_below(tail, data, kind=kind, at=at, depth=depth)
        elif kind in _LONGS:
            field = _short_longs(tail, data, count=count, at=at, parts=tag in PARTS_TAGS)
        else:
            inside = size <= 4
            field = data[at : at + size] if inside else struct.pack(tail.order + "I", at)
        if field is not None:
            kind = _LONG if tag in DIRECTORY_TAGS or kind in _LONGS else kind
            slots[tag] = struct.pack(tail.order + "HHI", tag, kind, count) + field.ljust(4, b"\0")
    return tail.directory(list(slots.values()))


def _place_below(tail: _Tail, data: bytes, *, kind: int, at: int, depth: int) -> bytes | None:
    if kind not in _PLACES or depth == _DEPTH_MAX:
        return None
    below = _read_big(data, tail.order, struct.unpack_from(tail.order + _PLACES[kind], data, at)[0])
    if below is None:
        return None
    return struct.pack(tail.order + "I", _append_classic(tail, data, below, depth + 1))


def _short_longs(tail: _Tail, data: bytes, *, count: int, at: int, parts: bool) -> bytes | None:
    if count > (PARTS_MAX if parts else _LONGS_MAX):
        return None
    numbers = struct.unpack_from(f"{tail.order}{count}Q", data, at)
    value = struct.pack(f"{tail.order}{count}I", *(min(n, 0xFFFFFFFF) for n in numbers))
    return value if count == 1 else struct.pack(tail.order + "I", tail.append(value))


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
