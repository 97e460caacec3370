"""The eight orientations of EXIF: turning arrays, and the same tag in XMP."""

from __future__ import annotations

import re
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["apply_orientation", "swaps_sides", "xmp_orientation", "xmp_with_orientation"]

Scalar = TypeVar("Scalar", bound=np.generic)

_XMP_TAG = re.compile(rb"(tiff:Orientation(?:\s*=\s*[\"']|\s*>)\s*)([1-8])(?=\s*[\"'<])")


def apply_orientation(array: NDArray[Scalar], orientation: int) -> NDArray[Scalar]:
    """Turn a stored array upright.

    Args:
        array: ``(H, W)`` or ``(H, W, C)`` of any dtype, as stored.
        orientation: 1-8 as in EXIF tag 0x0112; 5-8 swap the sides.

    Returns:
        The array as a viewer shows it; a view, nothing is copied.
    """
    turned: NDArray[Any] = array
    if orientation in {5, 6, 7, 8}:
        turned = turned.swapaxes(0, 1)
    if orientation in {3, 4, 7, 8}:
        turned = turned[::-1]
    if orientation in {2, 3, 6, 7}:
        turned = turned[:, ::-1]
    return turned


def swaps_sides(orientation: int) -> bool:
    """Whether width and height change places."""
    return orientation in {5, 6, 7, 8}


def xmp_orientation(xmp: bytes) -> int | None:
    """The ``tiff:Orientation`` of an XMP packet, 1-8, or None where it says nothing."""
    found = _XMP_TAG.search(xmp)
    return int(found.group(2)) if found else None


def xmp_with_orientation(xmp: bytes, orientation: int) -> bytes:
    """The packet with its ``tiff:Orientation`` replaced, if it has one; no other byte changes."""
    return _XMP_TAG.sub(rb"\g<1>%d" % orientation, xmp)
