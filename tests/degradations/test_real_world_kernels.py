"""Blur and ringing of the real-world damage: kernels and their convolution."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from restora.degradations.real_world import draw
from restora.degradations.real_world.kernels import filtered, kernel_of
from restora.degradations.real_world.settings import Filter

ROUND = Filter("gaussian", 13, (1.5, 1.5))
LONG = Filter("gaussian", 21, (3.0, 0.6), angle_rad=0.5)


def response(kernel, frequency_rad):
    """Gain of a kernel for a wave along the columns."""
    at = torch.arange(len(kernel)) - len(kernel) // 2
    return float((kernel.sum(0) * torch.cos(frequency_rad * at)).sum())


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.sampled_from([1, 2, 4]), st.sampled_from(["full", "light"]))
def test_drawn_kernels_are_odd_sum_to_1_and_look_the_same_from_behind(seed, scale, strength):
    drawn = draw(np.random.default_rng(seed), strength=strength, scale=scale)
    for each in [*drawn.blurs, drawn.sinc]:
        if each is None:
            continue
        kernel = kernel_of(each)
        assert kernel.shape == (each.side_px, each.side_px)
        assert each.side_px in range(7, 22, 2)
        assert float(kernel.sum()) == pytest.approx(1)
        torch.testing.assert_close(kernel, kernel.flip(0, 1))
        if each.shape != "sinc":
            assert float(kernel.min()) >= 0


@pytest.mark.parametrize("shape", ["gaussian", "generalised", "plateau", "sinc"])
def test_an_isotropic_kernel_is_the_same_after_a_quarter_turn_and_a_flip(shape):
    kernel = kernel_of(Filter(shape, 15, (2.0, 2.0), beta=1.4, cutoff_rad=1.5))
    torch.testing.assert_close(kernel, kernel.rot90())
    torch.testing.assert_close(kernel, kernel.T)


def test_a_gaussian_has_its_sigmas_along_its_axes():
    kernel = kernel_of(replace(LONG, side_px=31))
    at = torch.arange(31, dtype=torch.float64) - 15
    y, x = torch.meshgrid(at, at, indexing="ij")
    along = x * math.cos(0.5) + y * math.sin(0.5)
    across = y * math.cos(0.5) - x * math.sin(0.5)
    assert float((kernel * along**2).sum()) == pytest.approx(9, rel=0.01)
    assert float((kernel * across**2).sum()) == pytest.approx(0.36, rel=0.05)
    assert float((kernel * along * across).sum()) == pytest.approx(0, abs=0.01)


def test_beta_makes_the_top_flat():
    pointed, plain, flat = (
        kernel_of(Filter("generalised", 21, (3.0, 3.0), beta=beta)) for beta in (0.5, 1, 4)
    )
    torch.testing.assert_close(plain, kernel_of(Filter("gaussian", 21, (3.0, 3.0))))
    steps = [float(each[10, 10] / each[10, 12]) for each in (pointed, plain, flat)]
    assert steps == sorted(steps, reverse=True)
    assert steps[2] == pytest.approx(1, abs=0.03)


def test_a_sinc_passes_what_is_below_its_cutoff_and_little_above():
    kernel = kernel_of(Filter("sinc", 21, cutoff_rad=math.pi / 2))
    assert response(kernel, math.pi / 4) == pytest.approx(1, abs=0.1)
    assert abs(response(kernel, 0.8 * math.pi)) < 0.1
    assert float(kernel.min()) < -0.005  # so that edges ring
    lower = kernel_of(Filter("sinc", 21, cutoff_rad=math.pi / 4))
    assert abs(response(lower, math.pi / 2)) < 0.1


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (5, 3), (40, 33)])
def test_filtering_is_the_sum_over_shifted_mirrored_pictures(size):
    pictures = torch.rand(2, 3, *size, dtype=torch.float64)
    filters = [ROUND, LONG]
    # NumPy mirrors as often as it takes.
    padded = np.pad(pictures.numpy(), ((0, 0), (0, 0), (10, 10), (10, 10)), mode="reflect")
    height, width = size
    for index, each in enumerate(filters):
        kernel, edge = kernel_of(each).numpy(), 10 - each.side_px // 2
        slow = sum(
            kernel[y, x]
            * padded[index, :, edge + y : edge + y + height, edge + x : edge + x + width]
            for y in range(each.side_px)
            for x in range(each.side_px)
        )
        result = filtered(pictures, filters)[index].numpy()
        np.testing.assert_allclose(result, slow, atol=1e-6)


def test_none_leaves_a_picture_as_it_is():
    pictures = torch.rand(2, 3, 20, 20)
    assert filtered(pictures, [None, None]) is pictures
    result = filtered(pictures, [None, ROUND])
    torch.testing.assert_close(result[0], pictures[0])
    assert float((result[1] - pictures[1]).abs().mean()) > 0.1


def test_a_wider_kernel_takes_more_away():
    picture = torch.rand(1, 3, 60, 60)
    left = [
        float(filtered(picture, [replace(ROUND, sigma_px=(s, s))]).std()) for s in (0.3, 0.8, 2)
    ]
    assert left == sorted(left, reverse=True)
