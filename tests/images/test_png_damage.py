"""Transparency that fits no picture, and 16-bit pictures of which only a part is there."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace

import numpy as np
import pytest

from restora.errors import InputError
from restora.images import encode, read_bytes
from restora.images.png_chunks import SIGNATURE, chunk


def png(depth, colour_type, line, *, width, see_through):
    header = struct.pack(">IIBBBBB", width, 1, depth, colour_type, 0, 0, 0)
    out = SIGNATURE + chunk(b"IHDR", header)
    out += chunk(b"PLTE", bytes(range(12))) if colour_type == 3 else b""
    out += chunk(b"tRNS", see_through)
    return out + chunk(b"IDAT", zlib.compress(b"\0" + line)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("depth", "colour_type", "wrong"),
    [(depth, 0, size) for depth in (1, 2, 4, 8, 16) for size in (0, 1, 6)]
    + [(depth, 2, size) for depth in (8, 16) for size in (0, 2, 3, 4, 7)]
    + [(depth, 3, 0) for depth in (1, 2, 4, 8)],
)
def test_transparency_of_a_wrong_length_is_left_out(depth, colour_type, wrong):
    data = png(depth, colour_type, bytes(6), width=1, see_through=bytes(wrong))
    found = read_bytes(data, name="a.png")
    assert found.alpha is None
    assert found.notes == ("The tRNS chunk is damaged and was left out.",)


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_stray_bits_above_the_depth_are_not_part_of_the_colour(depth):
    """They are to be masked; the low bits here mean the first pixel, of all ones."""
    line = bytes([256 - (1 << (8 - depth)), 0])
    data = png(depth, 0, line, width=8 // depth + 1, see_through=b"\xff\xff")
    alpha = read_bytes(data, name="a.png").alpha
    assert alpha.tolist() == [[0, *[255] * (8 // depth)]]


@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("step", [1, 256])
def test_a_byte_that_is_0_everywhere_hides_no_rows(step, alpha, picture):
    """A picture of 8 bits moved into the high byte, and one so dark that it has only the low."""
    original = picture(120, 40, bits=16, alpha=alpha)
    whole = np.rint(original.pixels * 255) * step
    original = original.with_pixels((whole / 65535).astype(np.float32))
    if alpha:
        original = replace(original, alpha=(original.alpha >> 8) * np.uint16(step))
    data = encode(original, format="PNG")
    cut = data[: len(data) * 2 // 3]
    with pytest.raises(InputError, match=r"^a\.png is cut off\. Use --salvage "):
        read_bytes(cut, name="a.png")
    found = read_bytes(cut, name="a.png", salvage=True)
    rows = int(found.notes[0].split("about ")[1].split(" of 120 rows")[0])
    assert 60 < rows < 100
    assert np.array_equal(found.pixels[: rows - 1], original.pixels[: rows - 1])


def test_nothing_of_16_bits(picture):
    data = encode(picture(120, 40, bits=16), format="PNG")
    at = data.index(b"IDAT") + 6
    with pytest.raises(InputError) as caught:
        read_bytes(data[:at], name="a.png", salvage=True)
    assert str(caught.value) == "a.png is damaged and nothing of it decodes."
