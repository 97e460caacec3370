"""The mean-reverting diffusion: how a clean picture becomes its degraded one plus noise, and back.

Source: IR-SDE (Luo et al., ICML 2023), as SR-Diff uses it. A state x_t, between the clean picture
x_0 and the degraded one mu, obeys dx = theta_t (mu - x) dt + sigma_t dw with
sigma_t² = 2 lambda² theta_t, so that

    x_t | x_0  ~  N( mu + (x_0 - mu) m_t ,  s_t² ),   s_t² = lambda² (1 - m_t²),
    m_t = exp(-dt (theta_1 + ... + theta_t)).

Everything here is plain arithmetic on whatever arrays come in: NumPy for the engine, PyTorch for
training. Steps ``t`` are whole numbers, 0 (clean) to ``steps`` (degraded, with all of the noise),
one for all pictures or one for each. Pixels are 0-1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import array_api_compat
import numpy as np
from numpy.typing import NDArray

Schedule = Literal["cosine", "linear", "constant"]

COSINE_OFFSET = 0.008
LINEAR_RANGE = (1e-4, 0.02)  # of theta for 1000 steps; fewer steps take larger ones

Array = Any  # (N, C, H, W) or (N, H, W, C), of any library that speaks the array API
Step = Any  # int, or (N,) whole numbers


@dataclass(frozen=True)
class MeanRevertingSDE:
    """A schedule, and everything that follows from it.

    Attributes:
        steps: T, the steps of the grid it is trained on.
        max_sigma: lambda in gray levels of 255: the noise at the end.
        eps: What is left of the clean picture at the end, m_T.
        schedule: How theta rises.
    """

    steps: int = 100
    max_sigma: float = 50.0
    eps: float = 0.005
    schedule: Schedule = "cosine"

    @property
    def strength(self) -> float:
        """lambda, for pixels of 0-1."""
        return self.max_sigma / 255

    @cached_property
    def theta(self) -> NDArray[np.float64]:
        """(T + 1,) how fast the mean reverts; index 0 belongs to no step."""
        count = self.steps + 1
        if self.schedule == "constant":
            return np.ones(count)
        if self.schedule == "linear":
            scale = 1000 / count
            return np.linspace(scale * LINEAR_RANGE[0], scale * LINEAR_RANGE[1], count)
        share = np.arange(count + 1) / (count + 1)
        kept = np.cos((share + COSINE_OFFSET) / (1 + COSINE_OFFSET) * np.pi / 2) ** 2
        found: NDArray[np.float64] = 1 - kept[1:] / kept[0]
        return found

    @cached_property
    def dt(self) -> float:
        """Time of a step, so that ``eps`` is what is left at the end."""
        return float(-np.log(self.eps) / self.theta[1:].sum())

    @cached_property
    def kept(self) -> NDArray[np.float64]:
        """(T + 1,) m_t, the share of x_0 - mu that is left; 1 at step 0."""
        theta = self.theta.copy()
        theta[0] = 0
        return np.exp(-self.dt * theta.cumsum())

    @cached_property
    def spread(self) -> NDArray[np.float64]:
        """(T + 1,) s_t, the standard deviation of the noise; 0 at step 0."""
        return self.strength * np.sqrt(1 - self.kept**2)

    def marginal(self, clean: Array, degraded: Array, t: Step) -> tuple[Array, Array]:
        """Mean and standard deviation of x_t given x_0."""
        kept, spread = self._at(self.kept, t, clean), self._at(self.spread, t, clean)
        return degraded + (clean - degraded) * kept, spread

    def clean_of(self, state: Array, degraded: Array, noise: Array, t: Step) -> Array:
        """x_0 of a state, if this is the noise in it."""
        kept, spread = self._at(self.kept, t, state), self._at(self.spread, t, state)
        return degraded + (state - degraded - spread * noise) / kept

    def noise_of(self, state: Array, degraded: Array, clean: Array, t: Step) -> Array:
        """The noise in a state, if this is its x_0; ``t`` is above 0."""
        mean, spread = self.marginal(clean, degraded, t)
        return (state - mean) / spread

    def posterior(
        self, state: Array, clean: Array, degraded: Array, t: Step, to: Step
    ) -> tuple[Array, Array]:
        """Mean and standard deviation of the state at an earlier step, given x_t and x_0.

        Exact for any two steps of the grid, so a coarse walk keeps the marginals that the network
        was trained on. Source: IR-SDE, proposition 3.2, for any A = m_t / m_to.

        Args:
            state: x_t.
            clean: x_0.
            degraded: mu.
            t: From where, 1 to ``steps``.
            to: To where, 0 to t - 1.
        """
        now, then = self.kept[_index(t)], self.kept[_index(to)]
        step = now / then
        of_state = step * (1 - then**2) / (1 - now**2)
        of_clean = then * (1 - step**2) / (1 - now**2)
        variance = (1 - step**2) * (1 - then**2) / (1 - now**2)
        a, b, spread = (
            self._broadcast(value, state)
            for value in (of_state, of_clean, self.strength * np.sqrt(variance))
        )
        return degraded + a * (state - degraded) + b * (clean - degraded), spread

    def optimum(self, state: Array, clean: Array, degraded: Array, t: Step) -> Array:
        """The likeliest x_{t-1}: what the published loss wants. Source: IR-SDE, equation 14."""
        return self.posterior(state, clean, degraded, t, _index(t) - 1)[0]

    def reverse(
        self,
        state: Array,
        degraded: Array,
        noise: Array,
        t: Step,
        *,
        kind: Literal["sde", "ode"] = "sde",
    ) -> tuple[Array, Array]:
        """Euler's step from t to t - 1, and the standard deviation of the noise it adds.

        Args:
            state: x_t.
            degraded: mu.
            noise: What the network takes for the noise in x_t; the score is its negative over s_t.
            t: 1 to ``steps``.
            kind: The reverse-time SDE, or the ODE with the same marginals, which adds none.
        """
        index = _index(t)
        theta = self.theta[index]
        diffusion = 2 * self.strength**2 * theta  # sigma_t²
        pull = self._broadcast(theta * self.dt, state)
        part = 1.0 if kind == "sde" else 0.5
        score = self._broadcast(part * diffusion * self.dt / self.spread[index], state)
        added = np.sqrt(diffusion * self.dt) if kind == "sde" else np.zeros_like(theta)
        mean = state - pull * (degraded - state) - score * noise
        return mean, self._broadcast(added, state)

    def subset(self, count: int) -> tuple[int, ...]:
        """``count`` + 1 steps of the grid, evenly from ``steps`` down to 0.

        Raises:
            ValueError: The count is not 1 to ``steps``.
        """
        if not 1 <= count <= self.steps:
            raise ValueError(f"the walk has 1 to {self.steps} steps, not {count}")
        return tuple(round(self.steps * k / count) for k in range(count, -1, -1))

    def _at(self, table: NDArray[np.float64], t: Step, like: Array) -> Array:
        return self._broadcast(table[_index(t)], like)

    def _broadcast(self, value: Any, like: Array) -> Array:
        """A number, or (N,) of them, in the kind and type of an array whose first axis is N."""
        if np.ndim(value) == 0:
            return float(value)
        namespace = array_api_compat.array_namespace(like)
        there = namespace.asarray(value, dtype=like.dtype, device=array_api_compat.device(like))
        return namespace.reshape(there, (-1, *(1 for _ in like.shape[1:])))


def _index(t: Step) -> Any:
    """Steps as NumPy indexes with them, wherever they were."""
    return t if isinstance(t, int) else np.asarray(array_api_compat.to_device(t, "cpu"))
