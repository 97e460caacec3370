"""The one door to all degradations but JPEG."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restora.degradations.by_task import REAL, TASKS, degrade
from restora.errors import InputError, UsageError
from restora.networks.sr_diff import tasks


def picture(height=40, width=56, seed=0):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    base = 120 + 60 * np.sin(x / 7 + seed) + 40 * ((x // 13 + y // 9) % 2)
    return (base[..., None] + rng.normal(0, 9, (height, width, 3))).clip(0, 255).astype(np.uint8)


def test_tasks_are_those_of_the_network():
    assert (*tasks.TASKS, REAL) == TASKS


@pytest.mark.parametrize("task", TASKS)
@settings(max_examples=25)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**40))
def test_every_size_keeps_its_shape(task, height, width, seed):
    result = degrade(picture(height, width), task, seed)
    assert result.pixels.shape == (height, width, 3)
    assert result.pixels.dtype == np.uint8
    assert 0 <= result.strength <= 1
    json.dumps(result.settings)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (2, 3)])
def test_the_smallest_pictures(task, shape):
    for seed in range(10):
        assert degrade(picture(*shape), task, seed).pixels.shape == (*shape, 3)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("seed", [7, (1, 2, 3)])
def test_a_seed_gives_the_same_result_again_and_leaves_the_input_alone(task, seed):
    clean = picture()
    before = clean.copy()
    first, second = degrade(clean, task, seed), degrade(clean, task, seed)
    np.testing.assert_array_equal(first.pixels, second.pixels)
    assert (first.strength, first.settings) == (second.strength, second.settings)
    np.testing.assert_array_equal(clean, before)


@pytest.mark.parametrize("task", TASKS)
def test_seeds_differ(task):
    results = [degrade(picture(), task, (3, k)) for k in range(4)]
    assert len({r.pixels.tobytes() for r in results}) == 4
    assert len({r.strength for r in results}) == 4


@pytest.mark.parametrize("task", TASKS)
def test_strengths_spread_over_the_range(task):
    strengths = [degrade(picture(4, 4), task, seed).strength for seed in range(200)]
    assert min(strengths) < 0.1
    assert max(strengths) > 0.9
    assert 0.4 < np.mean(strengths) < 0.6


@pytest.mark.parametrize("task", TASKS)
def test_the_stronger_half_is_farther_from_the_clean_picture(task):
    clean = picture(96, 96)
    results = [degrade(clean, task, seed) for seed in range(40)]
    results.sort(key=lambda result: result.strength)
    errors = [np.square(r.pixels.astype(float) - clean).mean() for r in results]
    assert np.mean(errors[20:]) > 1.15 * np.mean(errors[:20])


def test_unknown_task_and_wrong_pixels_are_told():
    with pytest.raises(UsageError, match="desnow"):
        degrade(picture(), "desnow", 0)
    for wrong in (picture()[..., 0], picture() / 255.0, picture()[:0]):
        with pytest.raises(InputError, match="8-bit RGB"):
            degrade(wrong, "dehaze", 0)
