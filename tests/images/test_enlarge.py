"""Larger pictures: the same content, and true words about the size."""

from __future__ import annotations

import struct
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from restora.errors import InputError, UsageError
from restora.images import Metadata, Picture, encode, read_bytes
from restora.images.enlarge import enlarge
from restora.jpeg.ifd import first_directory, read_directory

XMP = (
    b"<x:xmpmeta><rdf:Description exif:PixelXDimension=\"9\" exif:PixelYDimension = '12'"
    b' tiff:ImageWidth="9"><tiff:ImageLength>12</tiff:ImageLength>'
    b"<dc:title>9 by 12, PixelXDimension</dc:title></rdf:Description></x:xmpmeta>"
)


def sized_exif(order, *, kind=3, orientation=1):
    """EXIF that states 9×12 pixels in its first directory and in the one below."""
    below_at = 8 + 2 + 4 * 12 + 4
    code = order + ("HHIHH" if kind == 3 else "HHII")
    fill = (0,) if kind == 3 else ()
    out = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "IH", 8, 4)
    for tag, value in ((0x0100, 9), (0x0101, 12)):
        out += struct.pack(code, tag, kind, 1, value, *fill)
    out += struct.pack(order + "HHIHH", 0x0112, 3, 1, orientation, 0)
    out += struct.pack(order + "HHII", 0x8769, 4, 1, below_at) + bytes(4)
    out += struct.pack(order + "H", 3)
    for tag, value in ((0xA002, 9), (0xA003, 12)):
        out += struct.pack(code, tag, kind, 1, value, *fill)
    out += struct.pack(order + "HHIHH", 0xA402, 3, 1, 1, 0) + bytes(4)
    return out


def stated(exif):
    """What EXIF says of the size, in both directories, and another number of the lower one."""
    first = first_directory(exif)
    below = read_directory(exif, order=first.order, at=first.whole_number(0x8769))
    return [first.whole_number(tag) for tag in (0x0100, 0x0101)] + [
        below.whole_number(tag) for tag in (0xA002, 0xA003, 0xA402)
    ]


@pytest.mark.parametrize("factor", [2, 3, 4])
@pytest.mark.parametrize(
    ("space", "bits", "alpha"),
    [("rgb", 8, False), ("rgb", 8, True), ("gray", 8, False), ("gray", 16, True),
     ("rgb", 16, True), ("cmyk", 8, False)],
)  # fmt: skip
def test_every_kind_of_picture(picture, factor, space, bits, alpha):
    small = picture(space=space, bits=bits, alpha=alpha, orientation=6)
    large = enlarge(small, factor)
    assert (large.height_px, large.width_px) == (12 * factor, 9 * factor)
    assert (large.space, large.bits, large.format) == (space, bits, small.format)
    assert large.pixels.flags.c_contiguous
    assert 0 <= large.pixels.min() <= large.pixels.max() <= 1
    for channel in range(large.pixels.shape[2]):
        image = Image.fromarray(np.ascontiguousarray(small.pixels[..., channel]))
        wanted = image.resize((9 * factor, 12 * factor), Image.Resampling.BICUBIC)
        assert large.pixels[..., channel] == pytest.approx(np.asarray(wanted).clip(0, 1), abs=1e-6)
    assert (large.alpha is None) == (not alpha)
    if alpha:
        assert large.alpha.dtype == small.alpha.dtype
        image = Image.fromarray(small.alpha.astype(np.float32))
        wanted = np.asarray(image.resize((9 * factor, 12 * factor), Image.Resampling.BICUBIC))
        peak = (1 << bits) - 1
        assert np.abs(large.alpha - wanted.clip(0, peak)).max() <= 0.51
    assert large.metadata == small.metadata  # which states no size


def test_a_flat_picture_stays_flat_to_the_last_bit(picture):
    flat = Picture(
        pixels=np.full((3, 5, 3), 0.7, np.float32),
        space="rgb",
        bits=16,
        alpha=np.full((3, 5), 65_535, np.uint16),
    )
    large = enlarge(flat, 3)
    assert large.pixels == pytest.approx(np.full((9, 15, 3), 0.7), abs=1e-7)
    assert (large.alpha == 65_535).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (2, 1)])
def test_the_smallest(picture, size):
    small = picture(*size, alpha=True)
    large = enlarge(small, 4)
    assert large.pixels.shape == (4 * size[0], 4 * size[1], 3)
    if size == (1, 1):
        assert large.pixels == pytest.approx(np.broadcast_to(small.pixels, (4, 4, 3)), abs=1e-6)


def test_strips_leave_no_seams(picture):
    """Of a picture that is made in several strips."""
    small = picture(300, 500, space="gray")
    image = Image.fromarray(small.pixels[..., 0])
    wanted = np.asarray(image.resize((2000, 1200), Image.Resampling.BICUBIC)).clip(0, 1)
    assert np.abs(enlarge(small, 4).pixels[..., 0] - wanted).max() < 1e-6


def test_the_picture_itself(picture):
    small = picture()
    assert enlarge(small, 1) is small
    assert enlarge(small, 1, max_pixels=1) is small  # it was read with a limit of its own


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [3, 4])
def test_the_size_in_exif(picture, order, kind):
    exif = sized_exif(order, kind=kind)
    small = replace(picture(), metadata=Metadata(exif=exif, dpi=(72.0, 72.0)))
    large = enlarge(small, 3)
    assert stated(exif) == [9, 12, 9, 12, 1]
    assert stated(large.metadata.exif) == [27, 36, 27, 36, 1]
    assert len(large.metadata.exif) == len(exif)
    assert large.metadata.dpi == (72.0, 72.0)
    assert small.metadata.exif == exif


def test_more_than_a_short_can_hold():
    pixels = np.zeros((1, 20_000, 1), np.float32)
    wide = Picture(pixels=pixels, space="gray", metadata=Metadata(exif=sized_exif("<", kind=3)))
    assert stated(enlarge(wide, 4).metadata.exif) == [80_000, 4, 80_000, 4, 1]


def test_the_size_in_xmp(picture):
    small = replace(picture(), metadata=Metadata(xmp=XMP))
    wanted = XMP.replace(b'"9"', b'"18"').replace(b"'12'", b"'24'").replace(b">12<", b">24<")
    assert enlarge(small, 2).metadata.xmp == wanted


@pytest.mark.parametrize("exif", [b"", b"II*\0", b"MM\0*\0\0\0\x08\0\x09", bytes(40)])
def test_exif_that_cannot_be_read_stays(picture, exif):
    assert enlarge(replace(picture(), metadata=Metadata(exif=exif)), 2).metadata.exif == exif


def test_a_turned_picture_is_written_with_its_size(picture):
    metadata = Metadata(exif=sized_exif("<", orientation=6), orientation=6)
    large = enlarge(replace(picture(), metadata=metadata), 2)
    written = read_bytes(encode(large, format="PNG"), name="a.png")
    assert (written.width_px, written.height_px) == (24, 18)
    assert stated(written.metadata.exif)[2:4] == [24, 18]


@pytest.mark.parametrize("factor", [0, 5, -2, 1.5])
def test_no_such_factor(picture, factor):
    with pytest.raises(UsageError, match=f"^--upscale is 1, 2, 3 or 4, not {factor}.$"):
        enlarge(picture(), factor)


def test_too_large(picture):
    small = picture(100, 200, space="gray")
    assert enlarge(small, 2, max_pixels=80_000).pixels.size == 80_000
    with pytest.raises(InputError, match=r"2 times the picture has 400×200 pixels, .* 79,999"):
        enlarge(small, 2, max_pixels=79_999)
