"""EXIF as bytes: what Restora must know of it, and the one tag it changes."""

from __future__ import annotations

import struct

from restora.images.ifd import Entry, Order, byte_order, numbers, read_ifd

__all__ = [
    "exif_dpi",
    "exif_is_sound",
    "exif_orientation",
    "exif_with_orientation",
    "resolution",
    "strip_prefix",
]

_ORIENTATION, _X_RESOLUTION, _Y_RESOLUTION, _UNIT = 0x0112, 282, 283, 296
_CM_PER_INCH = 2.54


def strip_prefix(exif: bytes) -> bytes:
    """The TIFF structure alone, without the ``Exif\\0\\0`` some containers put before it."""
    return exif.removeprefix(b"Exif\0\0")


def exif_is_sound(exif: bytes) -> bool:
    """Whether the first directory can be read; anything deeper is the camera maker's affair."""
    return _first_ifd(exif) is not None


def exif_orientation(exif: bytes) -> int | None:
    """The orientation, 1-8, or None where the EXIF does not say or says nonsense."""
    entry = (_first_ifd(exif) or {}).get(_ORIENTATION)
    order = byte_order(exif)
    if order is None:
        return None
    values = numbers(entry, order=order)
    return int(values[0]) if values and values[0] in range(1, 9) else None


def exif_with_orientation(exif: bytes, orientation: int) -> bytes:
    """The same EXIF with another orientation.

    The value is overwritten where it stands, so every offset, and with them the maker's own notes,
    stays valid. EXIF without the tag comes back as it is.

    Args:
        exif: A TIFF structure.
        orientation: 1-8.
    """
    entry = (_first_ifd(exif) or {}).get(_ORIENTATION)
    order = byte_order(exif)
    if entry is None or order is None or entry.count < 1:
        return exif
    codes = {1: "B", 3: "H", 4: "I", 6: "b", 7: "B", 8: "h", 9: "i"}
    code = codes.get(entry.kind)
    if code is None or not entry.inline:
        return exif
    value = struct.pack(order + code, orientation)
    at = entry.field_at + 8
    return exif[:at] + value + exif[at + len(value) :]


def exif_dpi(exif: bytes) -> tuple[float, float] | None:
    """Dots per inch, across and down, or None where the EXIF has none with a unit."""
    entries = _first_ifd(exif)
    order = byte_order(exif)
    return resolution(entries, order=order) if entries and order else None


def resolution(entries: dict[int, Entry], *, order: Order) -> tuple[float, float] | None:
    """Dots per inch from the tags of a directory, EXIF's or TIFF's own."""
    across = numbers(entries.get(_X_RESOLUTION), order=order)
    down = numbers(entries.get(_Y_RESOLUTION), order=order)
    unit = (numbers(entries.get(_UNIT), order=order) or (2,))[0]  # inches if nothing is said
    if not across or not down or across[0] <= 0 or down[0] <= 0 or unit not in {2, 3}:
        return None
    factor = _CM_PER_INCH if unit == 3 else 1.0
    return across[0] * factor, down[0] * factor


def _first_ifd(exif: bytes) -> dict[int, Entry] | None:
    order = byte_order(exif)
    if order is None or len(exif) < 8:
        return None
    (at,) = struct.unpack_from(order + "I", exif, 4)
    found = read_ifd(exif, order=order, at=at)
    return found[0] if found else None
