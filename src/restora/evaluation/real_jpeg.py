"""Real JPEG files, of which nobody has the clean picture: what a repair can be seen to do.

Without a reference there is no PSNR. What can be told: how many files could be repaired, which
quality was read or found, how strong the edges of the 8x8 blocks are before and after (the blocking
effect factor of PSNR-B, on luma), and how much the picture changed. Less blocking with little
change is good; a blur lowers the blocking too, so this is a check, not a ranking.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from restora.errors import RestoraError, UsageError
from restora.evaluation.grid import Grid
from restora.evaluation.metrics import blocking_effect, studio_luma
from restora.evaluation.report import Environment

__all__ = ["FOLDER", "RealOutcome", "RealReport", "RealRow", "measure_real", "real_grids"]

FOLDER = "real_jpeg"
"""Where the files lie under the data folder."""

_SUFFIXES = frozenset({".jpg", ".jpeg"})
_SMALLEST_PX = 8
_NOTHING = "-"
_NOTES = (
    "saved at: the quality the header states, ~ where its tables are not libjpeg's; earlier: the "
    "quality of a harder save before it, where one was found; used: what the network was told.",
    "BEF: blocking effect factor on luma, squared levels of 255, 0 is no block edge more than any "
    "other.",
    "change: mean absolute difference of all samples, levels of 255.",
)


@dataclass(frozen=True, slots=True)
class RealOutcome:
    """One file repaired.

    Attributes:
        before: The picture as it was, ``(H, W)`` gray or ``(H, W, 3)`` RGB, uint8 0-255, as
            stored: turned by EXIF its block grid would turn too.
        after: The repaired one, of the same shape.
        saved_at: The quality the header states, 1-100; ``None`` if it states none.
        exact: Whether the header's tables are libjpeg's of that quality.
        earlier: The quality of an earlier, harder save, if one was found.
        used: The quality the network was told, 1-100; ``None`` where it decided by itself.
    """

    before: NDArray[np.uint8]
    after: NDArray[np.uint8]
    saved_at: int | None = None
    exact: bool = True
    earlier: float | None = None
    used: float | None = None


RestoreReal = Callable[[bytes], RealOutcome]
"""A file's bytes in, what became of it out; a :class:`RestoraError` is a file that failed."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RealRow(_Record):
    """One file and one method; figures are ``None`` where the file failed."""

    file: str
    method: str
    failure: str | None = None
    megapixels: float | None = None
    saved_at: int | None = None
    exact: bool = True
    earlier: float | None = None
    used: float | None = None
    bef_before: float | None = Field(None, description="squared levels of 255")
    bef_after: float | None = None
    change: float | None = Field(None, description="mean absolute difference, levels of 255")
    seconds: float | None = None


class RealReport(_Record):
    """What :func:`measure_real` found."""

    protocol: str = "real"
    rows: tuple[RealRow, ...]
    notes: tuple[str, ...] = ()
    environment: Environment


def measure_real(
    data: Path,
    restorers: Mapping[str, RestoreReal],
    *,
    limit: int | None = None,
    notes: Sequence[str] = (),
    progress: Callable[[int, int], None] = lambda *_: None,
) -> RealReport:
    """Repair every JPEG file of ``data / FOLDER`` by every method.

    Args:
        data: Folder that holds the test sets.
        restorers: The methods, by the name for the table.
        limit: Only the first so many files.
        notes: Sentences about the methods for the report.
        progress: Told how many of how many repairs are done.

    Raises:
        UsageError: There are no such files, or ``limit`` is under 1.
    """
    if limit is not None and limit < 1:
        raise UsageError(f"A limit of {limit} pictures leaves none; the least is 1.")
    folder = data / FOLDER
    found = folder.iterdir() if folder.is_dir() else iter(())
    paths = sorted(path for path in found if path.suffix.lower() in _SUFFIXES)[:limit]
    if not paths:
        raise UsageError(f"There are no JPEG files in {folder}.")
    total = len(paths) * len(restorers)
    progress(0, total)
    rows = []
    for row in _rows(paths, restorers):
        rows.append(row)
        progress(len(rows), total)
    return RealReport(rows=tuple(rows), notes=tuple(notes), environment=Environment.here())


def real_grids(report: RealReport) -> tuple[Grid, ...]:
    """The report as two tables: the mean of each method, then file by file."""
    methods = tuple(dict.fromkeys(row.method for row in report.rows))
    head = ("method", "restored", "earlier saves", "BEF before", "BEF after", "change", "s/MP")
    sums = Grid(
        title="real-jpeg: JPEG files without a reference",
        heading=head,
        measured=tuple(_sum([row for row in report.rows if row.method == m]) for m in methods),
        notes=(*report.notes, *_NOTES),
    )
    heading = ("file", "saved at", "earlier", "used", "BEF before", "BEF after", "change")
    files = (
        Grid(
            title=f"real-jpeg: {method}, file by file",
            heading=heading,
            measured=tuple(_line(row) for row in report.rows if row.method == method),
        )
        for method in methods
    )
    return (sums, *files)


def _rows(paths: Sequence[Path], restorers: Mapping[str, RestoreReal]) -> Iterator[RealRow]:
    for path in paths:
        for method, restore in restorers.items():
            started = time.perf_counter()
            try:
                outcome = restore(path.read_bytes())
            except (RestoraError, OSError) as error:
                yield RealRow(file=path.name, method=method, failure=str(error))
                continue
            seconds = time.perf_counter() - started
            yield RealRow(
                file=path.name,
                method=method,
                megapixels=outcome.before.shape[0] * outcome.before.shape[1] / 1e6,
                saved_at=outcome.saved_at,
                exact=outcome.exact,
                earlier=outcome.earlier,
                used=outcome.used,
                bef_before=_blocking(outcome.before),
                bef_after=_blocking(outcome.after),
                change=_change(outcome.before, outcome.after),
                seconds=seconds,
            )


def _blocking(picture: NDArray[np.uint8]) -> float | None:
    if min(picture.shape[:2]) < _SMALLEST_PX:
        return None
    return blocking_effect(picture if picture.ndim == 2 else studio_luma(picture))


def _change(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> float:
    return float(np.abs(before.astype(np.int16) - after).mean())


def _sum(rows: Sequence[RealRow]) -> tuple[str, ...]:
    done = [row for row in rows if row.failure is None]
    seconds = sum(row.seconds or 0 for row in done)
    megapixels = sum(row.megapixels or 0 for row in done)
    return (
        rows[0].method,
        f"{len(done)} of {len(rows)}",
        str(sum(row.earlier is not None for row in done)),
        _mean([row.bef_before for row in done]),
        _mean([row.bef_after for row in done]),
        _mean([row.change for row in done]),
        f"{seconds / megapixels:.2f}" if megapixels else _NOTHING,
    )


def _line(row: RealRow) -> tuple[str, ...]:
    if row.failure is not None:
        return (f"{row.file}: {row.failure}", *[_NOTHING] * 6)
    saved = _NOTHING if row.saved_at is None else f"{'' if row.exact else '~'}{row.saved_at}"
    return (
        row.file,
        saved,
        _text(row.earlier, digits=0),
        _text(row.used, digits=0),
        _text(row.bef_before, digits=2),
        _text(row.bef_after, digits=2),
        _text(row.change, digits=2),
    )


def _mean(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{sum(known) / len(known):.2f}" if known else _NOTHING


def _text(value: float | None, *, digits: int) -> str:
    return _NOTHING if value is None else f"{value:.{digits}f}"
