"""What the engine needs of a network, whatever runs it."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

PREDICT = float("nan")  # as a quality: let the network decide


class Backend(Protocol):
    """A loaded network. Calls may come from several threads at once."""

    @property
    def channels(self) -> int:
        """1 for gray, 3 for RGB."""

    def run(self, tile: NDArray[np.float32], quality: float) -> tuple[NDArray[np.float32], float]:
        """Restore one tile.

        Args:
            tile: (H, W, C), 0-1, H and W multiples of 16.
            quality: 1-100, or :data:`PREDICT`.

        Returns:
            The restored tile, same shape, and the quality the network itself sees, 1-100.

        Raises:
            MemoryLimit: The tile does not fit into memory.
        """
