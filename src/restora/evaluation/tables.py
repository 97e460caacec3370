"""A report as tables: our rows above, the published ones below."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from restora.evaluation.baseline import check_baseline
from restora.evaluation.grid import Grid
from restora.evaluation.metrics import METRICS, Metric
from restora.evaluation.published import Figures, Published, plain_rows, published
from restora.evaluation.report import PLAIN_JPEG, Report, Row, gains
from restora.evaluation.settings import Setting

__all__ = ["figures", "gain_figures", "quality_figures", "report_grids"]

_PSNR = METRICS[0]
_NOTHING = "-"
_STAR = "*: one model for each quality, told which."
_WIDEST = 6  # settings whose three figures still stand in one table


def report_grids(report: Report) -> tuple[Grid, ...]:
    """All tables of a report; the last that is published has the notes and sources below it."""
    grids = [*figures(report), gain_figures(report)]
    if report.quality_errors:
        grids.append(quality_figures(report))
    return tuple(grid for grid in grids if grid.measured)


def figures(report: Report) -> tuple[Grid, ...]:
    """Methods down, settings across.

    Cells are ``PSNR | SSIM | PSNR-B``; where the settings are too many for that, each metric has a
    table of its own.
    """
    if len(report.settings) <= _WIDEST:
        return (_figures(report, METRICS, last=True),)
    return tuple(_figures(report, (m,), last=m is METRICS[-1]) for m in METRICS)


def gain_figures(report: Report) -> Grid:
    """What every method adds to the plain JPEG of its own source, in dB of PSNR.

    A published method whose source has no such row is held against the referee's.
    """
    quoted = _quoted(report)
    plain = reversed(plain_rows(report.protocol, report.set))  # the published one has the last word
    base = {setting: found for row in plain for setting, found in row.figures.items()}
    ours = {(gain.method, gain.setting): gain.psnr for gain in gains(report)}
    rows = [
        (_quoted_name(row), [_step(row.figures.get(s), base.get(s)) for s in report.settings])
        for row in quoted
        if row.method != PLAIN_JPEG
    ]
    return Grid(
        title=f"{_title(report)}: PSNR over the plain JPEG, dB",
        heading=("method", *_heads(report)),
        measured=tuple(
            (method, *(_signed(ours.get((method, setting))) for setting in report.settings))
            for method in report.methods
            if method != PLAIN_JPEG
        ),
        quoted=tuple(
            (name, *map(_signed, steps))
            for name, steps in rows
            if any(step is not None for step in steps)
        ),
        notes=(_STAR,) if any(row.per_quality for row in quoted) else (),
    )


def quality_figures(report: Report) -> Grid:
    """How far the estimated quality was off, in points of quality."""
    errors = report.quality_errors
    return Grid(
        title=f"{report.protocol} on {report.set}: estimated quality, points off",
        heading=("", *(f"QF {error.quality}" for error in errors)),
        measured=(
            ("mean absolute error", *(f"{error.mean_absolute_error:.2f}" for error in errors)),
            ("bias", *(f"{error.bias:+.2f}" for error in errors)),
        ),
    )


def _figures(report: Report, metrics: Sequence[Metric], *, last: bool) -> Grid:
    """One table of some metrics; the last one of a report carries the speed and the notes."""
    measured = []
    for method in report.methods:
        cells = [_cell(report.row(method, setting), metrics) for setting in report.settings]
        measured.append((method, *cells, *([_speed(report, method)] if last else [])))
    quoted = _quoted(report)
    return Grid(
        title=f"{_title(report)}: {' | '.join(metric.label for metric in metrics)}",
        heading=("method", *_heads(report), *(["s/MP"] if last else [])),
        measured=tuple(measured),
        quoted=tuple(
            (
                _quoted_name(row),
                *(_cell(row.figures.get(setting), metrics) for setting in report.settings),
                *([_NOTHING] if last else []),
            )
            for row in quoted
        ),
        notes=tuple(_notes(report, quoted)) if last else (),
    )


def _quoted(report: Report) -> tuple[Published, ...]:
    """The published rows with a figure at a setting of the report."""
    return tuple(
        row
        for row in published(report.protocol, report.set)
        if any(setting in row.figures for setting in report.settings)
    )


def _title(report: Report) -> str:
    counts = sorted({row.n for row in report.rows})
    noun = "picture" if counts == [1] else "pictures"
    pictures = f", {'/'.join(str(n) for n in counts)} {noun}" if counts else ""
    twice = ""
    if any(setting.earlier is not None for setting in report.settings):
        twice = f", saved twice, {_shifts(report)}"
    return f"{report.protocol} on {report.set}{pictures}{twice}"


def _heads(report: Report) -> tuple[str, ...]:
    """A column's heading; the grid shift stands in the title where all columns share it."""
    together = len({setting.shift_px for setting in report.settings}) == 1
    return tuple(_head(setting, together=together) for setting in report.settings)


def _head(setting: Setting, *, together: bool) -> str:
    if setting.earlier is None:
        return str(setting)
    shift = "" if together else " at {}, {}".format(*setting.shift_px)
    return f"{setting.earlier}, {setting.quality}{shift}"


def _shifts(report: Report) -> str:
    """What the headings of pictures saved twice mean."""
    shifts = tuple(dict.fromkeys(setting.shift_px for setting in report.settings))
    if len(shifts) == 1:
        return "grid shift ({}, {}), columns QF1, QF2".format(*shifts[0])
    return "columns QF1, QF2 at the grid shift h, w"


def _quoted_name(row: Published) -> str:
    return f"{row.label} (published)"


def _cell(found: Row | Figures | None, metrics: Sequence[Metric]) -> str:
    if found is None:
        return _NOTHING
    values = [(metric, getattr(found, metric.name)) for metric in metrics]
    return " | ".join(_NOTHING if v is None else metric.text(v) for metric, v in values)


def _step(found: Figures | None, base: Figures | None) -> float | None:
    if found is None or base is None or found.psnr is None or base.psnr is None:
        return None
    return found.psnr - base.psnr


def _signed(gain: float | None) -> str:
    return _NOTHING if gain is None or math.isnan(gain) else _PSNR.text(gain, sign=True)


def _speed(report: Report, method: str) -> str:
    """Seconds a megapixel over all settings, which share their pictures."""
    known = [
        row.seconds_per_megapixel
        for row in report.rows
        if row.method == method and row.seconds_per_megapixel is not None
    ]
    return f"{sum(known) / len(known):.2f}" if known else _NOTHING


def _notes(report: Report, rows: Sequence[Published]) -> Iterator[str]:
    """What our rows did, what the plain JPEG agrees with, sources, what is special about a row."""
    yield from report.notes
    checked = check_baseline(report)
    yield from (*checked.agreed, *checked.wrong, *checked.gaps)
    sources: dict[str, list[str]] = {}
    for row in rows:
        sources.setdefault(row.source, []).append(row.label)
    for source, labels in sources.items():
        yield f"{', '.join(labels)}: {source}."
    if any(row.per_quality for row in rows):
        yield _STAR
    notes: dict[str, list[str]] = {}
    for row in rows:
        if row.note:
            notes.setdefault(row.note, []).append(row.label)
    for note, labels in notes.items():
        yield f"{', '.join(labels)}: {note}"
