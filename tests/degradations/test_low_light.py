"""Low light: exposure, noise and white balance."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restora.degradations import low_light
from restora.degradations.linear_light import to_linear


def dark(pixels, drawn, seed=0):
    return low_light.apply(pixels, drawn, np.random.default_rng(seed))


@settings(max_examples=40)
@given(st.integers(0, 2**32), st.integers(64, 255))
def test_darker_on_average(seed, level):
    rng = np.random.default_rng(seed)
    clean = rng.random((24, 24, 3), np.float32) * level / 255
    result = low_light.apply(clean, low_light.draw(rng), rng)
    assert result.mean() < 0.85 * clean.mean()
    assert 0 <= result.min() <= result.max() <= 1


@given(st.integers(0, 2**32))
def test_draws_stay_in_their_ranges(seed):
    drawn = low_light.draw(np.random.default_rng(seed))
    assert low_light.EXPOSURE[0] <= drawn.exposure <= low_light.EXPOSURE[1]
    assert drawn.balance[1] == 1
    assert 0.7 < min(drawn.balance) <= max(drawn.balance) < 1.4
    assert 0 < drawn.read < 0.01
    assert 0 <= drawn.strength <= 1


def test_exposure_and_balance_scale_linear_light():
    clean = np.random.default_rng(0).random((20, 20, 3), np.float32)
    drawn = low_light.Settings(exposure=0.2, balance=(1.1, 1.0, 0.9))
    wanted = to_linear(clean) * np.array([0.22, 0.2, 0.18])
    np.testing.assert_allclose(to_linear(dark(clean, drawn)), wanted, atol=2e-4)


def test_the_darkest_is_the_strongest():
    low, high = low_light.EXPOSURE
    assert low_light.Settings(exposure=low).strength == pytest.approx(1)
    assert low_light.Settings(exposure=high).strength == pytest.approx(0)


@pytest.mark.parametrize("level", [0.3, 0.8])
def test_noise_grows_with_the_signal(level):
    clean = np.full((150, 150, 3), level, np.float32)
    drawn = low_light.Settings(exposure=0.3, shot=1e-3, read=1e-3)
    light = to_linear(dark(clean, drawn))
    wanted = np.sqrt(1e-3 * 0.3 * to_linear(clean[:1, :1])[0, 0, 0] + 1e-6)
    assert light.std() == pytest.approx(wanted, rel=0.05)


def test_grain_is_alike_between_neighbours():
    clean = np.full((100, 100, 3), 0.7, np.float32)

    def likeness(grain_px):
        drawn = low_light.Settings(exposure=0.3, shot=1e-3, grain_px=grain_px)
        noise = dark(clean, drawn)[..., 0]
        return np.corrcoef(noise[:, :-1].ravel(), noise[:, 1:].ravel())[0, 1]

    assert abs(likeness(0.0)) < 0.05
    assert likeness(1.0) > 0.6
