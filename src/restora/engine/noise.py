"""The noise of a whole picture, drawn once, so that tiles find theirs however they are cut."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from restora.engine.backend import Draw, Floats
from restora.engine.tiles import TileGrid


class NoiseField:
    """Normal noise at the size of a picture's latent."""

    def __init__(self, seed: int, grid: TileGrid) -> None:
        """
        Args:
            seed: Any whole number from 0. The same one gives the same noise on every machine.
            grid: Tiles over the picture.
        """
        self._seed = seed
        self._grid = grid
        self._fields: dict[tuple[int, int], Floats] = {}  # by channels and pixels of a place

    def of(self, places: Sequence[tuple[int, int]]) -> Draw:
        """The noise of some tiles, by their numbers of row and column in the grid."""

        def draw(shape: tuple[int, ...]) -> Floats:
            _, channels, height, width = shape
            step_px = self._grid.rows.tile_px // height
            field = self._field(channels, step_px)
            cuts = []
            for row, column in places:
                top = self._grid.rows.origins[row] // step_px
                left = self._grid.columns.origins[column] // step_px
                cuts.append(field[:, top : top + height, left : left + width])
            return np.stack(cuts)

        return draw

    def _field(self, channels: int, step_px: int) -> Floats:
        """(C, h, w) over the picture rounded up to the grid of tiles, beyond which none reaches."""
        if (channels, step_px) not in self._fields:
            height, width = (
                axis.full_px // step_px for axis in (self._grid.rows, self._grid.columns)
            )
            generator = np.random.Generator(np.random.Philox(self._seed))
            field = generator.standard_normal((channels, height, width), np.float32)
            self._fields[channels, step_px] = field
        return self._fields[channels, step_px]
