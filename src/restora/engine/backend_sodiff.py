"""SODiff, whatever runs its parts: one timestep and one prompt for the whole picture."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from restora.engine.backend import Check, Draw, Encoded, Floats
from restora.engine.sodiff_survey import Guidance, join, survey
from restora.networks.sodiff.buckets import slice_of


class SodiffBackend(ABC):
    """A SODiff; see :class:`restora.engine.backend.Backend`.

    What runs it gives the four parts. Tiles are (N, H, W, C), latents (N, c, h, w).
    """

    def __init__(self, *, side_px: int, timesteps: int) -> None:
        """
        Args:
            side_px: Of the copy that the prompt is made from.
            timesteps: How many there are to choose from.
        """
        self._side_px = side_px
        self._timesteps = timesteps

    @property
    def channels(self) -> int:
        return 3

    def survey(
        self, pixels: Floats, *, alike: Guidance | None = None, check: Check = lambda: None
    ) -> Guidance:
        return survey(pixels, self._side_px, self._prompt, self._predict, alike=alike, check=check)

    def encode(
        self, tiles: Floats, guidance: Guidance | None = None, *, draw: Draw | None = None
    ) -> Encoded:
        if guidance is None:
            guidance = join([self.survey(tile) for tile in tiles])
        given = guidance.rows(len(tiles))
        latent, spread = self._moments(tiles)
        if draw is not None:
            latent = latent + spread * draw(latent.shape)
        quality = (100 - 100 * given.strength[:, 0]).astype(np.float32)
        return Encoded(tiles, (latent,), quality, guidance, self._own_choice(given))

    def decode(self, encoded: Encoded, quality: float, *, insist: bool = False) -> Floats:
        """See :meth:`restora.engine.backend.Backend.decode`.

        The timestep is what the network makes of the picture, unless a user wants a quality. What
        a file says of itself is no reason to take another: a picture knows its damage better.
        """
        chosen = encoded.choice
        assert chosen is not None and encoded.guidance is not None
        if insist:
            strength = (100 - encoded.or_predicted(quality)) / np.float32(100)
            chosen = slice_of(strength, self._timesteps).astype(np.int64)
        choice = np.eye(self._timesteps, dtype=np.float32)[chosen]
        prompt = encoded.guidance.rows(len(chosen)).prompt
        return self._restore(encoded.features[0], prompt, choice, encoded.tiles.shape)

    def _own_choice(self, given: Guidance) -> NDArray[np.int64]:
        if self._timesteps == 1:  # then the logits may be of others, that training left aside
            return np.zeros(len(given.logits), np.int64)
        chosen: NDArray[np.int64] = given.logits.argmax(axis=1)
        return chosen

    @abstractmethod
    def _prompt(self, tiles: Floats) -> Floats:
        """(N, T, D) of small copies (N, side_px, side_px, C)."""

    @abstractmethod
    def _predict(self, tiles: Floats) -> tuple[Floats, Floats]:
        """Logits (N, K) and strength (N, 1)."""

    @abstractmethod
    def _moments(self, tiles: Floats) -> tuple[Floats, Floats]:
        """Mean and spread of their latents."""

    @abstractmethod
    def _restore(
        self, latent: Floats, prompt: Floats, choice: Floats, shape: tuple[int, ...]
    ) -> Floats:
        """Restored tiles of a shape (N, H, W, C), not clipped; the choice is one-hot, (N, K)."""
