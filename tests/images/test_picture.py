"""The picture itself: its checks and small questions."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

import restora.images.picture
from restora.images import Picture
from restora.images.orientation import apply_orientation


def test_the_examples_run():
    outcome = doctest.testmod(restora.images.picture)
    assert outcome.attempted and not outcome.failed


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"pixels": np.zeros((2, 2, 4), np.float32)}, "rgb pixels are"),
        ({"pixels": np.zeros((2, 2, 3))}, "float32"),
        ({"pixels": np.zeros((0, 2, 3), np.float32)}, "at least one pixel"),
        ({"bits": 12}, "8 or 16"),
        ({"alpha": np.zeros((3, 2), np.uint8)}, "alpha is (H, W)"),
        ({"alpha": np.zeros((2, 2), np.float32)}, "uint8 or uint16"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(change, words):
    fields = {"pixels": np.zeros((2, 2, 3), np.float32), "space": "rgb"} | change
    with pytest.raises(ValueError, match=r".") as caught:
        Picture(**fields)
    assert words in str(caught.value)


def test_neutral_means_no_colour_at_8_bits(picture):
    gray = np.repeat(np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4, 1), 3, axis=2)
    same = picture(3, 4).with_pixels(gray)
    assert same.is_neutral
    gray[1, 1, 0] += 0.4 / 255
    assert same.is_neutral
    gray[1, 1, 0] += 0.4 / 255
    assert not same.is_neutral
    assert picture(space="gray").is_neutral
    assert not picture(space="cmyk").is_neutral


@given(st.integers(1, 8), st.integers(1, 5), st.integers(1, 5))
def test_orientation_agrees_with_pillow(orientation, height, width):
    array = np.arange(height * width, dtype=np.uint8).reshape(height, width)
    image = Image.fromarray(array)
    image.getexif()[0x0112] = orientation
    shown = np.asarray(ImageOps.exif_transpose(image))
    assert np.array_equal(apply_orientation(array, orientation), shown)
