"""Evidence of a coarser quantisation: how coefficients gather at the teeth of a comb.

Coefficients that were once rounded to multiples of a step lie near those multiples still, if the
blocks are cut where that save cut them. A sample of blocks is transformed at all 64 offsets of the
grid at once, and what is kept are histograms; every later question is asked of those, so its cost
does not grow with the picture.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from restora.jpeg.dct import BLOCK_PX, dct_matrix

__all__ = [
    "BINS_PER_UNIT",
    "FREQUENCIES_COLUMN",
    "FREQUENCIES_ROW",
    "comb_sums",
    "magnitude_histograms",
]

Floats = NDArray[np.float32]

# The low frequencies: only these have enough coefficients that a hard save left alive.
_KEPT: Final = 6
_ROWS, _COLUMNS = np.divmod(np.arange(_KEPT * _KEPT), _KEPT)
FREQUENCIES_ROW: Final = _ROWS[_ROWS + _COLUMNS < _KEPT]
FREQUENCIES_COLUMN: Final = _COLUMNS[_ROWS + _COLUMNS < _KEPT]

BINS_PER_UNIT: Final = 2
_BINS: Final = 1024 * BINS_PER_UNIT  # magnitudes stay below 1024, that of an all-white block's DC
_STEPS: Final = 256

_WINDOW_PX: Final = 2 * BLOCK_PX - 1  # holds a block at each of the 8 offsets
_CANDIDATES: Final = 8192
_BLOCKS: Final = 3000
_LEAST_SPREAD: Final = 1.5  # standard deviation of a window; flat ones are all lattice
_CLIPPED: Final = (1.5, 253.5)  # clipping moves coefficients off their multiples
_CLIPPED_MOST: Final = 0.5  # share of a window; clipped ones are a stopgap, as in text on white
_ENOUGH: Final = 800  # unclipped windows that need no stopgap
_BATCH: Final = 500  # keeps the intermediate arrays within the cache


def magnitude_histograms(luma: NDArray[Any]) -> Floats | None:
    """Histograms of coefficient magnitudes of a sample of blocks, at all offsets of the grid.

    The sample is the most textured of some thousand unclipped places, the same at each call.

    Args:
        luma: ``(H, W)``, 0-255.

    Returns:
        ``(frequencies, 64, bins)``: counts for the frequencies of ``FREQUENCIES_ROW`` and
        ``FREQUENCIES_COLUMN``, for offset ``8 * row_px + column_px``, and for magnitudes rounded to
        ``1 / BINS_PER_UNIT``. None where the picture has no block to show.
    """
    windows = _sample(luma)
    if not len(windows):
        return None
    basis = _basis()
    # Where an offset's histogram starts, by column and row as the transform below leaves them.
    offsets = (8 * np.arange(8)[None, :] + np.arange(8)[:, None]) * _BINS
    out = np.zeros((len(FREQUENCIES_ROW), 64 * _BINS), np.float32)
    parts = []
    for start in range(0, len(windows), _BATCH):
        batch = windows[start : start + _BATCH]
        across = (batch.reshape(-1, _WINDOW_PX) @ basis).reshape(len(batch), _WINDOW_PX, -1)
        upright = np.ascontiguousarray(across.transpose(0, 2, 1)).reshape(-1, _WINDOW_PX)
        both = np.abs(upright @ basis).reshape(len(batch), 8, _KEPT, 8, _KEPT)
        parts.append(np.minimum(both * BINS_PER_UNIT + 0.5, _BINS - 1).astype(np.int16))
    bins = np.concatenate(parts)
    for index, (v, u) in enumerate(zip(FREQUENCIES_ROW, FREQUENCIES_COLUMN, strict=True)):
        places = bins[:, :, u, :, v] + offsets
        out[index] = np.bincount(places.ravel(), minlength=64 * _BINS)
    return out.reshape(len(FREQUENCIES_ROW), 64, _BINS)


def comb_sums(histograms: Floats) -> tuple[Floats, Floats]:
    """How well magnitudes fit multiples of each step, and how many have a say.

    Magnitudes below half a step say nothing: without any rounding most of them are near zero too.

    Args:
        histograms: ``(..., bins)`` as from :func:`magnitude_histograms`.

    Returns:
        ``(..., 256)`` each, by step (0 is unused): the sum of ``cos(2 pi magnitude / step)`` over
        the magnitudes above half a step, and their number.
    """
    wave, above = _waves()
    return histograms @ wave, histograms @ above


def _sample(luma: NDArray[Any]) -> Floats:
    """Level-shifted windows ``(n, 15, 15)`` whose corners lie on multiples of 8."""
    rows, columns = ((size - _WINDOW_PX) // BLOCK_PX + 1 for size in luma.shape)
    if rows < 1 or columns < 1:
        return np.empty((0, _WINDOW_PX, _WINDOW_PX), np.float32)
    if rows * columns <= _CANDIDATES:
        index = np.arange(rows * columns)
    else:
        index = np.unique(np.random.default_rng(0).integers(rows * columns, size=_CANDIDATES))
    every = np.lib.stride_tricks.sliding_window_view(luma, (_WINDOW_PX, _WINDOW_PX))
    windows = every[index // columns * BLOCK_PX, index % columns * BLOCK_PX].astype(np.float32)
    flat = windows.reshape(len(windows), -1)
    spread = flat.std(axis=1)
    clipped = np.mean((flat < _CLIPPED[0]) | (flat > _CLIPPED[1]), axis=1)
    good = np.flatnonzero((spread > _LEAST_SPREAD) & (clipped < _CLIPPED_MOST))
    whole = np.count_nonzero(clipped[good] == 0)
    best = good[np.lexsort((-spread[good], clipped[good]))]
    kept = windows[best[: np.clip(whole, _ENOUGH, _BLOCKS)]]
    return np.asarray(kept - 128, np.float32)


@cache
def _basis() -> Floats:
    """The low rows of the DCT at 8 offsets, ``(15, 8 * kept)``."""
    low = dct_matrix()[:_KEPT].T
    basis = np.zeros((_WINDOW_PX, 8, _KEPT), np.float32)
    for offset in range(8):
        basis[offset : offset + 8, offset] = low
    return basis.reshape(_WINDOW_PX, -1)


@cache
def _waves() -> tuple[Floats, Floats]:
    """The cosine and the indicator that :func:`comb_sums` weighs bins with, ``(bins, 256)``."""
    magnitudes = np.arange(_BINS)[:, None] / BINS_PER_UNIT
    steps = np.maximum(np.arange(_STEPS), 1)
    above = magnitudes > steps / 2
    above[-1] = False  # what was too large for the histogram
    above[:, 0] = False
    wave = np.where(above, np.cos(2 * np.pi * magnitudes / steps), 0)
    return wave.astype(np.float32), above.astype(np.float32)
