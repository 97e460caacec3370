"""Walks from a degraded picture to a clean one; plain arithmetic, whatever runs the network.

Source: IR-SDE and its posterior sampling, see :mod:`restora.networks.sr_diff.sde`.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

from restora.networks.sr_diff.sde import MeanRevertingSDE

Predict = Callable[[Any, int], Any]  # (state, step t) to the clean picture as the network sees it
DrawOne = Callable[[int], Any]  # independent normal noise by its number, shaped like the pictures


def sample(
    sde: MeanRevertingSDE, degraded: Any, predict: Predict, draw: DrawOne, *, steps: int
) -> Any:
    """One restored picture for each degraded one.

    Starts from the degraded picture and all of the noise, and takes the exact posterior between
    steps of the grid the network was trained on. The last step adds no noise, so what comes out is
    what the network sees there.

    Args:
        sde: The diffusion it was trained on.
        degraded: mu, of any shape and library, 0-1.
        predict: The network: called ``steps`` times.
        draw: Noise 0 for the start, noise k behind the k-th step.
        steps: 1 to ``sde.steps``.

    Returns:
        As ``degraded``, not clipped.
    """
    grid = sde.subset(steps)
    state = degraded + sde.strength * draw(0)
    for number, (t, to) in enumerate(pairwise(grid), start=1):
        clean = predict(state, t)
        if to == 0:
            return clean
        mean, spread = sde.posterior(state, clean, degraded, t, to)
        state = mean + spread * draw(number)
    raise AssertionError("a walk ends at step 0")


def sample_euler(
    sde: MeanRevertingSDE,
    degraded: Any,
    predict_noise: Predict,
    draw: DrawOne,
    *,
    ode: bool = False,
) -> Any:
    """The published alternatives: Euler's steps through the reverse SDE, or its ODE.

    They need every step of the grid, and restore worse; kept to compare.

    Args:
        sde, degraded, draw: As for :func:`sample`.
        predict_noise: The noise the network sees in a state at a step.
        ode: Without noise on the way.

    Returns:
        As ``degraded``, not clipped.
    """
    state = degraded + sde.strength * draw(0)
    for number, t in enumerate(range(sde.steps, 0, -1), start=1):
        noise = predict_noise(state, t)
        mean, spread = sde.reverse(state, degraded, noise, t, kind="ode" if ode else "sde")
        state = mean + spread * draw(number) if spread else mean
    return state
