"""Pictures: files to pixels and back, with everything else a file holds."""

from __future__ import annotations

from restora.images.colour import (
    RGB_TO_YCBCR,
    bt601_luma,
    jfif_luma,
    rgb_from_ycbcr,
    ycbcr_from_rgb,
)
from restora.images.picture import Metadata, Picture
from restora.images.read import MAX_BYTES, MAX_PIXELS, read, read_bytes, read_file
from restora.images.write import check_writable, encode, write

__all__ = [
    "MAX_BYTES",
    "MAX_PIXELS",
    "RGB_TO_YCBCR",
    "Metadata",
    "Picture",
    "bt601_luma",
    "check_writable",
    "encode",
    "jfif_luma",
    "read",
    "read_bytes",
    "read_file",
    "rgb_from_ycbcr",
    "write",
    "ycbcr_from_rgb",
]
