"""Cutting a picture into overlapping tiles, and blending them together again.

Tile corners lie on multiples of 16 pixels, so that every tile sees the 8-pixel block grid and the
4:2:0 chroma grid where the whole picture has them; a network that halves its sides more often asks
for a wider grid. All tiles of a picture have one size, so that a network runs at one shape. Knows
nothing of networks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from restora.errors import UsageError

GRID_PX = 16

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Axis:
    """The tiles along one axis: where they start, how long they are, how far they overlap."""

    length_px: int
    tile_px: int
    overlap_px: int
    origins: tuple[int, ...]
    grid_px: int = GRID_PX

    def weights(self, number: int) -> Floats:
        """Blend weights of tile ``number`` along this axis, (tile_px,); they sum to 1 over tiles.

        The outer quarter of an overlap belongs to the neighbour alone, because a network sees
        least there; across the middle half the weight rises in a straight line.
        """
        # Each tile is laid over those before it: its own rise, less what later ones cover. Those
        # products sum to 1 however many tiles meet.
        weights = np.ones(self.tile_px, np.float32)
        ramp_px = min(self.overlap_px, self.tile_px)
        position = (np.arange(ramp_px, dtype=np.float32) + 0.5) / ramp_px
        rise = np.clip(2 * position - 0.5, 0, 1)
        if number > 0:
            weights[:ramp_px] = rise
        for later in self.origins[number + 1 :]:
            start = later - self.origins[number]
            if start >= self.tile_px:
                break
            covered = weights[start : start + ramp_px]
            covered *= 1 - rise[: len(covered)]
            weights[start + ramp_px :] = 0
        return weights

    def share(self, number: int) -> tuple[int, int]:
        """Where the part of tile ``number`` that no other tile has starts and ends, in pixels.

        Overlaps are split in their middle, on the grid. Together the parts are the whole length,
        rounded up to that grid.
        """

        def border(after: int) -> int:
            middle = (self.origins[after] + self.origins[after - 1] + self.tile_px) // 2
            return middle // self.grid_px * self.grid_px

        last = len(self.origins) - 1
        start = border(number) if number > 0 else 0
        end = border(number + 1) if number < last else self.full_px
        return start, end

    @property
    def full_px(self) -> int:
        """The length rounded up to the grid; no tile reaches beyond."""
        return _round_up(self.length_px, self.grid_px)


def lay_axis(length_px: int, *, tile_px: int, overlap_px: int, grid_px: int = GRID_PX) -> Axis:
    """Cover ``length_px`` with equal tiles of at most ``tile_px``, no longer than they need be.

    ``grid_px`` is what tiles start at and end at multiples of, itself a multiple of 16.

    Raises:
        UsageError: ``tile_px`` is too small for the overlap, or no multiple of ``grid_px``.
    """
    overlap_px = _round_up(overlap_px, grid_px)
    if tile_px < 2 * overlap_px or tile_px % grid_px:
        raise UsageError(
            f"A tile of {tile_px} pixels does not work; choose a multiple of {grid_px}, "
            f"at least {2 * overlap_px}."
        )
    full_px = _round_up(length_px, grid_px)
    if length_px <= tile_px:
        return Axis(length_px, full_px, overlap_px, (0,), grid_px)
    count = math.ceil((length_px - overlap_px) / (tile_px - overlap_px))
    size = _round_up(math.ceil((length_px + (count - 1) * overlap_px) / count), grid_px)
    count = math.ceil((full_px - overlap_px) / (size - overlap_px))  # size was rounded
    # The last tile ends with the picture: invented pixels beyond it would change its border.
    last = full_px - size
    origins = tuple(min(k * (size - overlap_px), last) for k in range(count))
    return Axis(length_px, size, overlap_px, origins, grid_px)


def _round_up(length_px: int, grid_px: int) -> int:
    return -(-length_px // grid_px) * grid_px


@dataclass(frozen=True)
class TileGrid:
    """Rows and columns of tiles over a picture."""

    rows: Axis
    columns: Axis

    def __len__(self) -> int:
        return len(self.rows.origins) * len(self.columns.origins)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """(row number, column number) of each tile, row by row."""
        for row in range(len(self.rows.origins)):
            for column in range(len(self.columns.origins)):
                yield row, column

    def cut(self, pixels: Floats, row: int, column: int) -> Floats:
        """One tile of (H, W, C) as (tile height, tile width, C); edges are repeated beyond it."""
        y, x = self.rows.origins[row], self.columns.origins[column]
        tile = pixels[y : y + self.rows.tile_px, x : x + self.columns.tile_px]
        below, right = self.rows.tile_px - tile.shape[0], self.columns.tile_px - tile.shape[1]
        if below or right:
            return np.pad(tile, ((0, below), (0, right), (0, 0)), mode="edge")
        return tile

    def add(self, out: Floats, tile: Floats, row: int, column: int) -> None:
        """Add a weighted tile to (H, W, C); when all are added the blend is complete."""
        y, x = self.rows.origins[row], self.columns.origins[column]
        region = out[y : y + self.rows.tile_px, x : x + self.columns.tile_px]
        height, width = region.shape[:2]
        vertical = self.rows.weights(row)[:height, None, None]
        horizontal = self.columns.weights(column)[None, :width, None]
        region += tile[:height, :width] * vertical * horizontal


def lay_grid(
    height_px: int, width_px: int, *, tile_px: int, overlap_px: int, grid_px: int = GRID_PX
) -> TileGrid:
    """Tiles over a picture; see :func:`lay_axis`."""
    rows, columns = (
        lay_axis(length_px, tile_px=tile_px, overlap_px=overlap_px, grid_px=grid_px)
        for length_px in (height_px, width_px)
    )
    return TileGrid(rows, columns)


def run_tiled(
    pixels: Floats,
    operator: Callable[[Floats, int], Floats],
    grid: TileGrid,
    *,
    batch: int = 1,
    progress: Callable[[int], None] = lambda _: None,
) -> Floats:
    """Apply an operator tile by tile.

    Args:
        pixels: (H, W, C).
        operator: Takes tiles (N, h, w, C) and the number of the first; gives tiles of that shape.
        grid: Tiles over the picture.
        batch: Tiles handed over at once, at most.
        progress: Called with the number of tiles just done.

    Returns:
        (H, W, C). Beyond input and output the memory needed is that of one batch.
    """
    out = np.zeros_like(pixels)
    places = list(grid)
    for first in range(0, len(places), batch):
        some = places[first : first + batch]
        tiles = np.stack([grid.cut(pixels, *place) for place in some])
        for tile, place in zip(operator(tiles, first), some, strict=True):
            grid.add(out, tile, *place)
        progress(len(some))
    return out
