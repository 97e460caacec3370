"""Walks through a latent diffusion: against diffusers, and against what is known exactly."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler, DPMSolverMultistepScheduler

from restora.engine.latent_samplers import SAMPLERS, start_state, walk_latent
from restora.engine.latent_schedule import LatentSchedule
from restora.errors import UsageError

SCHEDULE = LatentSchedule()
SHAPE = (2, 4, 6, 5)
RNG = np.random.default_rng(0)
CLEAN = RNG.standard_normal(SHAPE)
START = RNG.standard_normal(SHAPE)
BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
WALKS = [(1, 999), (2, 999), (7, 999), (20, 999), (50, 999), (30, 400), (1, 0), (3, 2), (101, 100)]


def seeing(state, t):
    """A network that answers by what it is shown and when, and not by a straight line."""
    library = torch if isinstance(state, torch.Tensor) else np
    return 0.8 * library.sin(1.5 * state + t / 300) + 0.3 * state


def no_noise(number):
    raise AssertionError(f"noise {number} was asked for")


class Draws:
    """Gives noise by number, and keeps the numbers it was asked for."""

    def __init__(self, make=lambda number: np.random.default_rng(number).standard_normal(SHAPE)):
        self.make, self.asked = make, []

    def __call__(self, number):
        self.asked.append(number)
        return self.make(number)


def walk(state=START, predict=seeing, draw=None, *, sampler, steps, start_step=999):
    draw = Draws() if draw is None else draw
    options = {"sampler": sampler, "steps": steps, "start_step": start_step}
    return walk_latent(SCHEDULE, state, predict, draw, **options)


def walk_of(scheduler, steps, start_step, *, generator=None):
    """The walk of one of diffusers' schedulers over our timesteps, float32."""
    options = {} if generator is None else {"generator": generator}
    scheduler.set_timesteps(timesteps=list(SCHEDULE.subset(steps, start_step)))
    state = torch.from_numpy(START).float()
    for t in scheduler.timesteps:
        state = scheduler.step(seeing(state, int(t)), t, state, **options).prev_sample
    return state.numpy()


@pytest.mark.parametrize(("steps", "start_step"), WALKS)
def test_ddpm_is_diffusers(steps, start_step):
    scheduler = DDPMScheduler(**BETAS, prediction_type="sample", clip_sample=False)
    wanted = walk_of(scheduler, steps, start_step, generator=torch.manual_seed(3))
    generator = torch.manual_seed(3)
    draw = Draws(lambda number: torch.randn(SHAPE, generator=generator).numpy())
    found = walk(draw=draw, sampler="ddpm", steps=steps, start_step=start_step)
    assert np.abs(found - wanted).max() < 1e-4
    assert draw.asked == list(range(1, steps))  # behind every step but the last


def test_ddpm_is_diffusers_over_every_timestep():
    """Their rounding of the schedule to float32 adds up over so many; here they have ours."""
    scheduler = DDPMScheduler(**BETAS, prediction_type="sample", clip_sample=False)
    scheduler.alphas_cumprod = torch.from_numpy(SCHEDULE.kept)
    state, generator = torch.from_numpy(START), torch.manual_seed(3)
    for t in range(999, -1, -1):
        state = scheduler.step(seeing(state, t), t, state, generator=generator).prev_sample
    generator = torch.manual_seed(3)
    draw = Draws(lambda _: torch.randn(SHAPE, generator=generator, dtype=torch.float64).numpy())
    assert walk(draw=draw, sampler="ddpm", steps=1000) == pytest.approx(state.numpy(), abs=1e-8)


# diffusers turns a tensor into an array in a way that NumPy will not take for ever.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize(("steps", "start_step"), WALKS)
def test_dpm_solver_is_diffusers(steps, start_step):
    scheduler = DPMSolverMultistepScheduler(
        **BETAS,
        prediction_type="sample",
        algorithm_type="dpmsolver++",
        solver_order=2,
        solver_type="midpoint",
        lower_order_final=True,
    )
    wanted = walk_of(scheduler, steps, start_step)
    found = walk(draw=no_noise, sampler="dpm-solver++", steps=steps, start_step=start_step)
    assert np.abs(found - wanted).max() < 1e-4


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_one_step_is_what_the_network_sees(sampler):
    found = walk(draw=no_noise, sampler=sampler, steps=1, start_step=600)
    assert np.array_equal(found, seeing(START, 600))


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("steps", [1, 2, 5, 30])
def test_who_knows_the_clean_latent_gives_it(sampler, steps):
    looked = []
    found = walk(
        predict=lambda state, t: looked.append(t) or CLEAN,
        sampler=sampler,
        steps=steps,
        start_step=500,
    )
    assert np.array_equal(found, CLEAN)
    assert looked == list(SCHEDULE.subset(steps, 500))


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_what_is_seen_on_the_way_is_a_state_of_the_diffusion(sampler):
    """Of a flat latent, so that the spread of a state is that of its noise."""
    shape = (1, 4, 64, 64)
    clean, seen = np.full(shape, 1.7), []
    draw = Draws(lambda number: np.random.default_rng(number).standard_normal(shape))
    walk(
        start_state(SCHEDULE, clean, draw(0), 800),
        lambda state, t: seen.append((state, t)) or clean,
        draw,
        sampler=sampler,
        steps=6,
        start_step=800,
    )
    for state, t in seen:
        assert state.mean() == pytest.approx(1.7 * SCHEDULE.signal(t), abs=0.03)
        assert state.std() == pytest.approx(SCHEDULE.noise(t), rel=0.03)


MEAN, SPREAD = 0.6, 0.4  # of latents that are normal, so that all is known about them


def oracle(state, t):
    """The mean of all clean latents that a state may come from."""
    signal, noise = SCHEDULE.signal(t), SCHEDULE.noise(t)
    gain = signal * SPREAD**2 / (signal**2 * SPREAD**2 + noise**2)
    return MEAN + gain * (state - signal * MEAN)


def strays(walk_of_states):
    """How far the states of a walk are from those that the ODE leads through.

    A latent keeps its place among the others; what is normal stays so.
    """

    def exact(t, place):
        spread = math.hypot(SCHEDULE.signal(t) * SPREAD, SCHEDULE.noise(t))
        return SCHEDULE.signal(t) * MEAN + spread * place

    place = (START - exact(999, 0)) / (exact(999, 1) - exact(999, 0))
    return max(np.abs(state - exact(t, place)).max() for state, t in walk_of_states)


def first_order(steps):
    """DDIM's walk."""
    state, seen = START, []
    for t, to in pairwise(SCHEDULE.subset(steps, 999)):
        noise = (state - SCHEDULE.signal(t) * oracle(state, t)) / SCHEDULE.noise(t)
        state = SCHEDULE.signal(to) * oracle(state, t) + SCHEDULE.noise(to) * noise
        seen.append((state, to))
    return seen


@pytest.mark.parametrize(("steps", "most"), [(10, 0.03), (20, 0.02), (40, 0.015)])
def test_dpm_solver_follows_the_ode(steps, most):
    seen = []
    found = walk(
        predict=lambda state, t: seen.append((state, t)) or oracle(state, t),
        sampler="dpm-solver++",
        steps=steps,
    )
    assert strays(seen) < most
    assert strays(seen) < strays(first_order(steps)) / 2
    assert np.array_equal(found, oracle(*seen[-1]))


def test_ddpm_gives_latents_of_the_right_kind():
    generator = np.random.default_rng(1)
    draw = Draws(lambda number: generator.standard_normal(40_000))
    found = walk(draw(0), oracle, draw, sampler="ddpm", steps=250)
    assert found.mean() == pytest.approx(MEAN, abs=0.02)
    assert found.std() == pytest.approx(SPREAD, rel=0.05)


def test_the_start_is_diffusers():
    scheduler = DDPMScheduler(**BETAS)
    clean, noise = (torch.from_numpy(x).float() for x in (CLEAN, START))
    for t in (0, 321, 999):
        wanted = scheduler.add_noise(clean, noise, torch.tensor([t, t]))
        assert torch.allclose(start_state(SCHEDULE, clean, noise, t), wanted, atol=1e-5)


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_numpy_and_torch_agree(sampler, kind):
    state, noises = START.astype(kind), np.random.default_rng(5).standard_normal((12, *SHAPE))
    noises = noises.astype(kind)
    ours = walk(state, draw=Draws(lambda number: noises[number]), sampler=sampler, steps=12)
    theirs = walk(
        torch.from_numpy(state),
        draw=Draws(lambda number: torch.from_numpy(noises[number])),
        sampler=sampler,
        steps=12,
    )
    assert isinstance(theirs, torch.Tensor)
    assert ours.dtype == theirs.numpy().dtype == kind
    assert np.abs(ours - theirs.numpy()).max() < (1e-4 if kind == np.float32 else 1e-10)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_nothing_is_clipped_and_nothing_changed_in_place(sampler):
    state = START.copy()
    found = walk(state, lambda state, t: 50 * CLEAN, sampler=sampler, steps=3)
    assert np.array_equal(found, 50 * CLEAN)
    assert np.array_equal(state, START)


def test_no_such_sampler():
    with pytest.raises(UsageError, match=r"ddpm or dpm-solver\+\+, not 'ddim'"):
        walk(sampler="ddim", steps=3)


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("steps", [0, 202])
def test_no_such_number_of_steps(sampler, steps):
    with pytest.raises(UsageError, match=f"1 to 201 for this model, not {steps}"):
        walk(sampler=sampler, steps=steps, start_step=200)
