"""Pixels into quantisation bins: the arithmetic, for a part of a picture that fits the block grid.

:mod:`restora.jpeg.constraint` says what this is for and cuts the picture into such parts.
Pixels are in *levels* here: float32, 0-255.

Source: ITU-T T.81, A.3.3; T.871 (JFIF colour); libjpeg for how an encoder rounds, averages chroma
and fills the blocks at the edges.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from restora.jpeg import dct
from restora.jpeg.coefficients import Coefficients

__all__ = ["Counts", "Floats", "Part", "outside", "project"]

Floats = NDArray[np.float32]
Counts = NDArray[np.int64]
Scalar = TypeVar("Scalar", bound=np.generic)

# JFIF (ITU-T T.871), section 7, in libjpeg's 16 binary places: whole levels make exact float32.
_TO_YCBCR: Final = np.array(
    [[19595, 38470, 7471], [-11058, -21710, 32768], [32768, -27439, -5329]], np.float32
) / np.float32(65536)
_FROM_YCBCR: Final = np.linalg.inv(_TO_YCBCR.astype(np.float64)).astype(np.float32)
_LEVEL = 128
# libjpeg computes its DCT in whole numbers, so it may take a coefficient for another that is this
# near; in clean photographs none lay more than 0.148 outside its bin.
_TOLERANCE = 0.18
_LEAST_SHARE = 0.1  # of a bin, that a margin leaves


@dataclass(frozen=True, eq=False)
class Part:
    """Coding units side by side, which can be projected without looking beyond them.

    Attributes:
        components: Luma, or luma and both chromas, in whole coding units.
        whole: No coding unit reaches beyond the picture.
    """

    components: tuple[Coefficients, ...]
    whole: bool

    @property
    def ratio(self) -> tuple[int, int]:
        """Pixels for each chroma sample: (across, down); (1, 1) for gray."""
        return self.components[-1].ratio

    def count(self, flags: tuple[NDArray[np.bool_], ...]) -> Counts:
        """How many flags of all components belong to each coding unit, ``(rows, columns)``."""
        across, down = self.ratio
        rows, columns = self.components[-1].known.shape[:2]
        total = np.zeros((rows, columns), np.int64)
        for flag, component in zip(flags, self.components, strict=True):
            high, wide = down // component.ratio[1], across // component.ratio[0]
            total += flag.reshape(rows, high, columns, wide, 64).sum(axis=(1, 3, 4))
        return total

    def only(self, units: NDArray[np.bool_]) -> Part:
        """Some coding units of a whole part, one below the other."""
        return Part(
            tuple(
                Coefficients(
                    pick(component.quantised, units),
                    pick(component.known, units),
                    component.table,
                    component.ratio,
                )
                for component in self.components
            ),
            whole=True,
        )


def pick(array: NDArray[Scalar], units: NDArray[np.bool_]) -> NDArray[Scalar]:
    """Those cells of an array that lie in some units, one below the other.

    Args:
        array: ``(H, W, ...)``, in which each unit has the same share.
        units: ``(rows, columns)``.
    """
    return cells(array, units)[units].reshape(
        -1, array.shape[1] // units.shape[1], *array.shape[2:]
    )


def cells(array: NDArray[Scalar], units: NDArray[np.bool_]) -> NDArray[Scalar]:
    """A view ``(rows, columns, height, width, ...)`` of an array ``(H, W, ...)``, cell by cell."""
    height, width, *rest = array.shape
    rows, columns = units.shape
    cut = array.reshape(rows, height // rows, columns, width // columns, *rest)
    return cut.swapaxes(1, 2)


def project(
    levels: Floats, part: Part, *, half_width: float, margin: float = 0, rounded: bool = False
) -> Floats:
    """The nearest pixels whose coefficients are in their bins.

    Nearest in Y, Cb and Cr. For a part that reaches beyond the picture it is one step towards them.

    Args:
        levels: ``(h, w, 1 or 3)``.
        part: The bins.
        half_width: Half of a bin, in quantisation steps.
        margin: How far inside to go, in units of a coefficient, as far as the bin is wide enough.
        rounded: The pixels are whole, and what an encoder would make of them is to be inside.

    Returns:
        ``(h, w, 1 or 3)``; may leave 0-255.
    """
    height, width, channels = levels.shape
    shifts = np.empty((channels, height, width), np.float32)
    matrix = dct.dct_matrix().astype(np.float32)
    planes = _planes(levels, part, rounded=rounded)
    for shift, plane, component in zip(shifts, planes, part.components, strict=True):
        half = half_width * component.table
        half = np.maximum(half - np.float32(margin), _LEAST_SHARE * half)
        coefficients = dct.forward(dct.to_blocks(plane), matrix)
        coefficients -= component.quantised * component.table
        excess = np.clip(coefficients, -half, half) - coefficients
        if not component.known.all():
            excess *= component.known
        shift[...] = _spread(dct.from_blocks(dct.inverse(excess, matrix)), shift.shape, component)
    if channels == 1:
        moved: Floats = levels + shifts[0][..., None]
        return moved
    moved = levels + (_FROM_YCBCR @ shifts.reshape(3, -1)).T.reshape(levels.shape)
    return np.ascontiguousarray(moved)


def outside(
    levels: Floats, part: Part, *, bits: int, strict: bool = False
) -> tuple[NDArray[np.bool_], ...]:
    """Which known coefficients are outside their bins.

    Args:
        levels: ``(h, w, 1 or 3)``; whole numbers if ``bits`` is 8.
        part: The bins.
        bits: At 8, judge by the numbers that an encoder like libjpeg would write; at 16 by those
            of an encoder that rounds nowhere before.
        strict: Inside means that any encoder would write the file's own number; otherwise, that
            some encoder may.

    Returns:
        For each component ``(rows, columns, 8, 8)``.
    """
    matrix = dct.dct_matrix().astype(np.float32)
    found = []
    tolerance = -_TOLERANCE if strict else _TOLERANCE
    planes = _planes(levels, part, rounded=bits == 8)
    for plane, component in zip(planes, part.components, strict=True):
        coefficients = dct.forward(dct.to_blocks(plane), matrix)
        coefficients -= component.quantised * component.table
        off = np.abs(coefficients) > component.table / 2 + np.float32(tolerance)
        found.append(off & component.known)
    return tuple(found)


def _planes(levels: Floats, part: Part, *, rounded: bool) -> list[Floats]:
    """The planes as an encoder makes them, around 0 and filled up to whole coding units.

    Args:
        levels: ``(h, w, 1 or 3)``.
        part: Says how large they have to be.
        rounded: To whole numbers, as libjpeg does.
    """
    if levels.shape[2] == 1:
        return [_filled(levels[..., 0] - _LEVEL, part.components[0])]
    planes = []
    for weights, component in zip(_TO_YCBCR, part.components, strict=True):
        plane = levels @ weights
        across, down = component.ratio
        if component is part.components[0]:
            plane -= _LEVEL
        if rounded:
            # libjpeg rounds halves up in luma and down in chroma.
            half = 0.5 if component is part.components[0] else 0.5 - 1 / 65536
            plane = np.floor(plane + np.float32(half))
        if (across, down) != (1, 1):
            width = component.known.shape[1] * dct.BLOCK_PX * across
            plane = _mean(_edged(plane, -(-len(plane) // down) * down, width), across, down)
            if rounded:
                plane = _rounded_mean(plane, across, down)
        planes.append(_filled(plane, component))
    return planes


def _edged(plane: Floats, height: int, width: int) -> Floats:
    """Filled up by repeating the last row and column."""
    if plane.shape == (height, width):
        return plane
    return np.pad(plane, ((0, height - plane.shape[0]), (0, width - plane.shape[1])), mode="edge")


def _filled(plane: Floats, component: Coefficients) -> Floats:
    rows, columns = component.known.shape[:2]
    return _edged(plane, rows * dct.BLOCK_PX, columns * dct.BLOCK_PX)


def _mean(plane: Floats, across: int, down: int) -> Floats:
    """The mean of each ``down`` by ``across`` pixels."""
    total = plane[:, ::across].copy()
    for start in range(1, across):
        total += plane[:, start::across]
    rows = total[::down].copy()
    for start in range(1, down):
        rows += total[start::down]
    rows /= across * down
    return rows


def _rounded_mean(plane: Floats, across: int, down: int) -> Floats:
    """Means of whole numbers as libjpeg rounds them: halves down and up in turn by column."""
    pixels = across * down
    bias = np.float32(pixels // 2) - np.arange(1, plane.shape[1] + 1, dtype=np.float32) % 2
    if down == 2 and across == 1:
        bias[:] = 1
    rounded: Floats = np.floor(plane + bias / pixels)
    return rounded


def _spread(shift: Floats, shape: tuple[int, ...], component: Coefficients) -> Floats:
    """From the samples of a component to the pixels of the picture: the adjoint of the means.

    What belongs to the repeated pixels beyond the edges is averaged with the last real one.
    """
    height, width = shape
    across, down = component.ratio
    last = -(-height // down) - 1
    if last + 1 < shift.shape[0]:
        shift[last] = shift[last:].mean(axis=0)
        shift = shift[: last + 1]
    if down > 1:
        shift = np.repeat(shift, down, axis=0)
    if across > 1:
        shift = np.repeat(shift, across, axis=1)
    if width < shift.shape[1]:
        shift[:, width - 1] = shift[:, width - 1 :].mean(axis=1)
    return shift[:height, :width]
