"""What is written comes back: pixels, alpha and every byte of metadata, in every format."""

from __future__ import annotations

import io

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from restora.images import encode, read_bytes
from restora.images.orientation import apply_orientation

FORMATS = ["JPEG", "PNG", "TIFF", "WebP", "AVIF"]
LOSSLESS = {"PNG", "TIFF", "WebP"}
quick = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def as_ints(pixels, bits=8):
    return np.rint(pixels * ((1 << bits) - 1)).astype(np.int64)


@pytest.mark.parametrize("name", FORMATS)
@quick
@given(data=st.data())
def test_every_format_keeps_what_it_can_hold(name, data, picture):
    original = picture(
        data.draw(st.integers(1, 40)),
        data.draw(st.integers(1, 40)),
        space=data.draw(st.sampled_from(["gray", "rgb"])),
        bits=data.draw(st.sampled_from([8, 16])) if name in {"PNG", "TIFF"} else 8,
        alpha=name != "JPEG" and data.draw(st.booleans()),
        orientation=data.draw(st.integers(1, 8)),
        order=data.draw(st.sampled_from("<>")),
        seed=data.draw(st.integers(0, 99)),
    )
    again = read_bytes(encode(original, format=name, quality=None), name="x")

    upright = apply_orientation(original.pixels, original.metadata.orientation)
    turned_gray = name == "WebP" or (name == "AVIF" and original.alpha is not None)
    space = "rgb" if original.space == "gray" and turned_gray else original.space
    assert (again.height_px, again.width_px) == upright.shape[:2]
    assert again.space == space
    assert again.bits == original.bits
    assert again.metadata.orientation == 1
    assert again.notes == ()
    if original.alpha is None:
        assert again.alpha is None
    else:
        turned = apply_orientation(original.alpha, original.metadata.orientation)
        assert np.array_equal(again.alpha, turned)
    if name in LOSSLESS:
        wanted = np.broadcast_to(as_ints(upright, original.bits), again.pixels.shape)
        assert np.array_equal(as_ints(again.pixels, original.bits), wanted)

    kept, was = again.metadata, original.metadata
    assert kept.icc == (was.icc if space == original.space else None)
    differing = [i for i, (a, b) in enumerate(zip(kept.exif, was.exif, strict=True)) if a != b]
    assert len(differing) == (was.orientation != 1)
    assert kept.xmp == was.xmp.replace(b'tiff:Orientation="%d"' % was.orientation,
                                       b'tiff:Orientation="1"')  # fmt: skip
    if name in {"JPEG", "PNG", "TIFF"}:
        assert kept.dpi == pytest.approx((300, 300), abs=0.01)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_exactly_once(name, orientation, picture, smooth):
    marked = smooth(40, 56)
    marked[:12, :20] = (250, 10, 10)  # the corner that tells the eight apart
    original = picture(40, 56, orientation=orientation).with_pixels(marked.astype(np.float32) / 255)
    data = encode(original, format=name, quality=95)
    again = read_bytes(data, name="x")
    assert again.metadata.orientation == 1
    upright = apply_orientation(original.pixels, orientation)
    assert np.abs(again.pixels - upright).mean() < 0.02
    shown = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))  # an independent viewer
    assert np.abs(np.asarray(shown) / 255.0 - upright).mean() < 0.02
    second = read_bytes(encode(again, format=name, quality=95), name="x")
    assert second.pixels.shape == again.pixels.shape
    assert np.abs(second.pixels - again.pixels).mean() < 0.02


@pytest.mark.parametrize("name", FORMATS)
def test_pillow_finds_the_same_metadata(name, picture):
    original = picture(16, 16)
    image = Image.open(io.BytesIO(encode(original, format=name)))
    image.load()
    assert image.info["icc_profile"] == original.metadata.icc
    assert image.info["xmp"] == original.metadata.xmp
    assert image.getexif()[0x010F] == "Camera & Co"
    assert image.getexif().get_ifd(0x8769)[0x927C].startswith(b"MAKER")


@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("space", ["gray", "rgb"])
def test_png16_is_exact_to_an_independent_reader(space, alpha, picture):
    original = picture(33, 17, space=space, bits=16, alpha=alpha)
    data = encode(original, format="PNG")
    if space == "gray" and not alpha:
        seen = np.asarray(Image.open(io.BytesIO(data))).astype(np.int64)[..., None]
        assert np.array_equal(seen, as_ints(original.pixels, 16))
    else:  # Pillow shows the high bytes only, but by a decoder that is not ours
        seen = np.asarray(Image.open(io.BytesIO(data)))[..., : original.pixels.shape[2]]
        if space == "rgb":
            assert np.array_equal(seen, as_ints(original.pixels, 16) >> 8)
    again = read_bytes(data, name="x.png")
    assert np.array_equal(as_ints(again.pixels, 16), as_ints(original.pixels, 16))
    if alpha:
        assert np.array_equal(again.alpha, original.alpha)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("space", ["gray", "rgb", "cmyk"])
def test_tiff_is_exact_to_tifffile(space, alpha, bits, order, picture):
    original = picture(21, 34, space=space, bits=bits, alpha=alpha and space != "cmyk", order=order)
    data = encode(original, format="TIFF")
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages[0]
        seen = page.asarray().reshape(21, 34, -1)
        assert page.tags["Make"].value == "Camera & Co"
        assert page.tags["ExifTag"].value["MakerNote"].startswith(b"MAKER")
    channels = original.pixels.shape[2]
    assert np.array_equal(seen[..., :channels], as_ints(original.pixels, bits))
    if original.alpha is not None:
        assert np.array_equal(seen[..., channels], original.alpha)
    again = read_bytes(data, name="x.tif")
    assert (again.space, again.bits) == (space, bits)
    assert np.array_equal(as_ints(again.pixels, bits), as_ints(original.pixels, bits))
    assert again.metadata == original.metadata


@pytest.mark.parametrize("name", ["JPEG", "TIFF"])
def test_cmyk_stays_cmyk(name, picture, smooth):
    inks = np.concatenate([smooth(32, 32), smooth(32, 32)[..., :1] // 3], axis=2)
    original = picture(32, 32, space="cmyk").with_pixels(inks.astype(np.float32) / 255)
    data = encode(original, format=name, quality=100)
    again = read_bytes(data, name="x")
    assert again.space == "cmyk"
    assert again.metadata.icc == original.metadata.icc
    assert np.abs(again.pixels - original.pixels).max() < 6 / 255
    seen = np.asarray(Image.open(io.BytesIO(data)))
    assert np.abs(seen.astype(int) - inks).max() <= 6


@pytest.mark.parametrize("name", ["PNG", "WebP", "AVIF"])
def test_cmyk_becomes_rgb_where_there_is_none(name, picture):
    inks = np.zeros((8, 8, 4), np.float32)
    inks[:, :, 0] = 1  # pure cyan
    original = picture(8, 8, space="cmyk").with_pixels(inks)  # the profile is not a real one
    again = read_bytes(encode(original, format=name, quality=100), name="x")
    assert again.space == "rgb"
    assert again.metadata.icc is None
    assert np.abs(again.pixels - np.float32([0, 1, 1])).max() < 0.03


def test_a_gray_profile_never_lands_on_colour(picture, icc):
    from dataclasses import replace

    original = picture(4, 4)
    original = replace(original, metadata=replace(original.metadata, icc=icc(b"GRAY")))
    for name in FORMATS:
        assert read_bytes(encode(original, format=name), name="x").metadata.icc is None


def test_large_profile_and_the_rest_of_a_jpeg(picture, icc):
    from dataclasses import replace

    metadata = replace(
        picture().metadata, icc=icc(length=150_000), comment=b"hello", photoshop=b"8BIM" * 20_000
    )
    original = replace(picture(), metadata=metadata)
    data = encode(original, format="jpg")
    assert read_bytes(data, name="x.jpg").metadata == metadata
    assert Image.open(io.BytesIO(data)).info["icc_profile"] == metadata.icc
    kept = read_bytes(encode(original, format="tif"), name="x.tif").metadata
    assert kept == replace(metadata, comment=None)


def test_alpha_changes_depth_without_loss_upwards(picture):
    original = picture(alpha=True)
    up = read_bytes(encode(original, format="PNG", bits=16), name="x.png")
    assert np.array_equal(up.alpha, original.alpha.astype(np.uint16) * 257)
    down = read_bytes(encode(up, format="PNG", bits=8), name="x.png")
    assert np.array_equal(down.alpha, original.alpha)


def test_odd_numbers_become_a_valid_file(picture):
    strange = np.array([[[np.nan, -3, 7]]], np.float32)
    again = read_bytes(encode(picture(1, 1).with_pixels(strange), format="PNG"), name="x.png")
    assert as_ints(again.pixels).tolist() == [[[0, 0, 255]]]


def test_dpi_turns_with_the_picture(picture):
    from dataclasses import replace

    original = picture(orientation=6)
    original = replace(original, metadata=replace(original.metadata, dpi=(100.0, 200.0)))
    for name in ("JPEG", "PNG", "TIFF"):
        dpi = read_bytes(encode(original, format=name), name="x").metadata.dpi
        assert dpi == pytest.approx((200, 100), abs=0.02)


def test_quality_and_sampling_reach_the_encoders(picture, smooth):
    original = picture(48, 64).with_pixels(smooth().astype(np.float32) / 255)
    for name in ("JPEG", "WebP", "AVIF"):
        assert len(encode(original, format=name, quality=10)) < len(
            encode(original, format=name, quality=95)
        )
    image = Image.open(io.BytesIO(encode(original, format="JPEG")))
    assert [part[1:3] for part in image.layer] == [(1, 1)] * 3
    image = Image.open(io.BytesIO(encode(original, format="JPEG", subsampling="4:2:0")))
    assert image.layer[0][1:3] == (2, 2)
    for quality in (None, 100):  # WebP's lossless ways
        again = read_bytes(encode(original, format="WebP", quality=quality), name="x")
        assert np.array_equal(as_ints(again.pixels), as_ints(original.pixels))
