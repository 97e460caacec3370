"""EXIF inside TIFF, where it is not a block of bytes but part of the file itself.

EXIF in other containers *is* a small TIFF file. So the writer begins its file with those very
bytes and appends a new directory that points back into them: every offset stays true, the camera
maker's notes included. A private tag remembers where the bytes end, and the reader hands them out
again unchanged, after checking that nobody edited the file in between. EXIF of files from other
programs is collected tag by tag.
"""

from __future__ import annotations

import struct

from restora.images.exif import exif_orientation, exif_with_orientation
from restora.jpeg.ifd import (
    ORIENTATION_TAG,
    TYPE_BYTES,
    Directory,
    Entry,
    Order,
    first_directory,
    read_directory,
)

__all__ = [
    "DIRECTORY_TAGS",
    "EMBEDDED_TAG",
    "LAYERS_TAG",
    "STRUCTURE_TAGS",
    "collect_exif",
    "shared_entries",
]

EMBEDDED_TAG = 65111  # private: two LONGs, the length of the EXIF and where its directory was
LAYERS_TAG = 37724  # Photoshop's layers, often many times the picture they make
DIRECTORY_TAGS = frozenset({34665, 34853, 40965})  # Exif, GPS, interoperability
_TOLD_ELSEWHERE = {282, 283, 296, ORIENTATION_TAG}

# What describes the pixels of this one file. None of it belongs to EXIF, all of it to the decoder.
STRUCTURE_TAGS = frozenset(
    {254, 255, 256, 257, 258, 259, 262, 263, 266, 273, 277, 278, 279, 280, 281, 284, 290, 291, 292,
     293, 301, 317, 318, 319, 320, 321, 322, 323, 324, 325, 330, 332, 333, 334, 338, 339, 347, 512,
     513, 514, 515, 517, 518, 519, 520, 521, 529, 530, 531, 532}
)  # fmt: skip
# What has its own place in Metadata.
_OWN_PLACE = {700, 34377, 34675, EMBEDDED_TAG}
# What tells of these very pixels or keeps a program's own state, and is wrong beside new pixels:
# SGI's and TIFF/EP's word on the layout, Wang's and Photoshop's annotations, layers, DNG's word on
# a sensor (which would make the result pass for a DNG), between which lie ImageJ's overlays.
_STALE = frozenset(
    {32932, 32995, 32996, 32997, 32998, 33421, 33422, LAYERS_TAG, 50255, *range(50706, 52600)}
)
_NO_EXIF = STRUCTURE_TAGS | _OWN_PLACE | _STALE
_EXIF_MAX_BYTES = 64 << 20  # a thousand times what a camera writes
_HEADERS = {"<": b"II*\0", ">": b"MM\0*"}


def shared_entries(exif: bytes) -> dict[int, Entry]:
    """Tags of the EXIF's first directory that a TIFF's own directory can repeat as they stand."""
    directory = first_directory(exif)
    own = _NO_EXIF | _TOLD_ELSEWHERE
    return {
        tag: entry
        for tag, entry in (directory.entries if directory else {}).items()
        if tag not in own and entry.kind in TYPE_BYTES and entry.whole
    }


def collect_exif(directory: Directory) -> bytes | None:
    """The EXIF of a TIFF file.

    Args:
        directory: Its first directory.

    Returns:
        A TIFF structure of its own, or None if the file has no EXIF.
    """
    entries, order, data = directory.entries, directory.order, directory.source
    embedded = _embedded(data, entries, order=order)
    if embedded is not None:
        return embedded
    kept = {tag: entry for tag, entry in entries.items() if tag not in _NO_EXIF}
    if not kept.keys() - _TOLD_ELSEWHERE:
        return None  # resolution and orientation alone are no EXIF
    out = bytearray(_HEADERS[order] + struct.pack(order + "I", 8))
    _append_ifd(out, kept, data=data, order=order, depth=0)
    return bytes(out)


def _embedded(data: bytes, entries: dict[int, Entry], *, order: Order) -> bytes | None:
    """The EXIF our own writer put at the start, if the file still agrees with it."""
    note = entries.get(EMBEDDED_TAG)
    if note is None or note.data is None or len(note.data) != 8:
        return None
    length, directory_at = struct.unpack(order + "II", note.data)
    if not 8 <= length <= len(data):
        return None
    exif = data[:4] + struct.pack(order + "I", directory_at) + data[8:length]
    for tag, entry in shared_entries(exif).items():
        live = entries.get(tag)
        if live is None or (live.kind, live.count, live.field) != (
            entry.kind, entry.count, entry.field
        ):  # fmt: skip
            return None
    turned = entries.get(ORIENTATION_TAG)
    if turned is not None and turned.data is not None and len(turned.data) == 2:
        orientation = struct.unpack(order + "H", turned.data)[0]
        if exif_orientation(exif) not in {None, orientation}:
            exif = exif_with_orientation(exif, orientation)  # another program turned the picture
    return exif


def _append_ifd(
    out: bytearray, entries: dict[int, Entry], *, data: bytes, order: Order, depth: int
) -> int:
    """Write a directory, its values and the directories below it; returns its offset."""
    whole = {tag: entry for tag, entry in sorted(entries.items()) if entry.whole}
    size = sum(entry.size_bytes for entry in whole.values())
    if size > len(data) or size > _EXIF_MAX_BYTES - len(out):
        whole = {}  # thousands of tags that share their bytes: a trap that would fill the memory
    at = len(out)
    out += struct.pack(order + "H", len(whole)) + bytes(12 * len(whole) + 4)
    for index, (tag, entry) in enumerate(whole.items()):
        value = entry.data or b""
        field = value.ljust(4, b"\0")
        if tag in DIRECTORY_TAGS and len(value) == 4 and depth < 2:
            at_below = struct.unpack(order + "I", value)[0]
            below = read_directory(data, order=order, at=at_below)
            target = _append_ifd(out, below.entries if below else {}, data=data, order=order,
                                 depth=depth + 1)  # fmt: skip
            field = struct.pack(order + "I", target)
        elif len(value) > 4:
            field = struct.pack(order + "I", len(out))
            out += value + b"\0" * (len(value) % 2)
        slot = at + 2 + 12 * index
        out[slot : slot + 12] = struct.pack(order + "HHI", tag, entry.kind, entry.count) + field
    return at
