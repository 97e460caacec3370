"""The mean-reverting diffusion: published numbers, exact posteriors, any kind of array."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from restora.networks.sr_diff.sde import MeanRevertingSDE

PUBLISHED = MeanRevertingSDE()
SCHEDULES = ("cosine", "linear", "constant")


@st.composite
def schedules(draw):
    return MeanRevertingSDE(
        steps=draw(st.integers(1, 200)),
        max_sigma=draw(st.floats(1, 120)),
        eps=draw(st.floats(1e-3, 0.3)),
        schedule=draw(st.sampled_from(SCHEDULES)),
    )


@st.composite
def walks(draw):
    """A schedule, and two of its steps, the later first."""
    sde = draw(schedules())
    t = draw(st.integers(1, sde.steps))
    return sde, t, draw(st.integers(0, t - 1))


def pictures(seed=0, count=3):
    """Clean, degraded and noise, (N, C, H, W)."""
    rng = np.random.default_rng(seed)
    clean, degraded = rng.random((2, count, 3, 4, 5))
    return clean, degraded, rng.standard_normal(clean.shape)


def state_at(sde, clean, degraded, noise, t):
    mean, spread = sde.marginal(clean, degraded, t)
    return mean + spread * noise


def parts_of(posterior, sde, t, to):
    """How much of the state and of the clean picture its mean holds, and its spread."""
    one, none = np.ones(1), np.zeros(1)
    of_state, spread = posterior(one, none, none, t, to)
    of_clean, _ = posterior(none, one, none, t, to)
    return float(of_state[0]), float(of_clean[0]), spread


def test_the_published_schedule():
    assert len(PUBLISHED.theta) == len(PUBLISHED.kept) == len(PUBLISHED.spread) == 101
    assert PUBLISHED.theta[1:].sum() == pytest.approx(50.8994, abs=1e-4)
    assert PUBLISHED.dt == pytest.approx(0.104094, abs=1e-6)
    at = [1, 10, 20, 50, 80, 100]
    kept = [0.99982, 0.98536, 0.91623, 0.36082, 0.03745, 0.00500]
    spread = [0.0188, 0.1705, 0.4007, 0.9326, 0.9993, 1.0000]
    assert PUBLISHED.kept[at] == pytest.approx(kept, abs=1e-4)
    assert PUBLISHED.spread[at] / PUBLISHED.strength == pytest.approx(spread, abs=1e-4)
    assert PUBLISHED.strength == pytest.approx(50 / 255)


@given(sde=schedules())
def test_it_goes_from_the_clean_picture_to_the_degraded_one(sde):
    assert sde.kept[0] == 1
    assert sde.spread[0] == 0
    assert sde.kept[-1] == pytest.approx(sde.eps)
    assert sde.spread[-1] == pytest.approx(sde.strength * np.sqrt(1 - sde.eps**2))
    assert (np.diff(sde.kept) < 0).all()
    assert (np.diff(sde.spread) > 0).all()


@given(walk=walks())
def test_an_earlier_state_has_the_marginal_of_its_step(walk):
    """However far a walk leaps, it stays where the network was trained."""
    sde, t, to = walk
    of_state, of_clean, spread = parts_of(sde.posterior, sde, t, to)
    assert of_state * sde.kept[t] + of_clean == pytest.approx(sde.kept[to], abs=1e-9)
    variance = (of_state * sde.spread[t]) ** 2 + spread**2
    assert variance == pytest.approx(sde.spread[to] ** 2, abs=1e-9)


@given(walk=walks())
def test_a_picture_that_is_not_degraded_stays(walk):
    sde, t, to = walk
    picture = pictures()[0]
    mean, _ = sde.posterior(picture, picture, picture, t, to)
    assert mean == pytest.approx(picture)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("t", [2, 30, 77, 100])
def test_the_optimum_is_the_conditional_mean(schedule, t):
    """Of many walks one step forward, those who end at a state: where were they before?"""
    sde = MeanRevertingSDE(schedule=schedule)
    rng = np.random.default_rng(1)
    clean, degraded = 0.8, 0.3
    before = state_at(sde, clean, degraded, rng.standard_normal(200_000), t - 1)
    left = np.exp(-sde.theta[t] * sde.dt)
    now = degraded + (before - degraded) * left
    now += sde.strength * np.sqrt(1 - left**2) * rng.standard_normal(len(now))
    slope, height = np.polyfit(now, before, 1)
    asked = np.quantile(now, [0.1, 0.5, 0.9])
    found = sde.optimum(asked, np.full(3, clean), np.full(3, degraded), t)
    assert found == pytest.approx(slope * asked + height, abs=2e-3)
    _, spread = sde.posterior(asked, np.full(3, clean), np.full(3, degraded), t, t - 1)
    assert spread == pytest.approx(np.std(before - slope * now - height), rel=0.02)


@pytest.mark.parametrize("count", [1, 4, 10, 100])
def test_a_walk_that_knows_the_clean_picture_ends_there(count):
    clean, degraded, noise = pictures()
    rng = np.random.default_rng(2)
    steps = PUBLISHED.subset(count)
    state = degraded + PUBLISHED.strength * noise
    for t, to in itertools.pairwise(steps):
        mean, spread = PUBLISHED.posterior(state, clean, degraded, t, to)
        state = mean + spread * rng.standard_normal(state.shape)
    assert spread == 0
    assert state == pytest.approx(clean, abs=1e-12)


@pytest.mark.parametrize("count", [1, 4, 10, 100])
def test_a_walk_that_knows_the_noise_ends_at_the_clean_picture(count):
    clean, degraded, noise = pictures()
    rng = np.random.default_rng(2)
    steps = PUBLISHED.subset(count)
    state = state_at(PUBLISHED, clean, degraded, noise, PUBLISHED.steps)
    for t, to in itertools.pairwise(steps):
        told = PUBLISHED.noise_of(state, degraded, clean, t)  # by who made it
        found = PUBLISHED.clean_of(state, degraded, told, t)
        mean, spread = PUBLISHED.posterior(state, found, degraded, t, to)
        state = mean + spread * rng.standard_normal(state.shape)
    assert state == pytest.approx(clean, abs=1e-9)


def test_as_many_steps_as_the_grid_has_are_the_grid():
    assert PUBLISHED.subset(100) == tuple(range(100, -1, -1))
    clean, degraded, noise = pictures()
    state = state_at(PUBLISHED, clean, degraded, noise, 60)
    leap, _ = PUBLISHED.posterior(state, clean, degraded, 60, 59)
    assert leap == pytest.approx(PUBLISHED.optimum(state, clean, degraded, 60), abs=1e-15)


class Elsewhere(torch.Tensor):
    """As on a GPU: NumPy cannot look inside before it is brought here."""

    def __array__(self, *_arguments, **_named):
        raise TypeError("not on the CPU")

    def to(self, *_arguments, **_named):
        return self.as_subclass(torch.Tensor)


def test_steps_may_be_on_another_device():
    steps = torch.tensor([1, 50, 100])
    there = steps.as_subclass(Elsewhere)
    with pytest.raises(TypeError):
        np.asarray(there)
    state, clean, degraded = torch.rand(3, 3, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    for each in (
        lambda t: PUBLISHED.marginal(clean, degraded, t)[0],
        lambda t: PUBLISHED.noise_of(state, degraded, clean, t),
        lambda t: PUBLISHED.reverse(state, degraded, clean, t)[0],
        lambda t: PUBLISHED.optimum(state, clean, degraded, t),
    ):
        assert torch.equal(each(there), each(steps))


@given(sde=schedules(), count=st.integers(1, 200))
def test_a_subset_falls_from_the_last_step_to_the_clean_picture(sde, count):
    assume(count <= sde.steps)
    steps = sde.subset(count)
    assert (steps[0], steps[-1], len(steps)) == (sde.steps, 0, count + 1)
    assert (np.diff(steps) < 0).all()
    assert np.ptp(np.diff(steps)) <= 1 or count == 1


@pytest.mark.parametrize("count", [0, 101])
def test_a_walk_of_no_such_length(count):
    with pytest.raises(ValueError, match=f"1 to 100 steps, not {count}"):
        PUBLISHED.subset(count)


@given(sde=schedules(), data=st.data())
def test_noise_and_clean_picture_tell_each_other(sde, data):
    clean, degraded, noise = pictures()
    t = data.draw(st.integers(1, sde.steps))
    state = state_at(sde, clean, degraded, noise, t)
    assert sde.noise_of(state, degraded, clean, t) == pytest.approx(noise, abs=1e-6)
    assert sde.clean_of(state, degraded, noise, t) == pytest.approx(clean, abs=1e-6)


@pytest.mark.parametrize(("max_sigma", "most"), [(10, -0.115), (50, -0.023)])
def test_the_published_loss_wants_a_little_else_than_the_noise(max_sigma, most):
    """Euler's step meets the exact optimum where ce of the noise and cd of the damage are told."""
    sde = MeanRevertingSDE(max_sigma=max_sigma)
    t, none, one = np.arange(1, 101), np.zeros(100), np.ones(100)

    def wanted(noise, clean):
        state = state_at(sde, clean, none, noise, t)
        from_none, _ = sde.reverse(state, none, none, t)
        of_noise, _ = sde.reverse(none, none, one, t)
        return (sde.optimum(state, clean, none, t) - from_none) / of_noise

    ce, cd = wanted(one, none), wanted(none, one)
    assert ce[:19] == pytest.approx(np.ones(19), abs=1e-3)
    assert ce[-1] == pytest.approx(0.975, abs=1e-3)
    assert cd[49] == pytest.approx(most, abs=1e-4)
    assert 40 < cd.argmin() < 50


def test_the_ode_takes_half_of_the_score_and_adds_nothing():
    clean, degraded, noise = pictures()
    state = state_at(PUBLISHED, clean, degraded, noise, 40)
    plain, _ = PUBLISHED.reverse(state, degraded, 0 * noise, 40)
    whole, added = PUBLISHED.reverse(state, degraded, noise, 40)
    half, nothing = PUBLISHED.reverse(state, degraded, noise, 40, kind="ode")
    assert half - plain == pytest.approx((whole - plain) / 2)
    assert added == pytest.approx(
        PUBLISHED.strength * np.sqrt(2 * PUBLISHED.theta[40] * PUBLISHED.dt)
    )
    assert nothing == 0


def answers(sde, clean, degraded, noise, t, to):
    mean, spread = sde.marginal(clean, degraded, t)
    state = mean + spread * noise
    earlier, left = sde.posterior(state, clean, degraded, t, to)
    euler, added = sde.reverse(state, degraded, noise, t)
    return {
        "mean": mean, "spread": spread, "earlier": earlier, "left": left, "euler": euler,
        "added": added, "optimum": sde.optimum(state, clean, degraded, t),
        "clean": sde.clean_of(state, degraded, noise, t),
        "noise": sde.noise_of(state, degraded, clean, t),
    }  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("each", [False, True], ids=["one step", "a step each"])
def test_numpy_and_torch_agree(dtype, each):
    arrays = [x.astype(dtype) for x in pictures()]
    t, to = (np.array([1, 40, 100]), np.array([0, 12, 99])) if each else (40, 12)
    there = (torch.from_numpy(t), torch.from_numpy(to)) if each else (t, to)
    one = answers(PUBLISHED, *arrays, t, to)
    other = answers(PUBLISHED, *map(torch.from_numpy, arrays), *there)
    for name, value in one.items():
        found = other[name]
        if isinstance(found, torch.Tensor):
            assert found.numpy().dtype == value.dtype == dtype, name
        assert np.asarray(found) == pytest.approx(np.asarray(value), abs=2e-5), name


def test_a_step_for_each_picture_is_what_each_would_get_alone():
    arrays, t = pictures(), np.array([3, 50, 100])
    together = answers(PUBLISHED, *arrays, t, t - 1)
    for number, step in enumerate(t):
        alone = answers(
            PUBLISHED, *(x[number : number + 1] for x in arrays), int(step), int(step) - 1
        )
        for name, value in alone.items():
            assert np.asarray(together[name][number]).squeeze() == pytest.approx(
                np.asarray(value).squeeze(), abs=1e-12
            ), name
