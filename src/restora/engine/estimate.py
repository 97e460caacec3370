"""A network's first look at a whole picture: the quality it sees, and what it keeps of the look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from restora.engine.backend import Backend, Guidance
from restora.engine.tiles import GRID_PX, lay_grid

if TYPE_CHECKING:
    from restora.engine.judge import Judgement
    from restora.engine.words import Words

WINDOW_PX = 256
WINDOWS = 4
ANY_PX = 64  # a side that the networks of every size take


@dataclass(frozen=True)
class Seen:
    """What a network sees in a picture.

    Attributes:
        quality: 1-100; None where no network was asked for it.
        guidance: What it tells every tile, where the network surveys whole pictures.
        choice: Which of its timesteps it takes, where it has any.
        judged: What it needs besides, where that was to be judged.
        words: What is said of it, where a network reads words.
    """

    quality: float | None
    guidance: Guidance | None = None
    choice: int | None = None
    judged: Judgement | None = None
    words: Words | None = None


def look_at(pixels: NDArray[np.float32], backend: Backend) -> Seen:
    """Look at a picture.

    A network that surveys whole pictures tells what it sees in the whole. Others pool their
    estimate over what they are shown, so tiles would disagree; the median over a few detailed
    windows stands for all. Plain sky says little about compression and is avoided.

    Args:
        pixels: (H, W, C), 0-1, with as many channels as the network takes.
        backend: The network.
    """
    guidance = backend.survey(pixels)
    if guidance is not None:
        any_tile = np.zeros((1, ANY_PX, ANY_PX, pixels.shape[2]), np.float32)  # guidance decides
        told = backend.encode(any_tile, guidance)
        choice = None if told.choice is None else int(told.choice[0])
        return Seen(_in_range(told.quality[0]), guidance, choice)
    grid = lay_grid(*pixels.shape[:2], tile_px=WINDOW_PX, overlap_px=GRID_PX)
    places = sorted(grid, key=lambda place: -_detail(grid.cut(pixels, *place)))
    seen = [backend.encode(grid.cut(pixels, *place)[None]).quality for place in places[:WINDOWS]]
    return Seen(_in_range(np.median(seen)))


def _in_range(quality: np.floating) -> float:
    return float(np.clip(quality, 1, 100))


def _detail(window: NDArray[np.float32]) -> float:
    """How much is going on: the mean step between pixels, on a coarse sample of rows."""
    return float(np.abs(np.diff(window[::4], axis=1)).mean())
