"""What a JPEG says about its true picture, and keeping a restored picture to it.

A file saved once holds every DCT coefficient of the true picture to within half a quantisation
step: its *bin*. Whatever a network makes of the file, it cannot be the true picture where it lies
outside. Projecting it back keeps it from inventing against the evidence, and takes it no farther
from the truth.

Luma is held at full size, chroma at the file's own: the mean over the pixels of each chroma sample
is what the bins speak of, and its correction goes to all of them alike, which is the smallest
change that meets the bins.

Three things are beyond the bins' knowledge. A file saved *twice* tells only of what was saved last.
Coefficients that cannot be read for sure (:mod:`restora.jpeg.coefficients`) bind nothing and count
nowhere. Blocks at the right and bottom edge reach beyond the picture: they are held and counted as
libjpeg fills them, by repeating the last pixels, and where a block was plainly filled with
something else it is not known.

Source: ITU-T T.81, A.3.4; T.871 (JFIF colour); libjpeg for the means over chroma samples and the
filling at the edges.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from restora.jpeg import dct
from restora.jpeg.coefficients import Coefficients, read_coefficients
from restora.jpeg.facts import JpegFacts
from restora.jpeg.planes import NoBins
from restora.jpeg.projection import Counts, Floats, Part, cells, outside, pick, project

__all__ = ["Bins", "NoBins", "constrain", "inside_share", "read_bins"]

# Writing 8 bits disturbs each coefficient by 0.2 to 0.4 on average. How far inside its bin one has
# to be to stay there differs from block to block, so several margins are tried in turn.
_MARGINS = (1.0, 1.5, 0.5, 0.2) * 6
_BEYOND = 1.4  # steps longer than to the goal arrive sooner; twice as long would be too much
# How much a block's coefficients change, in steps and root mean square, when what fills it beyond
# the edge is replaced by repeated pixels. Up to 1.2 where that is how it was filled.
_FILLING_LIMIT = 1.25
_PART_PX = 1 << 17


@dataclass(frozen=True, eq=False)
class Bins:
    """The bins of one file.

    Attributes:
        width_px: Of the picture as stored.
        height_px: The same.
        components: Luma, or luma and both chromas; the blocks fill whole coding units, and what was
            added for that is not known.
    """

    width_px: int
    height_px: int
    components: tuple[Coefficients, ...]

    @property
    def unit_px(self) -> tuple[int, int]:
        """Height and width of a coding unit."""
        across, down = self.components[-1].ratio
        return dct.BLOCK_PX * down, dct.BLOCK_PX * across


def read_bins(data: bytes, facts: JpegFacts) -> Bins:
    """Read the bins of a file.

    Args:
        data: The whole file.
        facts: What :func:`restora.jpeg.inspect` says about it.

    Raises:
        NoBins: The file does not allow it: CMYK, RGB, 12 bits, arithmetic coding, an unusual
            sampling, or damage. The message says which, as what follows "because".
    """
    found = tuple(
        _without_odd_edges(component, facts) for component in read_coefficients(data, facts)
    )
    across, down = found[-1].ratio
    rows = -(-facts.height_px // (dct.BLOCK_PX * down)) * down
    columns = -(-facts.width_px // (dct.BLOCK_PX * across)) * across
    components = tuple(
        _filled_up(component, rows // component.ratio[1], columns // component.ratio[0])
        for component in found
    )
    return Bins(facts.width_px, facts.height_px, components)


def constrain(
    pixels: Floats,
    bins: Bins,
    *,
    mode: Literal["soft", "hard"] = "soft",
    half_width: float = 0.5,
    bits: Literal[8, 16] = 8,
    out: Floats | None = None,
) -> Floats:
    """Keep a restored picture to what its file says.

    ``soft`` projects once: the smallest change that brings every coefficient into its bin. What
    clipping to 0-1 and rounding the result undo of that stays undone, and so does what blocks at
    the edges lack.

    ``hard`` sees to it that the picture *as it will be written* is inside: saved with the file's
    tables, it would give the file's own numbers again. Blocks that rounding or clipping took out of
    their bins are moved again. Up to quality 75 that succeeds everywhere, but for one coefficient
    in a million where colours are saturated; at 90 and more, steps of 1 to 3 are so fine that
    rounding keeps some outside. :func:`inside_share` says how many are inside in the end.

    Args:
        pixels: ``(H, W, 1 or 3)`` float32 in 0-1, gray or RGB as the file is, in stored orientation
            and of the file's size.
        bins: The file's, from :func:`read_bins`.
        mode: See above.
        half_width: In quantisation steps. 0.5 is the whole bin, as far as the truth may lie; less
            draws the picture closer to the file.
        bits: With ``hard``, what will be written. At 8 the result holds whole 255ths.
        out: Where the result goes, of the same shape; may be ``pixels`` itself. None: a new array.

    Returns:
        Pixels of the same shape.

    Raises:
        ValueError: The picture does not fit the bins.
    """
    _check(pixels, bins)
    if out is None:
        out = np.empty_like(pixels)
    for area, part in _parts(bins):
        levels = project(pixels[area] * np.float32(255), part, half_width=half_width)
        np.clip(levels, 0, 255, out=levels)
        if mode == "hard":
            levels, _ = _held(levels, part, _MARGINS, half_width=half_width, bits=bits)
        np.divide(levels, np.float32(255), out=out[area])
    return out


def inside_share(pixels: Floats, bins: Bins) -> float:
    """Share of the known coefficients that are inside their bins once written with 8 bits.

    Inside means that an encoder like libjpeg, given these pixels and the file's tables, would write
    the file's own number. Blocks at the edges count like all others.

    Args:
        pixels: ``(H, W, 1 or 3)`` float32 in 0-1, as in :func:`constrain`.
        bins: The file's, from :func:`read_bins`.

    Returns:
        0-1, luma and chroma together; 1 where no coefficient is known.

    Raises:
        ValueError: The picture does not fit the bins.
    """
    _check(pixels, bins)
    known = off = 0
    for area, part in _parts(bins):
        levels = np.rint(np.clip(pixels[area], 0, 1) * np.float32(255))
        off += sum(int(flags.sum()) for flags in outside(levels, part, bits=8))
        known += sum(int(component.known.sum()) for component in part.components)
    return 1 - off / known if known else 1.0


def _check(pixels: Floats, bins: Bins) -> None:
    shape = (bins.height_px, bins.width_px, len(bins.components))
    if pixels.shape != shape or pixels.dtype != np.float32:
        raise ValueError(
            f"the file's pixels are {shape} float32, not {pixels.shape} {pixels.dtype}"
        )


def _without_odd_edges(component: Coefficients, facts: JpegFacts) -> Coefficients:
    """Mark blocks as unknown that were not filled by repeating the last pixels."""
    across, down = component.ratio
    rows, columns = component.known.shape[:2]
    height = -(-facts.height_px // down) - (rows - 1) * dct.BLOCK_PX
    width = -(-facts.width_px // across) - (columns - 1) * dct.BLOCK_PX
    known = component.known.copy()
    if height < dct.BLOCK_PX:
        known[-1, _oddly_filled(component, (slice(-1, None), slice(None)), height, width)[0]] = (
            False
        )
    if width < dct.BLOCK_PX:
        odd = _oddly_filled(component, (slice(None), slice(-1, None)), height, width)[:, 0]
        known[odd, -1] = False
    return Coefficients(component.quantised, known, component.table, component.ratio)


def _oddly_filled(
    component: Coefficients, where: tuple[slice, slice], height: int, width: int
) -> NDArray[np.bool_]:
    """Which blocks of an edge were not filled by repeating the last pixels.

    Args:
        component: All blocks.
        where: The last row or column of them.
        height: Of the very last block, as far as it is inside the picture.
        width: The same.
    """
    matrix = dct.dct_matrix().astype(np.float32)
    coefficients = component.quantised[where] * component.table
    plane = dct.from_blocks(dct.inverse(coefficients, matrix))
    beyond = dct.BLOCK_PX - height, dct.BLOCK_PX - width
    inside = plane[: plane.shape[0] - beyond[0], : plane.shape[1] - beyond[1]]
    filled = np.pad(inside, ((0, beyond[0]), (0, beyond[1])), mode="edge")
    change = (dct.forward(dct.to_blocks(filled), matrix) - coefficients) / component.table
    odd: NDArray[np.bool_] = np.square(change).mean(axis=(2, 3)) > _FILLING_LIMIT**2
    return odd


def _filled_up(component: Coefficients, rows: int, columns: int) -> Coefficients:
    """With unknown blocks at the end, so that the blocks fill whole coding units."""
    more = (rows - component.known.shape[0], columns - component.known.shape[1])
    if more == (0, 0):
        return component
    around = ((0, more[0]), (0, more[1]), (0, 0), (0, 0))
    return Coefficients(
        np.pad(component.quantised, around),
        np.pad(component.known, around),
        component.table,
        component.ratio,
    )


def _parts(bins: Bins) -> Iterator[tuple[tuple[slice, slice], Part]]:
    """The picture in parts of bounded size: where each lies, and its bins.

    Coding units that reach beyond the picture are parts of their own.
    """
    unit_height, unit_width = bins.unit_px
    whole_rows, whole_columns = bins.height_px // unit_height, bins.width_px // unit_width
    at_once = max(1, _PART_PX // (unit_height * bins.width_px))
    bands = [(top, min(top + at_once, whole_rows), True) for top in range(0, whole_rows, at_once)]
    if bins.height_px % unit_height:
        bands.append((whole_rows, whole_rows + 1, False))
    for top, bottom, high in bands:
        spans = [(0, whole_columns, True)] if whole_columns else []
        if bins.width_px % unit_width:
            spans.append((whole_columns, whole_columns + 1, False))
        for left, right, wide in spans:
            area = (
                slice(top * unit_height, min(bottom * unit_height, bins.height_px)),
                slice(left * unit_width, min(right * unit_width, bins.width_px)),
            )
            blocks = (
                _cut(component, bins.unit_px, (top, bottom), (left, right))
                for component in bins.components
            )
            yield area, Part(tuple(blocks), whole=high and wide)


def _cut(
    component: Coefficients,
    unit_px: tuple[int, int],
    rows: tuple[int, int],
    columns: tuple[int, int],
) -> Coefficients:
    """The blocks of some coding units; views, nothing is copied."""
    high = unit_px[0] // (dct.BLOCK_PX * component.ratio[1])
    wide = unit_px[1] // (dct.BLOCK_PX * component.ratio[0])
    here = (
        slice(rows[0] * high, rows[1] * high),
        slice(columns[0] * wide, columns[1] * wide),
    )
    return Coefficients(
        component.quantised[here], component.known[here], component.table, component.ratio
    )


def _held(
    levels: Floats, part: Part, margins: tuple[float, ...], *, half_width: float, bits: int
) -> tuple[Floats, Counts]:
    """Pixels as they will be written, inside their bins as far as can be had.

    Coding units that writing takes out of their bins are moved by what the *written* pixels lack,
    again and again, a margin each.

    Returns:
        Levels ``(h, w, C)``, whole if ``bits`` is 8, and how many coefficients of each coding unit
        are still outside.
    """
    written = np.rint(levels) if bits == 8 else levels.copy()
    missed = part.count(outside(written, part, bits=bits, strict=True))
    bad = missed > 0
    if not margins or not bad.any():
        return written, missed
    if part.whole:  # coding units do not know of each other, so only the bad ones go on
        here, start, now = part.only(bad), pick(levels, bad), pick(written, bad)
    else:
        here, start, now = part, levels, written
    aim = project(now, here, half_width=half_width, margin=margins[0], rounded=bits == 8)
    start += _BEYOND * (aim - now)
    np.clip(start, 0, 255, out=start)
    again, still = _held(start, here, margins[1:], half_width=half_width, bits=bits)
    if part.whole:
        better = still[:, 0] < missed[bad]
        units = cells(written, bad)
        bad[bad] = better
        units[bad] = again.reshape(-1, *units.shape[2:])[better]
        missed[bad] = still[better, 0]
        return written, missed
    across, down = part.ratio
    better = (still < missed).repeat(dct.BLOCK_PX * down, 0).repeat(dct.BLOCK_PX * across, 1)
    shown = better[: len(written), : written.shape[1], None]
    return np.where(shown, again, written), np.minimum(still, missed)
