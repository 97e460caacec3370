"""What the engine needs of a network, whatever runs it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from restora.errors import MemoryLimit

PREDICT = float("nan")  # as a quality: let the network decide
SMALLEST_TILE_PX = 128  # that Wishes take

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Encoded:
    """Tiles as a network sees them before any quality is set: the slow half, done.

    Attributes:
        tiles: The tiles, in the backend's own kind of array.
        features: What the encoder made of them, likewise.
        quality: (N,) the quality the network itself sees in each tile, 1-100.
    """

    tiles: Any
    features: tuple[Any, ...]
    quality: Floats

    def or_predicted(self, quality: float) -> Floats:
        """``quality`` for every tile, or for :data:`PREDICT` what the network sees in each."""
        return self.quality if np.isnan(quality) else np.full_like(self.quality, quality)


class Backend(Protocol):
    """A loaded network. Calls may come from several threads at once."""

    @property
    def channels(self) -> int:
        """1 for gray, 3 for RGB."""

    def encode(self, tiles: Floats) -> Encoded:
        """The half of the work that no quality setting touches.

        Args:
            tiles: (N, H, W, C), 0-1, H and W multiples of 16.

        Raises:
            MemoryLimit: The tiles do not fit into memory.
        """

    def decode(self, encoded: Encoded, quality: float) -> Floats:
        """Restored tiles (N, H, W, C), not clipped, at a quality of 1-100 or :data:`PREDICT`.

        Raises:
            MemoryLimit: The tiles do not fit into memory.
        """


def too_large(shape: tuple[int, ...], place: str) -> MemoryLimit:
    """The error for tiles (N, H, W, C) that do not fit; it names a smaller size, if any."""
    height_px, width_px = shape[1:3]
    longest_px = max(height_px, width_px)
    smaller_px = max(SMALLEST_TILE_PX, longest_px // 2 // 16 * 16)
    advice = (
        f"try --tile {smaller_px}."
        if smaller_px < longest_px
        else "no smaller tile can be asked for: free some memory."
    )
    return MemoryLimit(
        f"A tile of {width_px}×{height_px} pixels does not fit into {place}; {advice}"
    )
