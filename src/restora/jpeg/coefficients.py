"""The quantised coefficients of a JPEG, exactly, through a decoder that gives only pixels.

The decoder clips its pixels to 0-255 and rounds them, so the transform of what it shows is not what
the file says: black and white areas, and every strong edge, come out wrong. With other quantisation
tables in the header the same coded data decodes to other pixels, and those can be chosen well:

- one decode with steps of 8 and nothing of the lowest coefficient gives all the others; rounding
  pixels cannot disturb a coefficient by half such a step;
- one decode with the lowest coefficient alone gives that;
- where either is clipped, which takes fine steps and a strong contrast, decodes with the file's own
  steps decide, as far as they can. What they cannot decide either is marked as unknown.

Source: ITU-T T.81, A.3.3 and A.3.4.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from restora.jpeg import dct
from restora.jpeg.facts import JpegFacts
from restora.jpeg.planes import Plane, PlaneReader, Retable

__all__ = ["Coefficients", "read_coefficients"]

_LEVEL = 128
# Rounded pixels disturb a coefficient by at most 3.6, so half of this step is enough.
_STEP = 8
# Most disturb it by far less: by 0.29 on average, and five times that hardly ever.
_DISTURBANCE = 1.4
# Chroma that was computed back from its upsampled form is less exact.
_INEXACT = 2
_MEAN_STEP = 8  # one level of a block's mean is 8 of its lowest coefficient
_ROUNDING = 0.6  # how far a decoded pixel may be from what it was rounded from
_SLACK = 0.1
_MANY_BLOCKS = 4096


@dataclass(frozen=True, eq=False)
class Coefficients:
    """One component as it stands in the file.

    Attributes:
        quantised: ``(rows, columns, 8, 8)`` int16: the whole numbers that the table multiplies.
            Blocks beyond the picture that only fill up a coding unit are left out.
        known: ``(rows, columns, 8, 8)``: False for numbers that cannot be told for sure.
        table: ``(8, 8)`` float32, the quantisation steps.
        ratio: Pixels that one sample stands for: (across, down).
    """

    quantised: NDArray[np.int16]
    known: NDArray[np.bool_]
    table: NDArray[np.float32]
    ratio: tuple[int, int]


def read_coefficients(data: bytes, facts: JpegFacts) -> tuple[Coefficients, ...]:
    """Read the quantised coefficients of every component.

    Args:
        data: The whole file.
        facts: What :func:`restora.jpeg.inspect` says about it.

    Raises:
        NoBins: The file is of a kind whose planes cannot be had, or damaged.
    """
    reader = PlaneReader(data, facts)
    disturbance = _DISTURBANCE * (_INEXACT if reader.inexact else 1)
    step = _STEP * (_INEXACT if reader.inexact else 1)
    decoded = _Decoded(reader)
    found = []

    def coarse(table: NDArray[np.int64]) -> NDArray[np.int64]:
        return _without_mean(np.full_like(table, step))

    details, means = reader.planes(coarse), reader.block_means(_mean_alone)
    for index, (detail, mean) in enumerate(zip(details, means, strict=True)):
        table = facts.table(index)
        assert table is not None  # or there were no reader
        quantised = _quantised(detail, step)
        quantised[..., 0, 0] = mean.astype(np.int16) - _LEVEL
        known = np.ones(quantised.shape, np.bool_)
        clipped = _clipped_blocks(dct.to_blocks(detail))
        for retable in (_without_mean, _as_it_is, _half):
            if not clipped.any():
                break
            shown = dct.to_blocks(decoded.planes(retable)[index])[clipped]
            settle = partial(_settle_details, steps=retable(table), disturbance=disturbance)
            numbers, certain = _by_bands(settle, shown)
            numbers[:, 0, 0], certain[:, 0, 0] = quantised[clipped, 0, 0], True
            quantised[clipped], known[clipped] = numbers, certain
            clipped[clipped] = _clipped_blocks(shown)
        clipped = _clipped(mean)
        if clipped.any():
            shown = dct.to_blocks(decoded.planes(_as_it_is)[index])[clipped]
            numbers, certain = _by_bands(partial(_settle_means, table), shown, quantised[clipped])
            certain &= known[clipped].all(axis=(1, 2)) | (table[0, 0] > 2 * disturbance)
            quantised[clipped, 0, 0], known[clipped, 0, 0] = numbers, certain
        found.append(Coefficients(quantised, known, table.astype(np.float32), reader.ratios[index]))
    return tuple(found)


class _Decoded:
    """The planes by how the tables were changed; decoded once for all components."""

    def __init__(self, reader: PlaneReader) -> None:
        self._reader = reader
        self._planes: dict[Retable, tuple[Plane, ...]] = {}

    def planes(self, retable: Retable) -> tuple[Plane, ...]:
        if retable not in self._planes:
            self._planes[retable] = self._reader.planes(retable)
        return self._planes[retable]


def _as_it_is(table: NDArray[np.int64]) -> NDArray[np.int64]:
    return table


def _without_mean(table: NDArray[np.int64]) -> NDArray[np.int64]:
    steps = table.copy()
    steps[0, 0] = 0
    return steps


def _half(table: NDArray[np.int64]) -> NDArray[np.int64]:
    return _without_mean((table + 1) // 2)


def _mean_alone(table: NDArray[np.int64]) -> NDArray[np.int64]:
    steps = np.zeros_like(table)
    steps[0, 0] = _MEAN_STEP
    return steps


def _clipped(samples: Plane) -> NDArray[np.bool_]:
    return np.asarray((samples == 0) | (samples == 255))


def _clipped_blocks(blocks: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return np.asarray(_clipped(blocks).any(axis=(-2, -1)))


def _quantised(plane: Plane, step: int) -> NDArray[np.int16]:
    """The whole numbers behind a plane decoded with equal steps, ``(rows, columns, 8, 8)``."""
    matrix = dct.dct_matrix().astype(np.float32)
    blocks = dct.to_blocks(plane)
    quantised = np.empty(blocks.shape, np.int16)
    band = max(1, _MANY_BLOCKS // blocks.shape[1])
    for top in range(0, len(blocks), band):
        numbers = dct.forward(blocks[top : top + band].astype(np.float32) - _LEVEL, matrix)
        numbers /= step
        np.rint(numbers, out=numbers)
        quantised[top : top + band] = numbers
    return quantised


Settled: TypeAlias = tuple[NDArray[np.int16], NDArray[np.bool_]]


def _by_bands(settle: Callable[..., Settled], *blocks: NDArray[Any]) -> Settled:
    """Settle some blocks at a time: all at once they would take 50 times their memory."""
    parts = [
        settle(*(array[start : start + _MANY_BLOCKS] for array in blocks))
        for start in range(0, len(blocks[0]), _MANY_BLOCKS)
    ]
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def _settle_means(
    table: NDArray[np.int64], shown: NDArray[np.uint8], quantised: NDArray[np.int16]
) -> tuple[NDArray[np.int16], NDArray[np.bool_]]:
    """Find the lowest coefficient of some blocks from the picture's own pixels.

    The other coefficients are known, so every pixel bounds the mean to within one level, clipped
    ones on one side; together they leave little room.

    Args:
        table: The quantisation steps.
        shown: ``(n, 8, 8)`` decoded pixels.
        quantised: ``(n, 8, 8)`` numbers found so far.

    Returns:
        The numbers and whether they are certain, ``(n,)`` each.
    """
    details = quantised * table.astype(np.float64)
    details[:, 0, 0] = 0
    offsets = shown.astype(np.float64) - _LEVEL - dct.inverse(details, dct.dct_matrix())
    above, below = shown == 255, shown == 0
    free = ~(above | below)
    trusted = np.where(free.any(axis=(1, 2))[:, None, None], free, True)
    guess = (offsets * trusted).sum(axis=(1, 2)) / trusted.sum(axis=(1, 2))
    least = np.where(below, -np.inf, offsets - 0.5).max(axis=(1, 2))
    most = np.where(above, np.inf, offsets + 0.5).min(axis=(1, 2))
    # Bounds cross where the decoder's whole-number arithmetic rounded a pixel otherwise.
    guess = np.clip(guess, np.minimum(least, most), np.maximum(least, most))
    per_level = _MEAN_STEP / table[0, 0]
    numbers = np.rint(guess * per_level)
    # Where all pixels are clipped one bound is missing; but a picture has means of -128 to 127.
    lowest = np.maximum(np.ceil((least - _SLACK) * per_level), np.rint(-_LEVEL * per_level))
    highest = np.minimum(np.floor((most + _SLACK) * per_level), np.rint((_LEVEL - 1) * per_level))
    return numbers.astype(np.int16), lowest >= highest


def _settle_details(
    shown: NDArray[np.uint8], steps: NDArray[np.int64], *, disturbance: float
) -> tuple[NDArray[np.int16], NDArray[np.bool_]]:
    """Find the coefficients of some blocks, as far as their pixels tell.

    Args:
        shown: ``(n, 8, 8)`` decoded pixels.
        steps: The table that they were decoded with.
        disturbance: What rounding pixels does to a coefficient at most, nearly always.

    Returns:
        The numbers and whether they are certain, ``(n, 8, 8)`` each; without meaning for the lowest
        coefficient.
    """
    matrix = dct.dct_matrix()
    coefficients = dct.forward(shown.astype(np.float64) - _LEVEL, matrix)
    quantised = np.rint(coefficients / np.maximum(steps, 1))
    again = dct.inverse(quantised * steps, matrix) + _LEVEL
    agrees = (np.abs(again - shown) <= _ROUNDING * disturbance / _DISTURBANCE).all(axis=(1, 2))
    # A number that was taken for its neighbour's is a disturbance away from its own.
    certain = np.abs(coefficients - quantised * steps) <= steps - disturbance
    certain &= (agrees & ~_clipped_blocks(shown))[:, None, None]
    return quantised.astype(np.int16), certain
