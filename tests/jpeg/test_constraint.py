"""Bins: what a projection must be, and what ``hard`` promises."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from restora.jpeg import inspect
from restora.jpeg.constraint import NoBins, _parts, constrain, inside_share, read_bins
from restora.jpeg.projection import outside

MATRIX = np.array(
    [
        [0.299, 0.587, 0.114],
        [-0.168735892, -0.331264108, 0.5],
        [0.5, -0.418687589, -0.081312411],
    ]
)


@cache
def clean(height=96, width=112):
    """A picture with smooth parts, edges, texture and saturated places."""
    rng = np.random.default_rng(5)
    down, across = np.mgrid[0:height, 0:width]
    planes = np.stack([across * 2 + down, 240 - across * 2, down * 2 + 30], axis=-1)
    pixels = planes + rng.normal(0, 6, (height, width, 3))
    pixels[20:44, 10:30] = (250, 245, 251)
    pixels[40:60, 60:90] = (8, 3, 12)
    pixels[64:80, 20:70] = (200, 40, 30)
    blurred = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    return np.asarray(blurred.filter(ImageFilter.GaussianBlur(0.6)))


def case(quality, sampling, height=96, width=112):
    """The clean picture, its file's bins, and something that stands in for a restoration."""
    gray = sampling == "gray"
    picture = Image.fromarray(clean()[:height, :width]).convert("L" if gray else "RGB")
    options = {} if gray else {"subsampling": sampling}
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality, **options)
    data = buffer.getvalue()
    restored = Image.open(buffer).filter(ImageFilter.GaussianBlur(1))
    return floats(picture), read_bins(data, inspect(data, name="a")), floats(restored)


def floats(picture):
    pixels = np.asarray(picture).astype(np.float32) / np.float32(255)
    return pixels.reshape(*pixels.shape[:2], -1)


def length(pixels):
    """Euclidean length; in Y, Cb and Cr for colour."""
    wide = pixels.astype(np.float64)
    return np.linalg.norm(wide if wide.shape[2] == 1 else wide @ MATRIX.T)


SAMPLINGS = ["gray", "4:4:4", "4:2:2", "4:2:0"]


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("quality", [10, 50, 80])
@pytest.mark.parametrize("size", [(96, 112), (91, 101)])
def test_the_clean_picture_is_inside(sampling, quality, size):
    picture, bins, restored = case(quality, sampling, *size)
    assert inside_share(picture, bins) == 1
    assert inside_share(restored, bins) < 1


@pytest.mark.parametrize("quality", [10, 50, 80])
def test_the_clean_gray_picture_stays_as_it_is(quality):
    picture, bins, _ = case(quality, "gray")
    assert np.abs(constrain(picture, bins) - picture).max() * 255 < 0.1
    # Some numbers lie on their bin's very edge, where another encoder might take the neighbour.
    moved = np.rint(constrain(picture, bins, mode="hard") * 255) != picture * 255
    assert moved.mean() < {10: 0.02, 50: 0.1, 80: 0.3}[quality]


@pytest.mark.parametrize("sampling", ["4:4:4", "4:2:0"])
def test_the_clean_colour_picture_moves_by_less_than_encoders_round(sampling):
    picture, bins, _ = case(50, sampling)
    assert np.abs(constrain(picture, bins) - picture).max() * 255 < 0.5


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_twice_is_once(sampling):
    _, bins, restored = case(30, sampling)
    gentle = 0.3 + 0.4 * restored  # so that nothing is clipped
    once = constrain(gentle, bins)
    inner = once * 255
    if inner.min() > 0 and inner.max() < 255:
        assert np.abs(constrain(once, bins) - once).max() < 1e-5
    hard = constrain(restored, bins, mode="hard")
    assert inside_share(hard, bins) == 1


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), size=st.floats(0.001, 0.2), gray=st.booleans())
def test_a_projection_brings_nothing_farther_apart(seed, size, gray):
    picture, bins, _ = _bins_for_distances(gray)
    rng = np.random.default_rng(seed)
    one = (picture + rng.normal(0, size, picture.shape)).astype(np.float32)
    other = (picture + rng.normal(0, size, picture.shape)).astype(np.float32)
    apart = length(constrain(one, bins) - constrain(other, bins))
    if gray:  # clipping brings things together as well
        assert apart <= length(one - other) * (1 + 1e-5)
    truth = length(constrain(one, bins) - picture)
    # The encoder's roundings put the clean picture a hair outside.
    assert truth <= length(one - picture) * (1 + 1e-5) + 0.002 * np.sqrt(picture.size)


@cache
def _bins_for_distances(gray):
    return case(20, "gray" if gray else "4:2:0")


@pytest.mark.parametrize("sampling", ["gray", "4:2:0"])
@pytest.mark.parametrize("quality", [10, 30, 50, 75])
@pytest.mark.parametrize("size", [(96, 112), (91, 101), (17, 33)])
def test_hard_puts_all_coefficients_inside(sampling, quality, size):
    _, bins, restored = case(quality, sampling, *size)
    result = constrain(restored, bins, mode="hard")
    assert inside_share(result, bins) == 1
    assert np.abs(result * 255 - np.rint(result * 255)).max() < 1e-4
    assert result.dtype == np.float32
    assert result.shape == restored.shape


@pytest.mark.parametrize("sampling", ["gray", "4:2:0"])
def test_hard_at_fine_steps(sampling):
    _, bins, restored = case(90, sampling)
    assert inside_share(constrain(restored, bins, mode="hard"), bins) > 0.999


def test_hard_saves_as_the_same_file():
    picture, bins, restored = case(50, "4:2:0")
    first, again = io.BytesIO(), io.BytesIO()
    for pixels, buffer in ((picture, first), (constrain(restored, bins, mode="hard"), again)):
        whole = Image.fromarray(np.rint(pixels * 255).astype(np.uint8))
        whole.save(buffer, "JPEG", quality=50, subsampling="4:2:0")
    assert first.getvalue() == again.getvalue()


@pytest.mark.parametrize("sampling", ["gray", "4:2:0"])
def test_hard_at_16_bits_is_not_rounded(sampling):
    _, bins, restored = case(30, sampling)
    result = constrain(restored, bins, mode="hard", bits=16)
    assert np.abs(result * 255 - np.rint(result * 255)).max() > 0.1
    for area, part in _parts(bins):
        assert not any(flags.any() for flags in outside(result[area] * 255, part, bits=16))
    assert 0 <= result.min() <= result.max() <= 1


def test_narrow_bins_draw_closer_to_the_file():
    _, bins, restored = case(30, "4:2:0")
    moved = [length(constrain(restored, bins, half_width=half) - restored) for half in (0.5, 0.3)]
    assert 0 < moved[0] < moved[1]


def test_a_large_picture_is_done_in_parts(monkeypatch):
    _, bins, restored = case(30, "4:2:0", 91, 101)
    for mode in ("soft", "hard"):
        at_once = constrain(restored, bins, mode=mode)
        with monkeypatch.context() as patch:
            patch.setattr("restora.jpeg.constraint._PART_PX", 1)
            assert np.abs(constrain(restored, bins, mode=mode) - at_once).max() < 1e-5
            in_place = restored.copy()
            constrain(in_place, bins, mode=mode, out=in_place)
            assert np.abs(in_place - at_once).max() < 1e-5


def test_edges_filled_with_something_else_are_left_alone():
    picture = Image.fromarray(clean())
    picture.paste((0, 0, 0), (0, 90, 112, 96))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=50, subsampling="4:4:4")
    data = bytearray(buffer.getvalue())
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 7] = (90).to_bytes(2)  # the last rows are filling now, and black
    bins = read_bins(bytes(data), inspect(bytes(data), name="a"))
    luma = bins.components[0].known
    assert luma[:-1].all()
    assert not luma[-1].all(axis=(1, 2)).any()


def test_a_picture_of_another_size_or_kind_is_refused():
    picture, bins, _ = case(30, "4:2:0")
    for wrong in (picture[:-1], picture[..., :1], picture.astype(np.float64)):
        with pytest.raises(ValueError, match="the file's pixels are"):
            constrain(wrong, bins)
        with pytest.raises(ValueError, match="the file's pixels are"):
            inside_share(wrong, bins)


def test_no_bins_without_a_whole_file():
    buffer = io.BytesIO()
    Image.fromarray(clean()).save(buffer, "JPEG")
    data = buffer.getvalue()[:-400]
    with pytest.raises(NoBins, match="cut off"):
        read_bins(data, inspect(data, name="a"))
