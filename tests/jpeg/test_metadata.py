"""Metadata gathered from segments."""

from __future__ import annotations

import pytest

from restora.jpeg.markers import read_layout
from restora.jpeg.metadata import EXIF, ICC, PHOTOSHOP, XMP, read_metadata

TIFF = b"II*\0\x08\0\0\0\0\0"


@pytest.fixture
def gather(build, segment):
    def gather(*parts, end=b"\xff\xd9"):
        extra = b"".join(segment(marker, body) for marker, body in parts)
        return read_metadata(read_layout(build(extra=extra, end=end), name="x"))

    return gather


def test_nothing(gather):
    found = gather()
    assert (found.density, found.exif, found.xmp, found.icc) == (None, None, None, None)
    assert (found.photoshop, found.comments, found.pictures) == (None, (), 1)
    assert found.icc_whole


def test_exif_goes_on_in_the_next_segment(gather):
    found = gather((0xE1, EXIF + TIFF), (0xE1, XMP + b"<x/>"), (0xE1, EXIF + b"more"))
    assert found.exif.data == TIFF + b"more"
    assert found.xmp == b"<x/>"
    first, second = found.exif.segments
    assert found.exif.offset_in_file(3) == first.payload_offset + 6 + 3
    assert found.exif.offset_in_file(len(TIFF) + 2) == second.payload_offset + 6 + 2


def test_the_padding_of_exif_may_be_anything(gather):
    assert gather((0xE1, b"Exif\0\xff" + TIFF)).exif.data == TIFF


def test_a_second_exif_is_not_more_of_the_first(gather):
    assert gather((0xE1, EXIF + TIFF), (0xE1, EXIF + TIFF)).exif.data == TIFF


def test_a_profile_in_any_order(gather):
    found = gather((0xE2, ICC + b"\2\2def"), (0xE2, ICC + b"\1\2abc"), (0xE2, ICC + b"\1\2xxx"))
    assert (found.icc, found.icc_whole) == (b"abcdef", True)
    from_zero = gather((0xE2, ICC + b"\0\1abc"))
    assert (from_zero.icc, from_zero.icc_whole) == (b"abc", True)
    part = gather((0xE2, ICC + b"\2\2def"))
    assert (part.icc, part.icc_whole) == (b"def", False)


def test_the_rest(gather):
    found = gather(
        (0xED, PHOTOSHOP + b"8B"), (0xED, PHOTOSHOP + b"IM"), (0xFE, b"one"), (0xFE, b"two"),
        (0xE1, b"http://ns.adobe.com/xmp/extension/\0rest"),
    )  # fmt: skip
    assert found.photoshop == b"8BIM"
    assert found.comments == (b"one", b"two")
    assert found.xmp_extended


def test_what_stands_behind_the_pixels_does_not_count(gather, segment):
    found = gather(end=segment(0xFE, b"late") + b"\xff\xd9")
    assert found.comments == ()
