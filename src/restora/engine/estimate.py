"""One quality estimate for a whole picture, from the windows that show the most."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from restora.engine.backend import Backend
from restora.engine.survey import survey
from restora.engine.tiles import GRID_PX, lay_grid

WINDOW_PX = 256
WINDOWS = 4


def estimate_quality(pixels: NDArray[np.float32], backend: Backend) -> float:
    """The quality a network sees in a picture, 1-100.

    A network pools its estimate over what it is shown, so tiles would disagree; the median over a
    few detailed windows stands for all. Plain sky says little about compression and is avoided.

    Args:
        pixels: (H, W, C), 0-1, with as many channels as the network takes.
        backend: The network. One that surveys whole pictures tells what it sees in the whole.
    """
    guidance = survey(pixels, backend.look)
    if guidance is not None:
        any_tile = np.zeros((1, GRID_PX, GRID_PX, pixels.shape[2]), np.float32)  # guidance decides
        return float(np.clip(backend.encode(any_tile, guidance).quality[0], 1, 100))
    grid = lay_grid(*pixels.shape[:2], tile_px=WINDOW_PX, overlap_px=GRID_PX)
    places = sorted(grid, key=lambda place: -_detail(grid.cut(pixels, *place)))
    seen = [backend.encode(grid.cut(pixels, *place)[None]).quality for place in places[:WINDOWS]]
    return float(np.clip(np.median(seen), 1, 100))


def _detail(window: NDArray[np.float32]) -> float:
    """How much is going on: the mean step between pixels, on a coarse sample of rows."""
    return float(np.abs(np.diff(window[::4], axis=1)).mean())
