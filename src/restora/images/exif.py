"""EXIF as bytes: what Restora must know of it, and the few tags it changes."""

from __future__ import annotations

import struct

from restora.jpeg.ifd import (
    ORIENTATION_TAG,
    Directory,
    Entry,
    first_directory,
    read_directory,
)
from restora.jpeg.metadata import EXIF

__all__ = [
    "exif_dpi",
    "exif_is_sound",
    "exif_orientation",
    "exif_turned_upright",
    "exif_with_orientation",
    "resolution",
    "strip_prefix",
]

_X_RESOLUTION, _Y_RESOLUTION, _UNIT = 282, 283, 296
_EXIF_DIRECTORY, _PIXEL_X, _PIXEL_Y = 0x8769, 0xA002, 0xA003
_CM_PER_INCH = 2.54
_CODES = {1: "B", 3: "H", 4: "I", 6: "b", 7: "B", 8: "h", 9: "i"}


def strip_prefix(exif: bytes) -> bytes:
    """The TIFF structure alone, without the ``Exif\\0\\0`` some containers put before it."""
    return exif.removeprefix(EXIF)


def exif_is_sound(exif: bytes) -> bool:
    """Whether the first directory can be read; anything deeper is the camera maker's affair."""
    return first_directory(exif) is not None


def exif_orientation(exif: bytes) -> int | None:
    """The orientation, 1-8, or None where the EXIF does not say, or not as it is to be said.

    One that could not be overwritten when the pixels are turned would turn them twice.
    """
    place = _orientation_place(exif)
    value = struct.unpack_from(place[0], exif, place[1])[0] if place else 0
    return value if value in range(1, 9) else None


def _orientation_place(exif: bytes) -> tuple[str, int] | None:
    """Of the orientation, how it is packed and where; None for one that cannot be overwritten."""
    directory = first_directory(exif)
    entry = directory.entries.get(ORIENTATION_TAG) if directory else None
    if directory is None or entry is None or entry.count < 1 or not entry.inline:
        return None
    code = _CODES.get(entry.kind)
    return (directory.order + code, entry.field_at + 8) if code else None


def exif_turned_upright(exif: bytes, *, swapped: bool) -> bytes:
    """The EXIF for pixels that were stored turned and now stand upright.

    The orientation becomes 1. The thumbnail, which still lies as the pixels did, is unlinked, so
    that no program shows it. All of this is overwritten where it stands; no byte moves.

    Args:
        exif: A TIFF structure.
        swapped: Width and height changed places, so EXIF's note of them (PixelXDimension and
            PixelYDimension) has to do the same.
    """
    changed = bytearray(exif_with_orientation(exif, 1))
    first = first_directory(exif)
    if first is None:
        return exif
    if read_directory(exif, order=first.order, at=first.next_at) is not None:
        changed[first.next_field_at : first.next_field_at + 4] = bytes(4)
    across, down = _pixel_dimensions(exif, first) if swapped else (None, None)
    if across is not None and down is not None:
        # All but the tag's number, so that it does not matter of what type the two are.
        a, b = (slice(entry.field_at + 2, entry.field_at + 12) for entry in (across, down))
        changed[a], changed[b] = changed[b], changed[a]
    return bytes(changed)


def _pixel_dimensions(exif: bytes, first: Directory) -> tuple[Entry | None, Entry | None]:
    at = first.whole_number(_EXIF_DIRECTORY)
    below = read_directory(exif, order=first.order, at=at) if at is not None else None
    return (below.entries.get(_PIXEL_X), below.entries.get(_PIXEL_Y)) if below else (None, None)


def exif_with_orientation(exif: bytes, orientation: int) -> bytes:
    """The same EXIF with another orientation.

    The value is overwritten where it stands, so every offset, and with them the maker's own notes,
    stays valid. EXIF without the tag comes back as it is.

    Args:
        exif: A TIFF structure.
        orientation: 1-8.
    """
    place = _orientation_place(exif)
    if place is None:
        return exif
    code, at = place
    value = struct.pack(code, orientation)
    return exif[:at] + value + exif[at + len(value) :]


def exif_dpi(exif: bytes) -> tuple[float, float] | None:
    """Dots per inch, across and down, or None where the EXIF has none with a unit."""
    directory = first_directory(exif)
    return resolution(directory) if directory else None


def resolution(directory: Directory) -> tuple[float, float] | None:
    """Dots per inch from the tags of a directory, EXIF's or TIFF's own."""
    across, down = directory.numbers(_X_RESOLUTION), directory.numbers(_Y_RESOLUTION)
    unit = (directory.numbers(_UNIT) or (2,))[0]  # inches if nothing is said
    if not across or not down or across[0] <= 0 or down[0] <= 0 or unit not in {2, 3}:
        return None
    factor = _CM_PER_INCH if unit == 3 else 1.0
    return across[0] * factor, down[0] * factor
