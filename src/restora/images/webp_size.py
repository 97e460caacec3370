"""The size a WebP states, read before its decoder is asked: that takes the memory as it opens.

Source: RFC 9649 (WebP), sections 2.5 to 2.7; RFC 6386 (VP8), section 9.1.
"""

from __future__ import annotations

import struct

__all__ = ["webp_size"]


def webp_size(data: bytes) -> tuple[int, int] | None:
    """Width and height in pixels; None where the header is too short or of no known kind."""
    kind, header = data[12:16], data[20:30]
    if len(header) < 10:
        return None
    if kind == b"VP8X":
        return 1 + int.from_bytes(header[4:7], "little"), 1 + int.from_bytes(header[7:10], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(header[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", header, 6)
        return width & 0x3FFF, height & 0x3FFF
    return None
