"""Motion blur: kernels and their convolution in linear light."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restora.degradations import motion_blur
from restora.degradations.linear_light import to_linear

LINE = motion_blur.Settings(path="line", extent_px=9, angle_deg=0)


def kernel_of(drawn):
    return motion_blur.drawn(motion_blur.trajectory(drawn))


def blurred(pixels, drawn, seed=0):
    return motion_blur.apply(pixels, drawn, np.random.default_rng(seed))


@settings(max_examples=50)
@given(st.integers(0, 2**32))
def test_a_drawn_kernel_is_odd_sums_to_1_and_keeps_its_extent(seed):
    drawn = motion_blur.draw(np.random.default_rng(seed))
    kernel = kernel_of(drawn)
    assert kernel.shape[0] == kernel.shape[1]
    assert kernel.shape[0] % 2 == 1
    assert kernel.min() >= 0
    assert abs(kernel.sum() - 1) < 1e-5
    rows, columns = np.nonzero(kernel)
    apart = np.hypot(rows[:, None] - rows, columns[:, None] - columns).max()
    assert drawn.extent_px - 1.5 < apart < drawn.extent_px + 2
    assert 0 <= drawn.strength <= 1
    assert 0 <= drawn.sigma <= 2 / 255


@given(st.integers(0, 2**32))
def test_a_kernel_does_not_move_the_picture(seed):
    kernel = kernel_of(motion_blur.draw(np.random.default_rng(seed)))
    at = np.arange(len(kernel)) - len(kernel) // 2
    assert abs((kernel.sum(axis=0) * at).sum()) < 0.1
    assert abs((kernel.sum(axis=1) * at).sum()) < 0.1


def test_a_level_line_is_level():
    kernel = kernel_of(LINE)
    middle = len(kernel) // 2
    assert kernel[middle].sum() > 0.999
    assert kernel_of(replace(LINE, angle_deg=90))[:, middle].sum() > 0.999


@settings(max_examples=20)
@given(st.integers(0, 2**32), st.integers(0, 255))
def test_a_constant_picture_stays_as_it_is(seed, level):
    drawn = replace(motion_blur.draw(np.random.default_rng(seed)), sigma=0.0)
    clean = np.full((21, 34, 3), level / 255, np.float32)
    assert np.abs(blurred(clean, drawn) - clean).max() < 0.5 / 255


def test_light_is_kept_where_srgb_values_are_not():
    clean = np.zeros((64, 64, 3), np.float32)
    clean[16:48:8, 16:48:8] = 1
    result = blurred(clean, replace(LINE, angle_deg=30))
    assert to_linear(result).mean() == pytest.approx(to_linear(clean).mean(), rel=0.02)
    assert result.mean() > 2 * clean.mean()


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (17, 5), (40, 33)])
def test_convolution_is_the_sum_over_shifted_mirrored_pictures(shape):
    rng = np.random.default_rng(0)
    light = rng.random((*shape, 3), np.float32)
    kernel = rng.random((7, 7), np.float32)
    kernel /= kernel.sum()
    padded = np.pad(light, ((3, 3), (3, 3), (0, 0)), mode="symmetric")
    height, width = shape
    slow = sum(
        kernel[6 - y, 6 - x] * padded[y : y + height, x : x + width]
        for y in range(7)
        for x in range(7)
    )
    np.testing.assert_allclose(motion_blur.convolve(light, [kernel]), slow, atol=1e-5)


def test_a_mask_shares_the_picture_between_two_kernels():
    light = np.random.default_rng(0).random((40, 50, 3), np.float32)
    kernels = [kernel_of(LINE), kernel_of(replace(LINE, angle_deg=90, extent_px=15))]
    mask = np.zeros((40, 50, 1), np.float32)
    mask[:, 25:] = 1
    both = motion_blur.convolve(light, kernels, mask)
    first, second = (motion_blur.convolve(light, [kernel]) for kernel in kernels)
    np.testing.assert_allclose(both[:, 25:], first[:, 25:], atol=1e-5)
    np.testing.assert_allclose(both[:, :25], second[:, :25], atol=1e-5)


def test_noise_has_its_strength():
    clean = np.full((120, 120, 3), 0.5, np.float32)
    noise = blurred(clean, replace(LINE, sigma=2 / 255)) - blurred(clean, LINE)
    assert noise.std() == pytest.approx(2 / 255, rel=0.05)


def test_longer_paths_blur_more():
    clean = np.random.default_rng(0).random((80, 80, 3), np.float32)
    left = [blurred(clean, replace(LINE, extent_px=e)).std() for e in (5, 12, 31)]
    assert left == sorted(left, reverse=True)
