"""A small TIFF cannot ask for hours of work."""

from __future__ import annotations

import struct
import time
import zlib

import numpy as np
import pytest

from restora.errors import InputError
from restora.images import read_bytes


def message(data, **options):
    with pytest.raises(InputError) as caught:
        read_bytes(data, name="a", **options)
    return str(caught.value)


def shared(strip, *, count, bits=8, compression=8, separate=False, kind=4, tags=(273, 279)):
    """RGB, 16 pixels wide, each row a strip, all of them the same bytes."""
    parts = count * (3 if separate else 1)
    places_at = 8 + len(strip) + len(strip) % 2
    body = strip.ljust(places_at - 8, b"\0") + struct.pack("<I", 8) * parts
    lengths_at = 8 + len(body)
    body += struct.pack("<I", len(strip)) * parts
    slots = {
        256: (3, 1, 16), 257: (4, 1, count), 258: (3, 1, bits), 259: (3, 1, compression),
        262: (3, 1, 2), tags[0]: (kind, parts, places_at), 277: (3, 1, 3), 278: (3, 1, 1),
        tags[1]: (kind, parts, lengths_at), 284: (3, 1, 2 if separate else 1),
    }  # fmt: skip
    directory = b"".join(struct.pack("<HHII", tag, *slots[tag]) for tag in sorted(slots))
    start = b"II*\0" + struct.pack("<I", 8 + len(body))
    return start + body + struct.pack("<H", len(slots)) + directory + bytes(4)


ROW = bytes(range(48))


@pytest.fixture
def soon():
    """Fails a test that took long, of the processor's time."""
    started = time.process_time()
    yield
    assert time.process_time() - started < 2


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("options", [{}, {"kind": 9}, {"kind": 13}, {"tags": (273, 325)}])
def test_strips_that_share_their_bytes_a_thousand_times(options):
    nothing = b"\x78\x01" + b"\0\0\0\xff\xff" * 20_000 + zlib.compress(ROW)[2:]
    data = shared(nothing, count=4000, **options)
    total = 4000 * len(nothing)
    assert message(data) == (
        f"a says its strips or tiles hold {total:,} bytes together, far more than the "
        f"{len(data):,} of the file; no program writes that."
    )


@pytest.mark.usefixtures("soon")
def test_equal_strips_may_share_their_bytes():
    found = read_bytes(shared(zlib.compress(ROW), count=5000), name="a")
    assert (np.rint(found.pixels * 255) == np.frombuffer(ROW, np.uint8).reshape(1, 16, 3)).all()


def test_places_that_are_no_whole_numbers():
    assert message(shared(zlib.compress(ROW), count=9, kind=11)) == (
        "a is damaged and does not decode (where its strips lie is not told in whole numbers)."
    )


@pytest.mark.usefixtures("soon")
def test_packbits_that_say_nothing():
    plane = bytes(range(32))
    packed = bytes([31]) + plane
    sound = shared(packed, count=3, bits=16, compression=32773, separate=True)
    assert read_bytes(sound, name="a").height_px == 3
    full = shared(b"\x80" * 800_000 + packed, count=9, bits=16, compression=32773, separate=True)
    assert message(full) == (
        "a is damaged and does not decode (its strips unpack to more than their size)."
    )


@pytest.mark.usefixtures("soon")
def test_tiles_far_larger_than_the_picture():
    """Each of them is unpacked whole."""
    slots = {
        256: (3, 1, 16), 257: (4, 1, 1_000_000), 258: (3, 1, 8), 259: (3, 1, 8), 262: (3, 1, 1),
        277: (3, 1, 1), 322: (3, 1, 16_000), 323: (3, 1, 15_000), 324: (4, 1, 8), 325: (4, 1, 2),
    }  # fmt: skip
    directory = b"".join(struct.pack("<HHII", tag, *slots[tag]) for tag in slots)
    data = b"II*\0" + struct.pack("<IH", 8, len(slots)) + directory + bytes(4)
    assert message(data) == (
        "a says its tiles are 16000×15000 pixels in size, far larger than the picture."
    )


@pytest.mark.usefixtures("soon")
def test_bigtiff_tags_that_share_their_bytes():
    """Thousands of lists of numbers, and directories that are below themselves."""
    count = 3000
    first = 16
    slots = [struct.pack("<HHQQ", 34665, 18, 1, first), struct.pack("<HHQQ", 34853, 18, 1, first)]
    slots += [struct.pack("<HHQQ", 40_000 + tag, 16, 9000, first) for tag in range(count)]
    slots += [
        struct.pack("<HHQQ", tag, 3, 1, value)
        for tag, value in ((256, 4), (257, 4), (258, 8), (262, 1), (273, 16), (279, 16))
    ]
    data = b"II+\0" + struct.pack("<HHQQ", 8, 0, first, len(slots)) + b"".join(slots) + bytes(8)
    data += bytes(72_000)
    assert read_bytes(data, name="a").width_px == 4
