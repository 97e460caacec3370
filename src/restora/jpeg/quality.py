"""From quantisation tables to the quality a JPEG was saved at.

libjpeg's 100 qualities give 100 different pairs of tables (and 100 different luma tables), so for
files from libjpeg, libjpeg-turbo, Pillow, OpenCV and their kin the quality is read, not guessed.
Cameras, phones, Photoshop and mozjpeg bring tables of their own; for those the nearest of libjpeg's
is named, together with how far away it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from restora.jpeg.tables import STANDARD_CHROMA, STANDARD_LUMA, scale_table

__all__ = ["QualityEstimate", "estimate_quality", "libjpeg_tables"]

LUMA_WEIGHT: Final = 2 / 3  # what is seen of a JPEG's damage is mostly in the luma
_ENTRY_MAX = 32767  # what libjpeg allows where the table need not fit into 8 bits


@dataclass(frozen=True, slots=True)
class QualityEstimate:
    """The quality a file was saved at, as libjpeg counts it.

    Attributes:
        quality: 1-100.
        exact: The tables are libjpeg's own at ``quality``.
        distance: How far they are from libjpeg's at ``quality``, in doublings: the mean over the
            entries of ``|log2(entry / libjpeg's entry)|``, two thirds luma and one third chroma.
            0 where ``exact``.
        luma: The (nearest) quality of the luma table alone.
        chroma: The (nearest) quality of the chroma table alone; None if there is none.
        mixed: Each table is libjpeg's own, but luma and chroma were saved at different qualities.
    """

    quality: int
    exact: bool
    distance: float
    luma: int
    chroma: int | None
    mixed: bool = False


def libjpeg_tables(
    quality: int, *, force_baseline: bool = True
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """libjpeg's luma and chroma table at ``quality``, ``(8, 8)`` in natural order.

    Args:
        quality: 1-100.
        force_baseline: Entries stop at 255, as nearly every program has it; without it, tables
            below quality 25 have larger entries, which need 16 bits.

    Raises:
        ValueError: ``quality`` is outside 1-100.

    >>> libjpeg_tables(75)[0][0, :4].tolist()
    [8, 6, 5, 8]
    """
    luma, chroma = scale_table(STANDARD_LUMA, quality), scale_table(STANDARD_CHROMA, quality)
    if force_baseline or quality >= 25:
        return luma, chroma
    percent = 5000 // quality
    return (
        np.clip((STANDARD_LUMA * percent + 50) // 100, 1, _ENTRY_MAX),
        np.clip((STANDARD_CHROMA * percent + 50) // 100, 1, _ENTRY_MAX),
    )


def estimate_quality(luma: ArrayLike, chroma: ArrayLike | None = None) -> QualityEstimate:
    """The quality whose libjpeg tables are these, or the nearest.

    The distance grows linearly with the logarithm of the tables' ratio, so where luma and chroma
    disagree, ``quality`` follows the heavier luma and hardly moves with the chroma.

    Args:
        luma: ``(8, 8)`` quantisation table in natural order.
        chroma: The same for the colour components, if they are coded as colour differences.

    >>> estimate_quality(*libjpeg_tables(30))
    QualityEstimate(quality=30, exact=True, distance=0.0, luma=30, chroma=30, mixed=False)
    """
    luma_distances = _distances(luma, plane=0)
    if chroma is None:
        return _estimate(luma_distances, None)
    return _estimate(luma_distances, _distances(chroma, plane=1))


def _estimate(luma: NDArray[np.float64], chroma: NDArray[np.float64] | None) -> QualityEstimate:
    """Judge the distances to libjpeg's tables, ``(2, 100)`` as in :func:`_references`."""
    joint = luma if chroma is None else LUMA_WEIGHT * luma + (1 - LUMA_WEIGHT) * chroma
    quality, distance = _nearest(joint)
    luma_quality, luma_distance = _nearest(luma)
    if chroma is None:
        return QualityEstimate(quality, distance == 0, distance, luma_quality, None)
    if distance == 0:  # several qualities share a chroma table, so it has no say of its own
        return QualityEstimate(quality, True, 0.0, quality, quality)
    chroma_quality, chroma_distance = _nearest(chroma)
    mixed = luma_distance == 0 and chroma_distance == 0 and luma_quality != chroma_quality
    return QualityEstimate(quality, False, distance, luma_quality, chroma_quality, mixed)


def _nearest(distances: NDArray[np.float64]) -> tuple[int, float]:
    by_quality = distances.min(axis=0)
    index = int(by_quality.argmin())
    return index + 1, float(by_quality[index])


def _distances(table: ArrayLike, *, plane: int) -> NDArray[np.float64]:
    gaps: NDArray[np.float64] = np.abs(_logarithms(table).reshape(64) - _references()[plane])
    means: NDArray[np.float64] = gaps.mean(axis=-1)
    return means


def _logarithms(entries: ArrayLike) -> NDArray[np.float64]:
    """log2 by looking it up, so that equal entries have equal logarithms to the last bit."""
    return _log2_of_16_bits()[np.clip(np.asarray(entries, dtype=np.int64), 1, 0xFFFF)]


@cache
def _log2_of_16_bits() -> NDArray[np.float64]:
    return np.log2(np.maximum(np.arange(0x10000), 1))


@cache
def _references() -> NDArray[np.float64]:
    """Logarithms of libjpeg's tables: ``(2 planes, 2 limits, 100 qualities, 64)``."""
    tables = np.array(
        [
            [libjpeg_tables(quality, force_baseline=baseline) for quality in range(1, 101)]
            for baseline in (True, False)
        ]
    )  # limits, qualities, planes, 8, 8
    return _logarithms(tables.reshape(2, 100, 2, 64).transpose(2, 0, 1, 3))
