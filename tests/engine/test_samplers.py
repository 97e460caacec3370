"""Walks from a degraded picture to the clean one: where they end, and what they draw."""

import numpy as np
import pytest
import torch

from restora.engine.samplers import sample, sample_euler
from restora.networks.sr_diff.sde import MeanRevertingSDE

SDE = MeanRevertingSDE()
RNG = np.random.default_rng(0)
CLEAN, DEGRADED = RNG.random((2, 1, 3, 6, 8))
NOISES = RNG.standard_normal((SDE.steps + 1, *CLEAN.shape))


class Draws:
    """Gives its noises by number, and keeps the numbers it was asked for."""

    def __init__(self, noises=NOISES):
        self.noises, self.asked = noises, []

    def __call__(self, number):
        self.asked.append(number)
        return self.noises[number]


def seeing(state, t):
    """A network that is not sure: it answers by what it is shown."""
    return 0.5 * CLEAN + 0.3 * state + 0.2 * DEGRADED * (t / SDE.steps)


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 17, 99, 100])
def test_who_knows_the_clean_picture_gives_it(steps):
    draw, looked = Draws(), []

    def predict(state, t):
        looked.append(t)
        return CLEAN

    restored = sample(SDE, DEGRADED, predict, draw, steps=steps)
    assert np.array_equal(restored, CLEAN)
    assert looked == list(SDE.subset(steps)[:-1])
    assert draw.asked == list(range(steps))  # the start, and behind every step but the last


@pytest.mark.parametrize("steps", [0, -1, 101])
def test_a_walk_of_no_such_length(steps):
    with pytest.raises(ValueError, match="1 to 100 steps"):
        sample(SDE, DEGRADED, seeing, Draws(), steps=steps)


def test_the_start_is_the_degraded_picture_and_all_of_the_noise():
    states = []
    sample(SDE, DEGRADED, lambda state, t: states.append(state) or CLEAN, Draws(), steps=3)
    assert np.array_equal(states[0], DEGRADED + 50 / 255 * NOISES[0])


def test_what_is_seen_on_the_way_has_the_spread_it_was_trained_with():
    """Of a picture that is flat, so that the spread of a state is that of its noise."""
    sde, shape = MeanRevertingSDE(), (1, 3, 64, 64)
    clean, degraded = np.full(shape, 0.7), np.full(shape, 0.2)
    noise = np.random.default_rng(1).standard_normal((4, *shape))
    seen = []
    sample(sde, degraded, lambda state, t: seen.append((state, t)) or clean, Draws(noise), steps=4)
    for state, t in seen:
        mean, spread = sde.marginal(clean, degraded, t)
        assert state.mean() == pytest.approx(float(mean.mean()), abs=0.01)
        assert state.std() == pytest.approx(spread, rel=0.05)


def test_as_many_steps_as_the_grid_has_are_a_walk_along_it():
    state = DEGRADED + SDE.strength * NOISES[0]
    for number, t in enumerate(range(SDE.steps, 1, -1), start=1):
        mean, spread = SDE.posterior(state, seeing(state, t), DEGRADED, t, t - 1)
        state = mean + spread * NOISES[number]
    restored = sample(SDE, DEGRADED, seeing, Draws(), steps=SDE.steps)
    assert restored == pytest.approx(seeing(state, 1), abs=1e-12)


@pytest.mark.parametrize("steps", [1, 4, 100])
def test_numpy_and_torch_agree(steps):
    clean, degraded, noises = (torch.from_numpy(x) for x in (CLEAN, DEGRADED, NOISES))

    def predict(state, t):
        return 0.5 * clean + 0.3 * state + 0.2 * degraded * (t / SDE.steps)

    restored = sample(SDE, degraded, predict, Draws(noises), steps=steps)
    assert isinstance(restored, torch.Tensor)
    wanted = sample(SDE, DEGRADED, seeing, Draws(), steps=steps)
    assert restored.numpy() == pytest.approx(wanted, abs=1e-12)


def true_noise(state, t):
    return SDE.noise_of(state, DEGRADED, CLEAN, t)


@pytest.mark.parametrize(("ode", "most"), [(False, 0.03), (True, 0.03)])
def test_eulers_steps_with_the_true_noise_come_near(ode, most):
    draw = Draws()
    restored = sample_euler(SDE, DEGRADED, true_noise, draw, ode=ode)
    assert np.abs(restored - CLEAN).mean() < most < np.abs(DEGRADED - CLEAN).mean() / 5
    assert draw.asked == ([0] if ode else list(range(SDE.steps + 1)))


@pytest.mark.parametrize("ode", [False, True])
def test_eulers_steps_in_torch(ode):
    clean, degraded, noises = (torch.from_numpy(x) for x in (CLEAN, DEGRADED, NOISES))

    def predict(state, t):
        return SDE.noise_of(state, degraded, clean, t)

    restored = sample_euler(SDE, degraded, predict, Draws(noises), ode=ode)
    wanted = sample_euler(SDE, DEGRADED, true_noise, Draws(), ode=ode)
    assert restored.numpy() == pytest.approx(wanted, abs=1e-10)


def test_eulers_steps_need_the_whole_grid_and_the_posterior_does_not():
    """What makes a short walk possible: a coarse grid keeps the marginals exact."""
    coarse = MeanRevertingSDE(steps=4)
    noises = Draws(NOISES)

    def predict(state, t):
        return coarse.noise_of(state, DEGRADED, CLEAN, t)

    euler = sample_euler(coarse, DEGRADED, predict, noises)
    exact = sample(coarse, DEGRADED, lambda *_: CLEAN, Draws(), steps=4)
    assert np.abs(euler - CLEAN).mean() > 10 * np.abs(exact - CLEAN).mean() + 0.02
