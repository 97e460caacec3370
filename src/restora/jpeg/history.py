"""Whether a picture was saved as a JPEG before, and harder than now.

The harder save did the damage, so its quality is what a restorer needs; but the file's header only
knows the last save. Two traces remain. Where the earlier 8x8 grid lies elsewhere (the picture was
cropped in between), coefficients on *that* grid still gather near multiples of the earlier steps.
Where it lies on the file's own grid, multiples of the file's steps occur unevenly: those that no
multiple of the earlier step rounds to are missing.

The search is for libjpeg's tables. On another grid, tables of other programs are found by their
likeness, and the quality is then the nearest; on the file's own grid they are not looked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from restora.jpeg.combs import (
    BINS_PER_UNIT,
    FREQUENCIES_COLUMN,
    FREQUENCIES_ROW,
    comb_sums,
    magnitude_histograms,
)
from restora.jpeg.quality import estimate_quality, libjpeg_tables

__all__ = ["TRUSTED", "EarlierSave", "find_earlier_save"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Integers = NDArray[np.int64]

TRUSTED: Final = 0.9
"""From this confidence on, an earlier save may overrule the header."""

_LOWEST: Final = 5
_HIGHEST: Final = 92  # above, steps are hardly larger than the rounding of pixels
_LEAST_GAP: Final = 6  # closer qualities need the same restoration anyway
_ROUNDING: Final = 2 / 12  # variance that rounding pixels adds, once by each save
_JITTER: Final = np.array([-0.6, 0.0, 0.6])  # what the same rounding does to a multiple
_JITTER_WEIGHTS: Final = np.array([0.25, 0.5, 0.25])
_SOUND: Final = 0.95  # share of coefficients that the model of two saves is trusted to explain
_RARE: Final = 1e-5
_FEW_BLOCKS: Final = 64
_NEVER: Final = -1e9
_LEAST_STEP: Final = 4  # single steps below drown in the rounding of pixels
_CLEAR: Final = 6.0  # standard deviations that single out a step
_CLEAR_LEAST: Final = 4  # frequencies, for a table to be judged
_OWN_SHARE: Final = 0.7

# Evidence to confidence, as (evidence of even odds, width of a logistic curve). Read off 1600 saves
# of photographs (whole, small, resized), text, screens, drawings, noise and gradients, about half
# of them saved twice, at random qualities and offsets; right means a quality within 5. With one
# save, lead stayed below 3.0 and gain below 1.5; what was right had a median lead of 40 and a
# median gain of 80. Nearly all in between are gradients.
_LEAD: Final = (3.5, 0.7)
_GAIN: Final = (4.0, 0.8)
_LEAST: Final = 0.5  # below, nothing is reported


class EarlierSave(BaseModel):
    """An earlier save, harder than the file's own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    quality: int = Field(ge=1, le=100, description="as libjpeg counts it")
    row_px: int = Field(ge=0, le=7, description="where its 8x8 grid starts in this picture")
    column_px: int = Field(ge=0, le=7)
    confidence: float = Field(ge=0, le=1, description="share of such findings that are right")


@dataclass(frozen=True, slots=True)
class Shifted:
    """The best earlier save on another grid.

    Attributes:
        offset: ``8 * row_px + column_px``.
        quality: Of the save.
        peak: How well the coefficients fit its steps, in standard deviations of chance and above
            what other offsets show.
        lead: How far ``peak`` is above that of the next best offset. Content that fits by itself,
            such as even gradients, fits at many offsets.
    """

    offset: int
    quality: int
    peak: float
    lead: float


@dataclass(frozen=True, slots=True)
class Aligned:
    """The best earlier save on the file's own grid.

    Attributes:
        quality: Of the save.
        gain: Log-likelihood of two saves over that of one, by the square root of the number of
            blocks: what one save seems to gain by chance and by a bad model grows like that.
    """

    quality: int
    gain: float


def find_earlier_save(
    luma: NDArray[Any], table: NDArray[np.integer[Any]] | None
) -> EarlierSave | None:
    """Find a save before the last that was harder by more than a few qualities.

    Its time does not grow with the picture. Flat, tiny and saturated pictures show nothing.

    Args:
        luma: ``(H, W)``, 0-255: the Y plane as it is stored, so before any turning.
        table: The ``(8, 8)`` luma quantisation table of the file, in natural order. None if the
            pixels come from no JPEG; then a save on the grid at ``(0, 0)`` is news as well.

    Returns:
        The likeliest earlier save; None if there is no sign of any. Act on it only from
        ``confidence`` ``TRUSTED`` on.

    Raises:
        ValueError: ``luma`` or ``table`` has another shape.
    """
    if luma.ndim != 2:
        raise ValueError(f"luma is (H, W), not {luma.shape}")
    if table is not None and table.shape != (8, 8):
        raise ValueError(f"table is (8, 8), not {table.shape}")
    last = None if table is None else np.maximum(table.astype(np.int64), 1)
    qualities = candidates(last)
    histograms = magnitude_histograms(luma) if qualities else None
    if histograms is None:
        return None
    shifted = shifted_evidence(histograms, last, qualities)
    if last is not None:
        aligned = aligned_evidence(histograms, last, qualities)
        confidence = _share_right(aligned.gain, _GAIN)
        if confidence >= _LEAST:  # its echoes look like saves at other offsets, not vice versa
            return _finding(aligned.quality, 0, confidence)
    confidence = _share_right(shifted.lead, _LEAD)
    return _finding(shifted.quality, shifted.offset, confidence) if confidence >= _LEAST else None


def _share_right(evidence: float, curve: tuple[float, float]) -> float:
    """The share of findings with this much evidence that are right."""
    middle, width = curve
    return float(1 / (1 + np.exp(np.clip((middle - evidence) / width, -30, 30))))


def _finding(quality: int, offset: int, confidence: float) -> EarlierSave:
    row_px, column_px = divmod(offset, 8)
    return EarlierSave(
        quality=quality, row_px=row_px, column_px=column_px, confidence=round(confidence, 3)
    )


def candidates(table: Integers | None) -> range:
    """Qualities that would have done clearly more damage than ``table``."""
    last = _HIGHEST + _LEAST_GAP if table is None else estimate_quality(table).quality
    return range(_LOWEST, min(_HIGHEST, last - _LEAST_GAP) + 1)


def shifted_evidence(histograms: Floats, table: Integers | None, qualities: range) -> Shifted:
    """Look at all other offsets for the quality whose steps fit best.

    A coefficient that was rounded to a step and then got noise of variance ``v`` has an expected
    ``cos(2 pi c / step)`` of ``exp(-2 pi^2 v / step^2)``: the best weight of its vote. The noise is
    the last save's rounding. What the file's own grid does to the offsets is taken away as the
    median of those it does the same to.
    """
    steps = _steps()[qualities.start : qualities.stop]
    noise = np.full(steps.shape[1], _ROUNDING)
    if table is not None:
        noise += table[FREQUENCIES_ROW, FREQUENCIES_COLUMN] ** 2 / 12
    weights = np.exp(-2 * np.pi**2 * noise / steps**2)
    sums, counts = comb_sums(histograms)
    which = np.arange(steps.shape[1])
    votes = np.einsum("qf,qfo->qo", weights, sums[which, :, steps])
    chance = np.einsum("qf,qfo->qo", weights**2, counts[which, :, steps]) / 2
    score = votes / np.sqrt(chance + 1)
    contrast = np.full(score.shape, _NEVER)
    for group in _groups(own_grid=table is not None):
        contrast[:, group] = score[:, group] - np.median(score[:, group], axis=1, keepdims=True)
    score = np.minimum(score, contrast)
    quality, offset = (int(index) for index in np.unravel_index(score.argmax(), score.shape))
    peak = float(score[quality, offset])
    elsewhere = max(0.0, float(np.delete(score, offset, axis=1).max()))
    named = _name_by_steps(
        sums, counts, offset, qualities, qualities[quality], own_grid=table is not None
    )
    return Shifted(offset, named, peak, peak - elsewhere)


def _name_by_steps(
    sums: Floats, counts: Floats, offset: int, qualities: range, quality: int, *, own_grid: bool
) -> int:
    """``quality``, unless the steps that fit best one by one are none of libjpeg's.

    libjpeg's own tables collect 0.8 of the evidence or more, those of others less than 0.65; then
    the nearest table to the single steps is named instead.
    """
    (group,) = (group for group in _groups(own_grid=own_grid) if group[offset])
    score = sums / np.sqrt(counts / 2 + 1)
    score = score[:, offset] - np.median(score[:, group], axis=1)
    score[:, :_LEAST_STEP] = 0
    steps, best = score.argmax(axis=1), score.max(axis=1)
    clear = best > _CLEAR
    if np.count_nonzero(clear) < _CLEAR_LEAST:
        return quality
    steps, best, score = steps[clear], best[clear], score[clear]
    collected = score[np.arange(len(steps)), _steps()[quality, clear]]
    if np.maximum(collected, 0).sum() >= _OWN_SHARE * best.sum():
        return quality
    tables = _steps()[qualities.start : qualities.stop, clear]
    return qualities[int((np.abs(np.log2(tables / steps)) @ best).argmin())]


def aligned_evidence(histograms: Floats, table: Integers, qualities: range) -> Aligned:
    """Explain how often each multiple of the file's steps occurs by one save or by two.

    The magnitudes before any save are estimated from the other offsets, where rounding is smeared
    out; rounding those once and twice gives the two expectations. Zeros are left out, for their
    number is hard to predict, and so are the means of blocks, which in gradients take few values.
    """
    steps = _steps()[qualities.start : qualities.stop]
    gains = np.zeros(len(qualities))
    inner = _groups(own_grid=True)[0]
    for index, last in enumerate(table[FREQUENCIES_ROW, FREQUENCIES_COLUMN].tolist()):
        if index == 0:
            continue
        smooth = histograms[index, inner].sum(axis=0, dtype=np.float64)
        magnitudes = np.arange(len(smooth)) / BINS_PER_UNIT
        levels = np.floor(magnitudes / last + 0.5).astype(np.int64)
        seen = np.bincount(levels, histograms[index, 0])[1:]
        once = _shares(np.bincount(levels, smooth)[1:].astype(np.float64))
        for first in np.unique(steps[:, index]).tolist():
            if first <= last:
                continue  # a finer step before leaves no trace
            twice = _shares(_round_twice(smooth, first, last)[1 : len(once) + 1])
            ratio = (_SOUND * twice + (1 - _SOUND) * once + _RARE) / (once + _RARE)
            gains[steps[:, index] == first] += seen @ np.log(ratio)
    best = int(gains.argmax())
    blocks = float(histograms[0, 0].sum())
    return Aligned(qualities[best], float(gains[best] / np.sqrt(max(blocks, _FEW_BLOCKS))))


def _round_twice(smooth: Doubles, first: int, last: int) -> Doubles:
    """Histogram over multiples of ``last``, after rounding to ``first``, to pixels, to ``last``."""
    largest = (len(smooth) - 1) / BINS_PER_UNIT
    multiples = np.arange(int(largest / first + 0.5) + 1)
    edges = np.ceil((multiples + 0.5) * first * BINS_PER_UNIT).astype(np.int64)
    below = np.concatenate([[0], np.cumsum(smooth)])
    masses = np.diff(below[np.minimum(edges, len(smooth))], prepend=0)
    blurred = np.abs(multiples * first + _JITTER[:, None])
    levels = np.minimum(blurred, largest) / last + 0.5
    twice: Doubles = np.bincount(
        np.floor(levels).astype(np.int64).ravel(),
        (masses * _JITTER_WEIGHTS[:, None]).ravel(),
        int(largest / last + 0.5) + 1,
    ).astype(np.float64)
    return twice


def _shares(counts: Doubles) -> Doubles:
    shares: Doubles = counts / max(float(counts.sum()), 1e-12)
    return shares


@cache
def _steps() -> Integers:
    """Steps of libjpeg's luma tables, ``(101 qualities, frequencies)``; row 0 is unused."""
    tables = np.array([libjpeg_tables(max(quality, 1))[0] for quality in range(101)])
    return tables[:, FREQUENCIES_ROW, FREQUENCIES_COLUMN]


def _groups(*, own_grid: bool) -> tuple[NDArray[np.bool_], ...]:
    """Offsets that share what the file's own grid does to them; without one, they all do."""
    row, column = np.divmod(np.arange(64), 8)
    if not own_grid:
        return (np.full(64, True),)
    return (row > 0) & (column > 0), (row == 0) & (column > 0), (row > 0) & (column == 0)
