"""What stands behind a picture's end: more pictures, as in MPO, or something else."""

from __future__ import annotations

import re

from restora.errors import InputError
from restora.jpeg.markers import read_frame, read_layout

__all__ = ["count_further_pictures"]

# Between the pictures of an MPO there may be padding.
_NEXT_PICTURE = re.compile(rb"[\x00\xff]*?\xff\xd8\xff")
_PICTURES_MAX = 100


def count_further_pictures(data: bytes, at: int) -> int:
    """JPEG pictures from ``at`` on, up to the first thing that is none."""
    count = 0
    while count < _PICTURES_MAX and (following := _NEXT_PICTURE.match(data, at)):
        try:
            layout = read_layout(data, name="", start=following.end() - 3)
            read_frame(layout, name="")
        except InputError:
            break
        at = layout.end
        count += 1
    return count
