"""The binary patch of the orientation, and what is read from EXIF."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restora.images.exif import (
    exif_dpi,
    exif_is_sound,
    exif_orientation,
    exif_with_orientation,
    strip_prefix,
)
from restora.images.orientation import xmp_orientation, xmp_with_orientation


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


def test_the_prefix_of_jpeg(exif):
    assert strip_prefix(b"Exif\0\0" + exif()) == exif()
    assert strip_prefix(exif()) == exif()


@given(st.binary(max_size=80))
def test_any_bytes_are_survived(data):
    for start in (b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b""):
        exif_is_sound(start + data)
        exif_orientation(start + data)
        exif_dpi(start + data)
        assert len(exif_with_orientation(start + data, 1)) == len(start + data)


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
