"""Stable Diffusion's noise, against the numbers of diffusers."""

import math
from itertools import pairwise

import numpy as np
import pytest
from diffusers import DDPMScheduler, DPMSolverMultistepScheduler
from hypothesis import given
from hypothesis import strategies as st

from restora.engine.latent_schedule import LatentSchedule
from restora.errors import UsageError

SCHEDULE = LatentSchedule()


def theirs(kind=DDPMScheduler, *, steps=1000, beta_start=0.00085, beta_end=0.012, **options):
    return kind(
        num_train_timesteps=steps,
        beta_start=beta_start,
        beta_end=beta_end,
        beta_schedule="scaled_linear",
        **options,
    )


@pytest.mark.parametrize("numbers", [(1000, 0.00085, 0.012), (100, 0.001, 0.1), (1, 0.002, 0.01)])
def test_it_is_diffusers(numbers):
    schedule = LatentSchedule(*numbers)
    steps, beta_start, beta_end = numbers
    kept = theirs(steps=steps, beta_start=beta_start, beta_end=beta_end).alphas_cumprod.numpy()
    assert np.abs(schedule.kept - kept).max() < 1e-6
    for t in (0, steps // 3, steps - 1):
        assert schedule.signal(t) == pytest.approx(math.sqrt(kept[t]), abs=1e-6)
        assert schedule.noise(t) == pytest.approx(math.sqrt(1 - kept[t]), abs=1e-5)


def test_numbers_of_stable_diffusion():
    assert SCHEDULE.signal(0) == pytest.approx(math.sqrt(1 - 0.00085), abs=1e-12)
    assert SCHEDULE.signal(999) ** 2 == pytest.approx(0.00466, abs=1e-5)  # so a trace is left
    assert type(SCHEDULE.signal(3)) is type(SCHEDULE.noise(3)) is float


def test_the_time_of_dpm_solver():
    lambdas = theirs(DPMSolverMultistepScheduler).lambda_t
    for t in (0, 1, 500, 999):
        assert SCHEDULE.half_log_snr(t) == pytest.approx(float(lambdas[t]), abs=1e-3)
        exact = math.log(SCHEDULE.signal(t) / SCHEDULE.noise(t))
        assert SCHEDULE.half_log_snr(t) == pytest.approx(exact, abs=1e-12)


@given(t=st.integers(0, 999))
def test_signal_and_noise_keep_the_variance(t):
    assert SCHEDULE.signal(t) ** 2 + SCHEDULE.noise(t) ** 2 == pytest.approx(1, abs=1e-12)
    if t:
        assert SCHEDULE.noise(t) > SCHEDULE.noise(t - 1)
        assert SCHEDULE.half_log_snr(t) < SCHEDULE.half_log_snr(t - 1)


@pytest.mark.parametrize("count", [1, 2, 4, 8, 10, 16, 20, 25, 50, 100, 1000])
def test_the_spacing_is_diffusers_trailing(count):
    scheduler = theirs(timestep_spacing="trailing")
    scheduler.set_timesteps(count)
    assert SCHEDULE.subset(count, 999) == tuple(scheduler.timesteps.tolist())


@given(data=st.data(), start=st.integers(0, 999))
def test_a_walk_starts_where_it_should_and_goes_down(data, start):
    count = data.draw(st.integers(1, start + 1))
    walk = SCHEDULE.subset(count, start)
    assert len(walk) == count
    assert walk[0] == start
    assert walk[-1] >= 0
    assert all(t > to for t, to in pairwise(walk))
    gaps = np.diff([*walk, -1])
    assert gaps.max() - gaps.min() <= 1 + (count > 1)


def test_every_step_there_is():
    assert SCHEDULE.subset(5, 4) == (4, 3, 2, 1, 0)
    assert SCHEDULE.subset(1, 700) == (700,)


@pytest.mark.parametrize("count", [0, -3, 402])
def test_a_walk_of_no_such_length(count):
    with pytest.raises(UsageError, match=f"--steps is from 1 to 401 for this model, not {count}."):
        SCHEDULE.subset(count, 400)


@pytest.mark.parametrize("t", [-1, 1000])
def test_timesteps_that_are_none(t):
    for ask in (SCHEDULE.signal, SCHEDULE.noise, SCHEDULE.half_log_snr):
        with pytest.raises(ValueError, match="0 to 999"):
            ask(t)
    with pytest.raises(ValueError, match="0 to 999"):
        SCHEDULE.subset(1, t)
