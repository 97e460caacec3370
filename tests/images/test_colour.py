"""The two lumas, against libjpeg's and MATLAB's numbers."""

from __future__ import annotations

import numpy as np
from PIL import Image

from restora.images import (
    RGB_TO_YCBCR,
    bt601_luma,
    jfif_luma,
    rgb_from_ycbcr,
    ycbcr_from_rgb,
)


def test_jfif_agrees_with_libjpeg_tables(samples):
    rgb = samples(16, 16, 3)
    ours = np.rint(ycbcr_from_rgb(rgb / 255.0) * 255)
    theirs = np.asarray(Image.fromarray(rgb).convert("YCbCr")).astype(int)
    assert np.abs(ours - theirs).max() <= 1


def test_the_matrix_is_jfifs():
    red, green, blue = 0.299, 0.587, 0.114
    assert RGB_TO_YCBCR[0] == (red, green, blue)
    by_definition = [
        [-red / (2 - 2 * blue), -green / (2 - 2 * blue), 0.5],
        [0.5, -green / (2 - 2 * red), -blue / (2 - 2 * red)],
    ]
    assert np.allclose(RGB_TO_YCBCR[1:], by_definition, rtol=0, atol=1e-9)
    assert np.allclose(np.sum(RGB_TO_YCBCR, axis=1), [1, 0, 0], atol=1e-12)


def test_there_and_back(samples):
    for kind in (np.float32, np.float64):
        rgb = (samples(8, 8, 3) / 255.0).astype(kind)
        again = rgb_from_ycbcr(ycbcr_from_rgb(rgb))
        assert again.dtype == kind
        assert np.abs(again - rgb).max() < 1e-6
        assert np.allclose(jfif_luma(rgb), ycbcr_from_rgb(rgb)[..., 0])


def test_bt601_has_matlabs_numbers():
    black, white, red = [0, 0, 0], [255, 255, 255], [255, 0, 0]
    luma = bt601_luma(np.array([black, white, red], np.uint8))
    assert np.allclose(luma, [16, 235, 81.481])
