"""Rain: streaks that only add light, under a veil."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restora.degradations import rain

LAYER = rain.Layer(angle_deg=0, length_px=20, width_px=1.5, coverage=0.05, brightness=0.5)


def rainy(pixels, drawn, seed=0):
    return rain.apply(pixels, drawn, np.random.default_rng(seed))


def shower(blend="screen", veil=0.0, layers=(LAYER,)):
    return rain.Settings(layers=layers, blend=blend, veil=veil, veil_light=0.8, strength=0.5)


@settings(max_examples=30)
@given(st.integers(0, 2**32))
def test_never_darker_than_the_veil_makes_it(seed):
    rng = np.random.default_rng(seed)
    drawn = rain.draw(rng)
    clean = rng.random((40, 30, 3), np.float32)
    result = rain.apply(clean, drawn, rng)
    most_veiled = clean + (drawn.veil_light - clean) * drawn.veil
    assert (result >= np.minimum(clean, most_veiled) - 1e-5).all()
    assert result.max() <= 1


@given(st.integers(0, 2**32))
def test_draws_stay_in_their_ranges(seed):
    drawn = rain.draw(np.random.default_rng(seed))
    assert 0 <= drawn.strength <= 1
    assert drawn.layers
    for layer in drawn.layers:
        assert -40 <= layer.angle_deg <= 40
        assert 10 <= layer.length_px <= 50
        assert 1 <= layer.width_px <= 3
    total = sum(layer.coverage for layer in drawn.layers)
    assert rain.COVERAGE[0] * 0.999 <= total <= rain.COVERAGE[1] * 1.001


@pytest.mark.parametrize("blend", ["screen", "sum"])
def test_without_layers_or_veil_nothing_changes(blend):
    clean = np.random.default_rng(0).random((20, 30, 3), np.float32)
    np.testing.assert_allclose(rainy(clean, shower(blend, layers=())), clean, atol=1e-6)


def test_a_veil_alone_moves_towards_its_light():
    result = rainy(np.zeros((30, 30, 3), np.float32), shower(veil=0.2, layers=()))
    assert 0.2 * 0.8 / 2 - 1e-6 <= result.min() <= result.max() <= 0.2 * 0.8 + 1e-6


@pytest.mark.parametrize("angle_deg", [-40, 0, 30])
def test_streaks_run_along_their_angle(angle_deg):
    layer = replace(LAYER, angle_deg=angle_deg)
    light = rain.streaks(300, 300, layer, np.random.default_rng(0))
    light -= light.mean()
    slope = np.tan(np.radians(angle_deg))

    def likeness(lean):  # of the picture and itself, eight rows lower and moved along
        return (light[:-8, 60:-60] * np.roll(light, -round(8 * lean), axis=1)[8:, 60:-60]).mean()

    assert likeness(slope) > 3 * max(abs(likeness(slope + 0.9)), abs(likeness(slope - 0.9)))


@pytest.mark.parametrize("angle_deg", [-40, 0, 40])
def test_every_part_of_the_picture_gets_its_share(angle_deg):
    layer = replace(LAYER, angle_deg=angle_deg, coverage=8.0, length_px=40)
    light = rain.streaks(240, 240, layer, np.random.default_rng(0))
    parts = light.reshape(4, 60, 4, 60).mean(axis=(1, 3))
    assert parts.min() > 0.8 * parts.mean()
    assert parts.max() < 1.2 * parts.mean()


def test_coverage_brings_light():
    means = [
        rain.streaks(200, 200, replace(LAYER, coverage=c), np.random.default_rng(0)).mean()
        for c in (0.0, 0.05, 0.5)
    ]
    assert means[0] == 0
    assert 5 * means[1] < means[2] < 20 * means[1]


def test_drawing_in_parts_is_drawing_at_once(monkeypatch):
    layer = replace(LAYER, coverage=0.5)
    whole = rain.streaks(90, 70, layer, np.random.default_rng(4))
    monkeypatch.setattr(rain, "_AT_ONCE", 7)
    parts = rain.streaks(90, 70, layer, np.random.default_rng(4))
    np.testing.assert_allclose(parts, whole, atol=1e-5)
