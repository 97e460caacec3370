"""Colours come from the degraded picture, detail from the restored one."""

import numpy as np
import pytest
import torch

from restora.engine.colour_fix import COLOUR_FIXES, LEVELS, fix_colours
from restora.errors import UsageError

SIZES = [(1, 1), (1, 40), (37, 53), (5, 2), (64, 96)]


def picture(height=37, width=53, channels=3, seed=0, low=0.2, high=0.8):
    rng = np.random.default_rng(seed)
    return rng.uniform(low, high, (height, width, channels)).astype(np.float32)


def low_pass(pixels):
    """The published filter as written there: a 3×3 kernel, dilated, edges repeated; (H, W, C)."""
    kernel = torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]], dtype=torch.float64) / 16
    planes = torch.from_numpy(np.ascontiguousarray(pixels, np.float64)).permute(2, 0, 1)[:, None]
    for level in range(LEVELS):
        reach = 2**level
        planes = torch.nn.functional.pad(planes, (reach,) * 4, mode="replicate")
        planes = torch.nn.functional.conv2d(planes, kernel[None, None], dilation=reach)
    return planes[:, 0].permute(1, 2, 0).numpy()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("channels", [1, 3])
def test_wavelet_is_the_published_one(size, channels):
    pixels, like = picture(*size, channels), picture(*size, channels, seed=1)
    wanted = pixels - low_pass(pixels) + low_pass(like)
    assert fix_colours(pixels, like, "wavelet") == pytest.approx(wanted.clip(0, 1), abs=1e-5)


def test_wavelet_takes_low_frequencies_and_keeps_high_ones():
    y, x = np.mgrid[:256, :256] / 256
    slow = 0.5 + 0.1 * np.cos(np.pi * y)[..., None] * np.ones(3)
    fine = 0.05 * np.sign(np.sin(0.5 + np.pi * 256 * x))[..., None] * np.ones(3)
    shift = np.array([0.1, -0.1, 0.05]) * (1 + x[..., None])
    fixed = fix_colours(
        (slow + fine + shift).astype(np.float32), slow.astype(np.float32), "wavelet"
    )
    inside = fixed[40:-40, 40:-40]  # where no edge was repeated
    assert inside == pytest.approx((slow + fine)[40:-40, 40:-40], abs=3e-3)


@pytest.mark.parametrize("kind", COLOUR_FIXES)
@pytest.mark.parametrize("size", SIZES)
def test_equal_pictures_stay(kind, size):
    pixels = picture(*size)
    before = pixels.copy()
    fixed = fix_colours(pixels, pixels, kind)
    assert fixed == pytest.approx(pixels, abs=0 if kind != "adain" else 1e-6)
    assert fixed is not pixels
    assert np.array_equal(pixels, before)


@pytest.mark.parametrize("kind", COLOUR_FIXES)
def test_in_place(kind):
    pixels, like = picture(), picture(seed=1)
    wanted = fix_colours(pixels, like, kind)
    assert fix_colours(pixels, like, kind, out=pixels) is pixels
    assert np.array_equal(pixels, wanted)


def test_adain_gives_the_statistics():
    pixels, like = picture(low=0.45, high=0.7), picture(seed=1, low=0.3, high=0.6)
    like[..., 1] = 0.5 + 0.3 * (like[..., 1] - 0.5)
    fixed = fix_colours(pixels, like, "adain")
    assert fixed.mean((0, 1)) == pytest.approx(like.mean((0, 1)), abs=1e-5)
    assert fixed.std((0, 1)) == pytest.approx(like.std((0, 1)), rel=1e-3)
    for channel in range(3):  # a shift and a stretch, so the order of the values is the same
        order = fixed[..., channel].ravel()[pixels[..., channel].ravel().argsort()]
        assert (np.diff(order) >= 0).all()


def test_flat_channels():
    flat, like = np.full((9, 7, 3), 0.25, np.float32), picture(9, 7)
    fixed = fix_colours(flat, like, "adain")
    assert fixed == pytest.approx(np.broadcast_to(like.mean((0, 1)), fixed.shape), abs=1e-3)
    assert fix_colours(like, flat, "adain").mean((0, 1)) == pytest.approx([0.25] * 3, abs=1e-4)
    nearly = flat + np.float32(1e-6) * picture(9, 7, seed=2)  # no contrast to be stretched
    assert fix_colours(nearly, like, "adain").std((0, 1)).max() < 0.01
    assert fix_colours(flat, flat + 0.5, "wavelet") == pytest.approx(flat + 0.5, abs=1e-6)


@pytest.mark.parametrize("kind", COLOUR_FIXES)
@pytest.mark.parametrize("size", SIZES)
def test_any_size_and_what_comes_out(kind, size):
    pixels = 3 * picture(*size) - 1
    fixed = fix_colours(pixels, picture(*size, seed=1), kind)
    assert fixed.shape == pixels.shape
    assert fixed.dtype == np.float32
    assert 0 <= fixed.min() <= fixed.max() <= 1
    assert fixed.flags.c_contiguous


def test_none_only_clips():
    pixels = 3 * picture() - 1
    assert np.array_equal(fix_colours(pixels, picture(seed=1), "none"), pixels.clip(0, 1))


def test_a_part_of_a_larger_array_is_left_alone():
    whole = picture(80, 90, 4)
    before = whole.copy()
    part, like = whole[3:40, 5:58, :3], picture(seed=4)
    found = fix_colours(part, like, "wavelet")
    assert np.array_equal(found, fix_colours(part.copy(), like, "wavelet"))
    assert np.array_equal(whole, before)


def test_mistakes():
    with pytest.raises(UsageError, match="none, adain or wavelet, not 'lab'"):
        fix_colours(picture(), picture(), "lab")
    with pytest.raises(ValueError, match="no like"):
        fix_colours(picture(), picture(38), "adain")
