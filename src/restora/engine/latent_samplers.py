"""Walks from a noisy latent to a clean one; plain arithmetic, whatever runs the network.

The network is asked for the clean latent, so that guidance, the samplers and a network that leaves
the noise out of account all mean the same. Nothing is clipped: latents have no range.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

from restora.engine.latent_schedule import LatentSchedule
from restora.engine.samplers import DrawOne, Predict
from restora.errors import UsageError

SAMPLERS = ("ddpm", "dpm-solver++")


def start_state(schedule: LatentSchedule, latent: Any, noise: Any, t: int) -> Any:
    """The state x_t of a latent, with this noise.

    Args:
        schedule: The diffusion.
        latent: Of any shape and library.
        noise: Independent normal, alike.
        t: 0 to ``schedule.steps`` - 1.
    """
    return schedule.signal(t) * latent + schedule.noise(t) * noise


def walk_latent(
    schedule: LatentSchedule,
    state: Any,
    predict: Predict,
    draw: DrawOne,
    *,
    sampler: str,
    steps: int,
    start_step: int,
) -> Any:
    """The clean latent at the end of a walk.

    The last step leads from the last timestep to no noise at all, so what comes out is what the
    network sees there.

    Args:
        schedule: The diffusion the network was trained on.
        state: x_t at ``start_step``, of any shape and library, as :func:`start_state` makes it.
        predict: The network, state and timestep to the clean latent: called ``steps`` times.
        draw: Noise k behind the k-th step of ``ddpm``, from 1; noise 0 is that of the start.
        sampler: ``ddpm`` draws from the posterior at every step but the last; ``dpm-solver++``
            solves the ODE of the same diffusion, in fewer steps, and draws nothing.
        steps: 1 to ``start_step`` + 1; see :meth:`LatentSchedule.subset` for which.
        start_step: The timestep of ``state``.

    Returns:
        As ``state``.

    Raises:
        UsageError: There is no such sampler, or not as many steps.
    """
    if sampler not in SAMPLERS:
        raise UsageError(f"The sampler is {' or '.join(SAMPLERS)}, not {sampler!r}.")
    timesteps = schedule.subset(steps, start_step)
    if sampler == "ddpm":
        return _ancestral(schedule, timesteps, state, predict, draw)
    return _multistep(schedule, timesteps, state, predict)


def _ancestral(
    schedule: LatentSchedule,
    timesteps: tuple[int, ...],
    state: Any,
    predict: Predict,
    draw: DrawOne,
) -> Any:
    """The exact posterior between any two timesteps, with its own variance (the smaller one).

    Source: DDPM, equations 6 and 7, with a_t / a_to for the root of one step's alpha.
    """
    for number, (t, to) in enumerate(pairwise(timesteps), start=1):
        clean = predict(state, t)
        step = schedule.signal(t) / schedule.signal(to)
        now, then = schedule.noise(t) ** 2, schedule.noise(to) ** 2
        added = 1 - step**2  # the variance that comes in from ``to`` to ``t``
        mean = (step * then / now) * state + (schedule.signal(to) * added / now) * clean
        state = mean + math.sqrt(added * then / now) * draw(number)
    return predict(state, timesteps[-1])


def _multistep(
    schedule: LatentSchedule, timesteps: tuple[int, ...], state: Any, predict: Predict
) -> Any:
    """DPM-Solver++(2M): what the network sees is carried on in a straight line over lambda.

    The first step has nothing to carry on and is of first order, and so is the last, which leads
    to no noise, at an infinite lambda. Source: Lu et al., DPM-Solver++, 2022, algorithm 2.
    """
    before: Any = None
    length_before = 0.0
    for t, to in pairwise(timesteps):
        clean = predict(state, t)
        length = schedule.half_log_snr(to) - schedule.half_log_snr(t)
        ahead = clean
        if before is not None:
            ahead = clean + (0.5 * length / length_before) * (clean - before)
        of_state = schedule.noise(to) / schedule.noise(t)
        state = of_state * state - (schedule.signal(to) * math.expm1(-length)) * ahead
        before, length_before = clean, length
    return predict(state, timesteps[-1])
