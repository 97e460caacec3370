"""A whole picture seen once, window by window: what every tile of it shall know.

Windows have a size of their own, so that nothing found here depends on how a picture is cut into
tiles. Plain array arithmetic, for every backend. Source of what is pooled: DAGN, see
:mod:`restora.networks.dagn`.

Shapes: N pictures; S, I and K channels; 85 anchors; h×w cells of 16×16 pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from restora.engine.tiles import GRID_PX, Floats, lay_grid
from restora.networks.cells import LEVELS, cell_bounds

WINDOW_PX = 768
# Windows are split in the middle of their overlap. The encoders of the compact sizes see 80 pixels
# around a cell, so there windows leave no trace; the published ones see mostly what is near.
OVERLAP_PX = 160


@dataclass(frozen=True)
class Maps:
    """What a network makes of pictures or windows of them, each (N, ., h, w)."""

    sensitive: Floats  # S channels
    insensitive: Floats  # I channels
    keys: Floats  # K channels
    values: Floats  # K channels


@dataclass(frozen=True)
class Guidance:
    """What every tile of a picture shall know of the whole; a row for each of N pictures."""

    sensitive: Floats  # (N, S), the code of the compression
    insensitive: Floats  # (N, I), the code of the content
    keys: Floats  # (N, 85, K)
    values: Floats  # (N, 85, K)

    def rows(self, count: int) -> Guidance:
        """N = ``count``: as they are, or one for all."""
        if len(self.sensitive) == count:
            return self
        each = (self.sensitive, self.insensitive, self.keys, self.values)
        return Guidance(*(np.repeat(array, count, axis=0) for array in each))


Look = Callable[[Floats], Maps]


def survey(pixels: Floats, look: Look, *, check: Callable[[], None] = lambda: None) -> Guidance:
    """See a whole picture.

    Args:
        pixels: (H, W, C), 0-1.
        look: A network's: tiles (N, H, W, C) to maps. It gets one window at a time.
        check: Called after each window; may raise.

    Returns:
        Its guidance. What is kept meanwhile does not grow with the picture.
    """
    grid = lay_grid(*pixels.shape[:2], tile_px=WINDOW_PX, overlap_px=OVERLAP_PX)
    pools = _Pools(*(-(-length // GRID_PX) for length in pixels.shape[:2]))
    for row, column in grid:
        maps = look(grid.cut(pixels, row, column)[None])
        rows, columns = (
            _Span(*(px // GRID_PX for px in (*axis.share(number), axis.origins[number])))
            for axis, number in ((grid.rows, row), (grid.columns, column))
        )
        pools.add(maps, rows, columns)
        check()
    return pools.guidance()


def pool(maps: Maps) -> Guidance:
    """The guidance of pictures that were each looked at whole."""
    height, width = maps.sensitive.shape[2:]
    pools = _Pools(height, width)
    pools.add(maps, _Span(0, height, 0), _Span(0, width, 0))
    return pools.guidance()


@dataclass(frozen=True)
class _Span:
    """Cells ``start`` to ``end`` of a picture, seen in a window that begins at ``origin``."""

    start: int
    end: int
    origin: int

    @property
    def inside(self) -> slice:
        """Where they are in the window."""
        return slice(self.start - self.origin, self.end - self.origin)


class _Pools:
    """Means over a picture of h×w cells, summed up part by part."""

    def __init__(self, height: int, width: int) -> None:
        self._rows = {level: _mean_matrix(height, level) for level in LEVELS}
        self._columns = {level: _mean_matrix(width, level) for level in LEVELS}
        self._sums: dict[tuple[str, int], NDArray[np.float64]] = {}

    def add(self, maps: Maps, rows: _Span, columns: _Span) -> None:
        """Count in a part of the picture; each cell of it is counted in once."""
        parts = {"sensitive": (1,), "insensitive": (1,), "keys": LEVELS, "values": LEVELS}
        for name, levels in parts.items():
            part = getattr(maps, name)[:, :, rows.inside, columns.inside]
            for level in levels:
                vertical = self._rows[level][:, rows.start : rows.end]
                horizontal = self._columns[level][:, columns.start : columns.end]
                found = vertical @ part @ horizontal.T
                self._sums[name, level] = self._sums.get((name, level), 0) + found

    def guidance(self) -> Guidance:
        """The means, when all parts are counted in."""

        def code(name: str) -> Floats:
            return self._sums[name, 1][:, :, 0, 0].astype(np.float32)

        def anchors(name: str) -> Floats:
            levels = [self._sums[name, level] for level in LEVELS]
            flat = np.concatenate([sums.reshape(*sums.shape[:2], -1) for sums in levels], axis=2)
            return np.ascontiguousarray(flat.transpose(0, 2, 1), np.float32)

        return Guidance(*map(code, ("sensitive", "insensitive")), *map(anchors, ("keys", "values")))


def _mean_matrix(length: int, cells: int) -> NDArray[np.float64]:
    """Row n holds the weights of cell n's mean over ``length`` places, (cells, length)."""
    matrix = np.zeros((cells, length))
    for cell in range(cells):
        start, end = cell_bounds(cell, length, cells)
        matrix[cell, start:end] = 1 / (end - start)
    return matrix
