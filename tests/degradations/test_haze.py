"""Haze against its equation."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from restora.degradations import haze

AIRLIGHT = (0.9, 0.85, 0.8)


def scene(height=48, width=64, seed=0):
    return np.random.default_rng(seed).random((height, width, 3), np.float32)


def hazy(pixels, settings, seed=0):
    return haze.apply(pixels, settings, np.random.default_rng(seed))


def test_no_scattering_changes_nothing():
    clean = scene()
    np.testing.assert_allclose(hazy(clean, haze.Settings(0.0, AIRLIGHT)), clean, atol=1e-6)


def test_dense_haze_is_all_airlight():
    result = hazy(scene(), haze.Settings(80.0, AIRLIGHT, nearest=0.3))
    np.testing.assert_allclose(result, np.broadcast_to(AIRLIGHT, result.shape), atol=1e-4)


def test_constant_depth_is_the_plain_equation():
    clean = scene()
    settings = haze.Settings(1.2, AIRLIGHT, depth="constant", nearest=0.5)
    through = np.exp(-0.6)
    wanted = clean * through + np.array(AIRLIGHT) * (1 - through)
    np.testing.assert_allclose(hazy(clean, settings), wanted, atol=1e-6)


def test_the_upper_part_is_far():
    settings = haze.Settings(1.0, AIRLIGHT, patches=0, sky=0, nearest=0.2)
    depth = haze.depth_map(np.full((60, 40, 3), 0.5, np.float32), settings, any_rng())
    assert depth[:5].mean() > 0.85
    assert depth[-5:].mean() < 0.35
    assert (np.diff(depth.mean(axis=1)) <= 1e-4).all()


def test_bright_flat_sky_is_farther_than_rough_ground_beside_it():
    picture = scene(96, 96) * 0.6
    picture[:50, :48] = (0.7, 0.8, 0.95)
    settings = haze.Settings(1.0, AIRLIGHT, gradient=0, patches=0, sky=1, nearest=0.1)
    depth = haze.depth_map(picture, settings, any_rng())
    assert depth[5:40, 5:40].mean() > depth[5:40, 56:90].mean() + 0.3


@given(st.integers(0, 2**32), st.floats(0, 1))
def test_a_pixel_ends_between_itself_and_the_airlight(seed, gray):
    rng = np.random.default_rng(seed)
    settings = haze.draw(rng)
    clean = np.full((13, 9, 3), gray, np.float32)
    result = haze.apply(clean, settings, rng)
    airlight = np.array(settings.airlight)
    assert (result >= np.minimum(clean, airlight) - 1e-5).all()
    assert (result <= np.maximum(clean, airlight) + 1e-5).all()


@given(st.integers(0, 2**32))
def test_draws_stay_in_their_ranges(seed):
    settings = haze.draw(np.random.default_rng(seed))
    assert haze.BETA[0] <= settings.beta <= haze.BETA[1]
    assert haze.AIRLIGHT[0] <= min(settings.airlight) <= max(settings.airlight) <= haze.AIRLIGHT[1]
    assert max(settings.airlight) - min(settings.airlight) < 0.1
    assert 0 < settings.nearest < 1
    assert 0 <= settings.strength <= 1


@pytest.mark.parametrize("seed", range(3))
def test_more_scattering_hides_more(seed):
    settings = haze.draw(np.random.default_rng(seed))
    contrasts = [hazy(scene(), replace(settings, beta=b), seed).std() for b in (0.4, 1, 2.5)]
    assert contrasts == sorted(contrasts, reverse=True)


def any_rng():
    """For maps in which nothing is random but the call wants a generator."""
    return np.random.default_rng(0)
