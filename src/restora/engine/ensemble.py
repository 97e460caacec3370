"""Self-ensemble: restore a picture turned and mirrored as well, and take the mean.

Source: Timofte, Rothe, Van Gool: Seven Ways to Improve Example-Based Single Image Super Resolution,
CVPR 2016, section 3.6.
"""

from __future__ import annotations

import numpy as np

from restora.engine.backend import Backend, Encoded, Floats

COUNTS = (1, 2, 4, 8)  # as it is; mirrored; upside down too; turned by a quarter too


class Ensemble:
    """A backend that runs another on up to eight views of each tile.

    Tiles are multiples of 8 pixels, so every view has the block grid where the tile has it.
    """

    def __init__(self, backend: Backend, count: int) -> None:
        """``count`` is one of :data:`COUNTS`."""
        self._backend = backend
        self._count = count

    @property
    def channels(self) -> int:
        return self._backend.channels

    def encode(self, tiles: Floats) -> Encoded:
        views = tuple(self._backend.encode(_view(tiles, k)) for k in range(self._count))
        quality: Floats = np.stack([view.quality for view in views]).mean(axis=0)
        return Encoded(tiles, views, quality)

    def decode(self, encoded: Encoded, quality: float) -> Floats:
        total: Floats = np.zeros_like(encoded.tiles)
        for number, view in enumerate(encoded.features):
            total += _unview(self._backend.decode(view, quality), number)
        total /= self._count
        return total


def _view(tiles: Floats, number: int) -> Floats:
    """View ``number``, 0-7, of (N, H, W, C): bit 0 mirrors, bit 1 flips, bit 2 swaps the sides."""
    if number & 1:
        tiles = tiles[:, :, ::-1]
    if number & 2:
        tiles = tiles[:, ::-1]
    if number & 4:
        tiles = tiles.swapaxes(1, 2)
    return tiles


def _unview(tiles: Floats, number: int) -> Floats:
    """Inverse of :func:`_view`."""
    if number & 4:
        tiles = tiles.swapaxes(1, 2)
    return _view(tiles, number & 3)
