"""Directories of tags, whole and hostile."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restora.jpeg.ifd import byte_order, first_directory, orientation_of, read_directory


def tiff(*slots, order="<", following=0, more=b""):
    """A TIFF structure of one directory; ``slots`` are (tag, type, count, 4 bytes)."""
    out = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "IH", 8, len(slots))
    for tag, kind, count, field in slots:
        out += struct.pack(order + "HHI", tag, kind, count) + field
    return out + struct.pack(order + "I", following) + more


@pytest.mark.parametrize("order", ["<", ">"])
def test_values_inside_and_outside_of_the_directory(order):
    far = 8 + 2 + 36 + 4
    data = tiff(
        (1, 3, 2, struct.pack(order + "HH", 7, 9)),
        (2, 5, 1, struct.pack(order + "I", far)),
        (3, 2, 3, b"abc\0"),
        order=order,
        more=struct.pack(order + "II", 3, 2),
    )
    directory = first_directory(data)
    assert directory.order == byte_order(data) == order
    assert directory.numbers(1) == (7, 9)
    assert directory.numbers(2) == (1.5,)
    assert directory.numbers(3) == directory.numbers(4) == ()
    assert [entry.data for entry in directory.entries.values()][2] == b"abc"
    assert [entry.inline for entry in directory.entries.values()] == [True, False, True]
    assert directory.next_at == 0


def test_a_single_number():
    data = tiff(
        (1, 4, 1, b"\7\0\0\0"), (2, 3, 2, b"\7\0\7\0"), (3, 9, 1, b"\xff" * 4), (4, 4, 1, b"\0" * 4)
    )
    directory = first_directory(data)
    assert [directory.whole_number(tag) for tag in range(1, 6)] == [7, None, None, 0, None]


def test_values_outside_of_the_file_are_none():
    directory = first_directory(tiff((1, 7, 1000, b"\x08\0\0\0"), (2, 4, 3, b"\xff" * 4)))
    assert [entry.data for entry in directory.entries.values()] == [None, None]
    assert directory.numbers(2) == ()


def test_the_next_directory_may_be_left_out_at_the_end():
    data = tiff((1, 3, 1, bytes(4)), following=99)
    assert first_directory(data).next_at == 99
    assert first_directory(data[:-4]).next_at == 0
    assert first_directory(data[:-5]) is None


def test_the_first_of_twins_wins():
    directory = first_directory(tiff((1, 3, 1, b"\1\0\0\0"), (1, 3, 1, b"\2\0\0\0")))
    assert directory.numbers(1) == (1,)


@pytest.mark.parametrize(("value", "found"), [(0, None), (1, 1), (8, 8), (9, None)])
def test_orientation(value, found):
    assert orientation_of(first_directory(tiff((0x112, 3, 1, bytes([value, 0, 0, 0]))))) == found


def test_tags_that_share_their_bytes_cost_nothing():
    """Six thousand tags that point at the same sixteen megabytes would be 100 gigabytes."""
    slots = [(tag, 7, 16 << 20, b"\x08\0\0\0") for tag in range(6_000)]
    directory = first_directory(tiff(*slots, more=bytes(16 << 20)))
    assert all(entry.whole for entry in directory.entries.values())


@given(st.binary(max_size=100), st.integers(0, 120))
def test_any_bytes_are_a_directory_or_none(data, at):
    for order, start in (("<", b"II*\0\x08\0\0\0"), (">", b"MM\0*\0\0\0\x08")):
        for found in (
            first_directory(start + data),
            read_directory(start + data, order=order, at=at),
        ):
            if found is not None:
                orientation_of(found)
                assert found.next_at >= 0
                for tag, entry in found.entries.items():
                    found.numbers(tag)
                    assert entry.data is None or len(entry.data) == entry.size_bytes
