"""The noise of a whole picture, by place, so that tiles find theirs however they are cut."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from restora.engine.backend import Draw, Floats
from restora.engine.tiles import TileGrid

# Places to a side of what is drawn at once. Smaller ones waste less where tiles begin and end
# between them, larger ones start fewer generators.
BLOCK = 64


class NoiseField:
    """Independent fields of normal noise at the size of a picture or its latent.

    A field exists as blocks, each with random numbers of its own that follow from the seed and the
    block's place. So a tile costs what it covers, and nothing of the size of the picture is kept.
    Source: counter-based random numbers (Salmon et al., SC 2011).
    """

    def __init__(self, seed: int, grid: TileGrid) -> None:
        """
        Args:
            seed: Any whole number from 0. The same one gives the same noise on every machine.
            grid: Tiles over the picture.
        """
        self._key = np.random.SeedSequence(seed).generate_state(2, np.uint64)
        self._grid = grid

    def of(self, places: Sequence[tuple[int, int]]) -> Draw:
        """The noise of some tiles, by their numbers of row and column in the grid."""

        def draw(shape: tuple[int, ...], number: int = 0) -> Floats:
            _, channels, height, width = shape
            step_px = self._grid.rows.tile_px // height
            noise = np.empty((len(places), channels, height, width), np.float32)
            for tile, (row, column) in zip(noise, places, strict=True):
                top = self._grid.rows.origins[row] // step_px
                left = self._grid.columns.origins[column] // step_px
                self._fill(tile, number, top, left)
            return noise

        return draw

    def _fill(self, tile: Floats, number: int, top: int, left: int) -> None:
        """Draw the part (C, h, w) of field ``number`` that starts at a place."""
        channels, height, width = tile.shape
        for row, there_down, here_down in _blocks(top, height):
            for column, there_across, here_across in _blocks(left, width):
                block = self._block(channels, number, row, column)
                tile[:, here_down, here_across] = block[:, there_down, there_across]

    def _block(self, channels: int, number: int, row: int, column: int) -> Floats:
        """(C, BLOCK, BLOCK) of noise; drawing counts in the counter's first word alone."""
        generator = np.random.Philox(key=self._key, counter=[0, number, row, column])
        shape = (channels, BLOCK, BLOCK)
        return np.random.Generator(generator).standard_normal(shape, np.float32)


def _blocks(start: int, length: int) -> Iterator[tuple[int, slice, slice]]:
    """Blocks along an axis under some places: number, where in the block, where among them."""
    end = start + length
    for number in range(start // BLOCK, -(-end // BLOCK)):
        origin = number * BLOCK
        first, last = max(start, origin), min(end, origin + BLOCK)
        yield number, slice(first - origin, last - origin), slice(first - start, last - start)
