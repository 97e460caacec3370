"""A report on real-world restoration as tables: means by damage, then differences."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from restora.evaluation.context_ablation import RESAMPLES
from restora.evaluation.grid import Grid
from restora.evaluation.perceptual_scores import Column
from restora.evaluation.real_world_report import (
    INPUT,
    SYNTHETIC,
    RealWorldDifference,
    RealWorldReport,
)

__all__ = ["real_world_grids"]

_NOTHING = "-"
_ARROWS = {"higher": " ↑", "lower": " ↓", None: ""}
_ONLY_KEPT = ("psnr_y", "ssim_y")  # their differences stand in the JSON
_INTERVAL = (
    f"In brackets the 95 % interval of the mean: {RESAMPLES:,} paired draws of the pictures with "
    "replacement. One that holds 0 shows no difference."
)


def real_world_grids(report: RealWorldReport) -> tuple[Grid, ...]:
    """All tables of a report."""
    return _means(report), _differences(report)


def _means(report: RealWorldReport) -> Grid:
    every = [setting for setting in report.settings if setting in SYNTHETIC]
    groups = [(setting, [setting]) for setting in report.settings]
    if len(every) > 1:
        groups.append(("mean", every))
    first, *others = report.columns
    timed = report.protocol == "real-world"
    return Grid(
        title=_title(report),
        heading=(
            *("damage", "method", "n", _head(first), "gain"),
            *(_head(column) for column in others),
            *(["s/MP"] if timed else []),
        ),
        measured=tuple(
            (
                *(name, method, str(_pictures(report, settings, method))),
                _cell(report, settings, method, first),
                _gain(report, settings, method, first),
                *(_cell(report, settings, method, column) for column in others),
                *([_speed(report, settings, method)] if timed else []),
            )
            for name, settings in groups
            for method in report.methods
        ),
        notes=tuple(_notes(report, every)),
    )


def _differences(report: RealWorldReport) -> Grid:
    """A line for two methods at one damage; of a network's parts only over all damage."""
    columns = [column for column in report.columns if column.name not in _ONLY_KEPT]
    lines = dict.fromkeys((d.setting, d.method, d.base) for d in report.differences)
    if report.protocol == "priors" and any(setting is None for setting, *_ in lines):
        lines = dict.fromkeys(line for line in lines if line[0] is None)
    found = {(d.setting, d.method, d.base, d.score): d for d in report.differences}
    return Grid(
        title=f"{_title(report)}: differences",
        heading=("damage", "difference", *(_head(column) for column in columns)),
        measured=tuple(
            (
                "all" if setting is None else setting,
                f"{method} − {base}",
                *(
                    _interval(found.get((setting, method, base, column.name)), column)
                    for column in columns
                ),
            )
            for setting, method, base in lines
        ),
        notes=(
            _INTERVAL,
            *(["all: a picture's mean over the damages, then the pictures."]
              if any(setting is None for setting, *_ in lines) else []),
        ),
    )  # fmt: skip


def _notes(report: RealWorldReport, every: Sequence[str]) -> Iterator[str]:
    yield from report.notes
    if every:
        yield (
            "x1, x2, x4: how much smaller the chain of blur, resizing, noise and JPEG has made "
            "the picture before it enlarged it again; light: numbers nearer to everyday pictures; "
            "x4 full: as published."
        )
    if len(every) > 1:
        yield "mean: each damage counts alike."
    yield f"gain: {report.columns[0].label} less that of the {INPUT}."
    yield from (f"{c.label}: {c.meaning}." for c in report.columns if c.meaning)
    told = ", ".join(f"{name} {digest}" for name, digest in report.damage.items())
    yield f"Degraded pictures, by their hash: {told}; where it differs, figures do not compare."


def _title(report: RealWorldReport) -> str:
    what = "real-world" if report.protocol == "real-world" else "priors"
    return f"{what} on {report.set}, {report.model}"


def _head(column: Column) -> str:
    return f"{column.label}{_ARROWS[column.better]}"


def _value(report: RealWorldReport, settings: Sequence[str], method: str, column: Column) -> float:
    return float(np.mean([report.mean(each, method, column.name) for each in settings]))


def _cell(report: RealWorldReport, settings: Sequence[str], method: str, column: Column) -> str:
    return f"{_value(report, settings, method, column):.{column.digits}f}"


def _gain(report: RealWorldReport, settings: Sequence[str], method: str, column: Column) -> str:
    if method == INPUT:
        return _NOTHING
    after, before = (_value(report, settings, each, column) for each in (method, INPUT))
    if math.isinf(after) and math.isinf(before):
        return _NOTHING
    return f"{after - before:+.{column.digits}f}"


def _pictures(report: RealWorldReport, settings: Sequence[str], method: str) -> int:
    return len({row.picture for each in settings for row in report.rows_of(each, method)})


def _speed(report: RealWorldReport, settings: Sequence[str], method: str) -> str:
    rows = [row for each in settings for row in report.rows_of(each, method)]
    if any(row.seconds is None for row in rows):
        return _NOTHING
    seconds = sum(row.seconds or 0 for row in rows)
    return f"{seconds / sum(row.megapixels for row in rows):.2f}"


def _interval(found: RealWorldDifference | None, column: Column) -> str:
    if found is None:
        return _NOTHING
    digits = column.digits
    if found.n < 2:
        return f"{found.mean:+.{digits}f}"
    return f"{found.mean:+.{digits}f} [{found.low:+.{digits}f}, {found.high:+.{digits}f}]"
