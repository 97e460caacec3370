"""SR-Diff, whatever runs its parts: one context and one noise for the whole picture.

Shapes: N tiles; T tokens of F numbers from an image encoder, of D in the context; K tasks.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from restora.engine.backend import Check, Draw, Encoded, Floats
from restora.engine.samplers import sample
from restora.errors import WeightsError
from restora.networks.sr_diff.tasks import Task
from restora.semantics.context import one_row

if TYPE_CHECKING:
    from restora.networks.sr_diff.config import SRDiffConfig


Array = Any  # of what runs the denoiser


@dataclass(frozen=True)
class Context:
    """What every tile of a picture shall know of the whole: the refined tokens, (N, T, D)."""

    tokens: Floats

    def rows(self, count: int) -> Floats:
        """N = ``count``: as they are, or one for all."""
        if len(self.tokens) == count:
            return self.tokens
        return np.repeat(self.tokens, count, axis=0)


class SrDiffBackend(ABC):
    """An SR-Diff; see :class:`restora.engine.backend.Backend`.

    What runs it gives refiner and denoiser. No quality setting touches its work, so all of it is
    done in :meth:`encode`, and a session that tries settings pays for it once.
    """

    def __init__(self, config: SRDiffConfig, *, device: str = "cpu") -> None:
        """Load its image encoder; it is set to its first task until it is asked for another.

        Args:
            config: The network's numbers.
            device: Where the encoder runs, in PyTorch's words.

        Raises:
            InputError, MissingExtra, UsageError, WeightsError: The encoder cannot be loaded.
        """
        from restora.semantics.lookup import load_image_encoder  # noqa: PLC0415 - rarely needed

        self._config = config
        self._sde = config.sde.make()
        self._encoder = (
            None if config.context == "none" else load_image_encoder(config.encoder, device=device)
        )
        self._task: Task = config.tasks[0]
        self._steps = min(config.walk, config.sde.steps)
        self._samples = 1

    @property
    def channels(self) -> int:
        return 3

    def check_context(self) -> None:
        """Refuse to restore with a context that nobody has.

        Raises:
            WeightsError: It was taught that of the clean picture.
        """
        if self._config.context == "oracle-gt":
            raise WeightsError(
                "This SR-Diff was guided by the clean picture in training, which nobody has who "
                "restores; `restora bench context` measures it."
            )

    def check_encoder(self, taught: str | None) -> None:
        """Refuse an image encoder whose tokens mean something else than in training.

        Args:
            taught: Fingerprint of the one it was taught with; None: that is not known.

        Raises:
            WeightsError: It is another.
        """
        if taught is None or self._encoder is None or self._encoder.fingerprint() == taught:
            return
        raise WeightsError(
            f"This SR-Diff was taught with the image encoder {taught}, and {self._config.encoder} "
            f"is {self._encoder.fingerprint()} here."
        )

    def asked(self, *, task: Task, steps: int, samples: int) -> Self:
        """The same network, set to what a plan asks; this one stays as it is.

        Args:
            task: One of ``config.tasks``.
            steps: Of the walk, 1 to those of the SDE.
            samples: Walks with noise of their own, whose mean is the result.
        """
        other = copy.copy(self)
        other._task, other._steps, other._samples = task, steps, samples
        return other

    def survey(
        self,
        pixels: Floats,
        *,
        alike: Context | None = None,  # noqa: ARG002 - it decides nothing, it tells
        check: Check = lambda: None,
    ) -> Context:
        if self._encoder is None:
            shape = (1, self._config.tokens, self._config.context_dim)
            return Context(np.zeros(shape, np.float32))
        tokens = one_row(self._encoder.encode(pixels[None]), self._config.tokens)
        check()
        return Context(self._refine(tokens))

    def encode(
        self, tiles: Floats, guidance: Context | None = None, *, draw: Draw | None = None
    ) -> Encoded:
        """All of the work; see :meth:`restora.engine.backend.Backend.encode`."""
        if guidance is None:
            guidance = Context(np.concatenate([self.survey(tile).tokens for tile in tiles]))
        restored = self._restore(tiles, guidance.rows(len(tiles)), draw)
        unseen = np.full(len(tiles), np.nan, np.float32)  # it knows nothing of qualities
        return Encoded(tiles, (restored,), unseen, guidance)

    def decode(
        self,
        encoded: Encoded,
        quality: float,  # noqa: ARG002 - it knows nothing of qualities
        *,
        insist: bool = False,  # noqa: ARG002
    ) -> Floats:
        restored: Floats = encoded.features[0]
        return restored

    def _restore(self, tiles: Floats, context: Floats, draw: Draw | None) -> Floats:
        """Restored tiles (N, H, W, C): the mean over the walks."""
        count, height, width, channels = tiles.shape
        shape = (count, channels, height, width)
        degraded = self._put(tiles.transpose(0, 3, 1, 2))
        chosen = self._config.tasks.index(self._task)
        task = np.eye(len(self._config.tasks), dtype=np.float32)[[chosen] * count]
        given = (self._put(task), self._put(context))

        def predict(state: Array, t: int) -> Array:
            time = self._put(np.full(count, t, np.float32))
            return self._denoise(state, degraded, time, *given)

        total: Floats = np.zeros(shape, np.float32)
        for number in range(self._samples):
            first = number * (self._steps + 1)

            def noise(k: int, first: int = first) -> Array:
                if draw is None:
                    return self._put(np.zeros(shape, np.float32))
                return self._put(draw(shape, first + k))

            made = sample(self._sde, degraded, predict, noise, steps=self._steps)
            total += self._take(made)
        total /= self._samples
        return total.transpose(0, 2, 3, 1)

    @abstractmethod
    def _refine(self, tokens: Floats) -> Floats:
        """The context (N, T, D) of an encoder's tokens (N, T, F)."""

    @abstractmethod
    def _put(self, array: Floats) -> Array:
        """An array as what runs the denoiser takes it."""

    @abstractmethod
    def _take(self, array: Array) -> Floats:
        """An array back from there."""

    @abstractmethod
    def _denoise(
        self, state: Array, degraded: Array, time: Array, task: Array, context: Array
    ) -> Array:
        """The clean tiles as the network sees them, (N, C, H, W).

        Args:
            state: (N, C, H, W).
            degraded: (N, C, H, W).
            time: (N,), 1 to the steps of the SDE.
            task: (N, K), one-hot.
            context: (N, T, D).
        """
