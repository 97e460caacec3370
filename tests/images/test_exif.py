"""The binary patch of the orientation, and what is read from EXIF."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restora.images import Metadata, encode, read_bytes
from restora.images.exif import (
    exif_dpi,
    exif_is_sound,
    exif_orientation,
    exif_turned_upright,
    exif_with_orientation,
    strip_prefix,
)
from restora.images.orientation import swaps_sides, xmp_orientation, xmp_with_orientation
from restora.jpeg.ifd import first_directory, read_directory


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_only_the_value_changes(exif, order, orientation):
    before = exif(orientation, order)
    after = exif_with_orientation(before, 1)
    assert exif_orientation(before) == orientation
    assert exif_orientation(after) == 1
    assert sum(a != b for a, b in zip(before, after, strict=True)) == (orientation != 1)
    assert exif_with_orientation(after, orientation) == before


def test_without_the_tag_nothing_changes(exif):
    bare = exif(None)
    assert exif_orientation(bare) is None
    assert exif_with_orientation(bare, 1) == bare


def test_nonsense_is_no_orientation(exif):
    assert exif_orientation(exif(9)) is None
    assert exif_orientation(b"II*\0") is None
    assert not exif_is_sound(b"II*\0\xff\0\0\0")


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("kind", "count"), [(5, 1), (3, 3), (4, 2), (13, 1), (2, 2)])
def test_an_orientation_that_cannot_be_overwritten_turns_nothing(order, kind, count, picture):
    """Turned, the pixels would be turned once more by whoever reads the tag."""
    start = {"<": b"II*\0", ">": b"MM\0*"}[order]
    values = {3: "HHH", 13: "II"}.get(kind, "II")
    inline = struct.pack(order + "I", 6 if kind == 13 else 26)
    odd = start + struct.pack(order + "IHHHI", 8, 1, 0x0112, kind, count) + inline + bytes(4)
    odd += struct.pack(order + values, *[6] * len(values))
    assert exif_orientation(odd) is None
    jpeg = encode(replace(picture(), metadata=Metadata(exif=odd)), format="JPEG")
    found = read_bytes(jpeg, name="a.jpg")
    assert (found.metadata.orientation, found.metadata.exif) == (1, odd)


@pytest.mark.parametrize(("kind", "code"), [(1, "B"), (3, "H"), (4, "I"), (8, "h"), (9, "i")])
def test_an_orientation_of_any_other_type_is_read_and_written(kind, code):
    value = struct.pack("<" + code, 6).ljust(4, b"\0")
    before = b"II*\0" + struct.pack("<IHHHI", 8, 1, 0x0112, kind, 1) + value + bytes(4)
    assert exif_orientation(before) == 6
    assert exif_orientation(exif_with_orientation(before, 1)) == 1


def test_the_prefix_of_jpeg(exif):
    assert strip_prefix(b"Exif\0\0" + exif()) == exif()
    assert strip_prefix(exif()) == exif()


def camera_exif(order, *, kinds=(4, 3), size=(4000, 3000), orientation=6):
    """IFD0 with an orientation and an Exif directory that knows the size; IFD1 a thumbnail."""
    sub_at = 8 + 2 + 24 + 4
    second_at = sub_at + 2 + 24 + 4
    out = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "IH", 8, 2)
    out += struct.pack(order + "HHIHH", 0x0112, 3, 1, orientation, 0)
    out += struct.pack(order + "HHIII", 0x8769, 4, 1, sub_at, second_at)
    out += struct.pack(order + "H", 2)
    for tag, kind, value in zip((0xA002, 0xA003), kinds, size, strict=True):
        field = struct.pack(order + ("HH" if kind == 3 else "I"), *[value, 0][: 5 - kind])
        out += struct.pack(order + "HHI", tag, kind, 1) + field
    out += bytes(4) + struct.pack(order + "H", 2)
    for tag, value in ((0x0201, second_at + 30), (0x0202, 4)):
        out += struct.pack(order + "HHII", tag, 4, 1, value)
    return out + bytes(4) + b"\xff\xd8\xff\xd9"


def size_and_thumbnail(exif):
    first = first_directory(exif)
    below = read_directory(exif, order=first.order, at=first.whole_number(0x8769))
    return below.whole_number(0xA002), below.whole_number(0xA003), first.next_at


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kinds", [(3, 3), (4, 4), (4, 3)])
@pytest.mark.parametrize("orientation", range(2, 9))
def test_the_size_turns_and_the_thumbnail_goes(order, kinds, orientation):
    before = camera_exif(order, kinds=kinds, orientation=orientation)
    assert size_and_thumbnail(before) == (4000, 3000, 68)
    swapped = swaps_sides(orientation)
    after = exif_turned_upright(before, swapped=swapped)
    size = (3000, 4000) if swapped else (4000, 3000)
    assert size_and_thumbnail(after) == (*size, 0)
    assert exif_orientation(after) == 1
    places = {i for i, (a, b) in enumerate(zip(before, after, strict=True)) if a != b}
    sub_at = 8 + 2 + 24 + 4
    allowed = {*range(18, 20), *range(34, 38)}
    if swapped:
        allowed |= {*range(sub_at + 4, sub_at + 14), *range(sub_at + 16, sub_at + 26)}
    assert places <= allowed


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["JPEG", "PNG", "TIFF", "WebP", "AVIF"])
def test_what_is_written_shows_no_thumbnail_lying_on_its_side(name, orientation, picture):
    exif = camera_exif("<", orientation=orientation)
    metadata = Metadata(exif=exif, orientation=orientation)
    found = read_bytes(encode(replace(picture(), metadata=metadata), format=name), name="x")
    swapped = swaps_sides(orientation)
    size = (3000, 4000) if swapped else (4000, 3000)
    assert size_and_thumbnail(found.metadata.exif) == (*size, 68 if orientation == 1 else 0)


def test_pixels_turned_for_another_reason_turn_the_exif_too(exif):
    """XMP or TIFF's own tag can state the orientation where EXIF does not."""
    bare = camera_exif("<", orientation=1)
    assert size_and_thumbnail(exif_turned_upright(bare, swapped=True)) == (3000, 4000, 0)
    nothing = exif(None)
    assert exif_turned_upright(nothing, swapped=True) == nothing


@given(st.binary(max_size=80))
def test_any_bytes_are_survived(data):
    for start in (b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b""):
        exif_is_sound(start + data)
        exif_orientation(start + data)
        exif_dpi(start + data)
        assert len(exif_with_orientation(start + data, 1)) == len(start + data)
        assert len(exif_turned_upright(start + data, swapped=True)) == len(start + data)


@given(st.lists(st.tuples(st.integers(0, 101), st.integers(0, 255)), max_size=8), st.booleans())
def test_damaged_camera_exif_is_survived(changes, swapped):
    data = bytearray(camera_exif(">"))
    for at, value in changes:
        data[at] = value
    assert len(exif_turned_upright(bytes(data), swapped=swapped)) == len(data)


@pytest.mark.parametrize(
    "packet",
    [
        b'<a tiff:Orientation="6" b="6"/>',
        b"<a tiff:Orientation = '6'>6</a>",
        b"<tiff:Orientation>6</tiff:Orientation>",
    ],
)
def test_xmp(packet):
    assert xmp_orientation(packet) == 6
    assert xmp_with_orientation(packet, 1) == packet.replace(b"6", b"1", 1)
    assert xmp_orientation(b"<x/>") is None
