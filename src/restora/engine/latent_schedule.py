"""The noise that a latent diffusion is trained with, timestep by timestep, as plain numbers.

Source: DDPM (Ho et al., NeurIPS 2020), with the scaled-linear betas of latent diffusion (Rombach et
al., CVPR 2022). A state at timestep t is

    x_t  =  a_t x_0 + s_t noise ,   a_t = sqrt(abar_t),   s_t = sqrt(1 - abar_t),

where abar_t is the product of 1 - beta up to t. Timesteps are whole numbers from 0, which has a
little noise already, to ``steps`` - 1; the clean latent itself has none.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from restora.errors import UsageError


@dataclass(frozen=True)
class LatentSchedule:
    """A schedule; as it stands that of Stable Diffusion.

    Attributes:
        steps: How many timesteps the network was trained on.
        beta_start: The variance that timestep 0 adds.
        beta_end: That of the last; between them its root rises evenly.
    """

    steps: int = 1000
    beta_start: float = 0.00085
    beta_end: float = 0.012

    @cached_property
    def kept(self) -> NDArray[np.float64]:
        """(steps,) abar_t, the share of the variance that is still the clean latent's."""
        roots = np.linspace(math.sqrt(self.beta_start), math.sqrt(self.beta_end), self.steps)
        found: NDArray[np.float64] = np.cumprod(1 - roots**2, dtype=np.float64)
        return found

    def signal(self, t: int) -> float:
        """a_t, what the clean latent is multiplied with."""
        return math.sqrt(self._kept_at(t))

    def noise(self, t: int) -> float:
        """s_t, the standard deviation of the noise."""
        return math.sqrt(1 - self._kept_at(t))

    def half_log_snr(self, t: int) -> float:
        """lambda_t = log(a_t / s_t), the time in which DPM-Solver counts; it falls with t."""
        kept = self._kept_at(t)
        return 0.5 * math.log(kept / (1 - kept))

    def subset(self, count: int, start: int) -> tuple[int, ...]:
        """The timesteps of a walk: ``start`` first, then evenly down, each below the one before.

        The spacing called trailing: ``count`` equal parts of what lies between ``start`` and the
        clean latent, each with its upper end, so that a walk begins where its state was made.
        Source: Lin et al., WACV 2024, table 2.

        Args:
            count: 1 to ``start`` + 1.
            start: 0 to ``steps`` - 1.

        Raises:
            UsageError: There are not as many timesteps.
            ValueError: The schedule has no such start.
        """
        if not 0 <= start < self.steps:
            raise ValueError(f"the timesteps are 0 to {self.steps - 1}, not {start}")
        if not 1 <= count <= start + 1:
            raise UsageError(f"--steps is from 1 to {start + 1} for this model, not {count}.")
        return tuple(round((start + 1) * left / count) - 1 for left in range(count, 0, -1))

    def _kept_at(self, t: int) -> float:
        if not 0 <= t < self.steps:  # NumPy would count a negative one from the end
            raise ValueError(f"the timesteps are 0 to {self.steps - 1}, not {t}")
        return float(self.kept[t])
