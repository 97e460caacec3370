"""A perceptual report as tables: how it looks, how true it is, and what others published."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from restora.evaluation.grid import Grid
from restora.evaluation.perceptual import PerceptualReport, PerceptualRow
from restora.evaluation.perceptual_scores import Column
from restora.evaluation.published.perceptual import (
    PERCEPTUAL_SIZES,
    Perceptual,
    PublishedPerceptual,
    published_perceptual,
)

__all__ = ["perceptual_grids"]

_NOTHING = "-"
_ARROWS = {"higher": " ↑", "lower": " ↓", None: ""}
_PUBLISHED_HEADS = ("LPIPS ↓", "DISTS ↓", "MUSIQ ↑", "MANIQA ↑", "CLIPIQA ↑")
_DIGITS = (4, 4, 2, 4, 4)  # as the tables print them
_TOOLBOX = (
    "Published: pyiqa 0.1.13 as it comes, LPIPS with AlexNet; MUSIQ, MANIQA and CLIPIQA look at no "
    "clean picture. The columns above are other scores and are not to be held against these; "
    "--save writes the pictures for that toolbox."
)
_STAR = "*: retrained on this task by the table's authors."


def perceptual_grids(report: PerceptualReport) -> tuple[Grid, ...]:
    """All tables of a report; the published one only where somebody published the set."""
    grids = [_measured(report, "perceptual"), _measured(report, "fidelity")]
    quoted = published_perceptual(report.set)
    if any(quality in row.figures for row in quoted for quality in report.qualities):
        grids.append(_published(report, quoted))
    return tuple(grids)


def _measured(report: PerceptualReport, group: Literal["perceptual", "fidelity"]) -> Grid:
    """One group of columns; how true the results are comes with what they took."""
    columns = [column for column in report.columns if column.group == group]
    fidelity = group == "fidelity"
    heading = ("method", "QF", *(f"{c.label}{_ARROWS[c.better]}" for c in columns))
    notes = [f"{c.label}: {c.meaning}." for c in columns if c.meaning]
    return Grid(
        title=f"{_title(report)}: {'how true' if fidelity else 'how it looks'}",
        heading=(*heading, "s/MP") if fidelity else heading,
        measured=tuple(
            (
                row.method,
                str(row.quality),
                *(_cell(row, column) for column in columns),
                *([_speed(row)] if fidelity else []),
            )
            for row in report.rows
        ),
        notes=tuple(notes if fidelity else [*report.notes, *notes]),
    )


def _published(report: PerceptualReport, quoted: Sequence[PublishedPerceptual]) -> Grid:
    """The published figures; ours above them where a column is the same score."""
    ours = [row for row in report.rows if "dists" in row.scores]
    return Grid(
        title=f"{_title(report)}: published, other toolbox",
        heading=("method", "QF", *_PUBLISHED_HEADS),
        measured=tuple(
            (
                row.method,
                str(row.quality),
                *(f"{row.scores['dists']:.4f}" if head[:5] == "DISTS" else _NOTHING
                  for head in _PUBLISHED_HEADS),
            )
            for row in ours
        ),
        quoted=tuple(
            (f"{row.method} (published)", str(quality), *_figures(row.figures[quality]))
            for quality in report.qualities
            for row in quoted
            if quality in row.figures
        ),
        notes=tuple(_published_notes(report, quoted)),
    )  # fmt: skip


def _published_notes(
    report: PerceptualReport, quoted: Sequence[PublishedPerceptual]
) -> Iterator[str]:
    yield _TOOLBOX
    size = PERCEPTUAL_SIZES[report.set]
    counts = {row.n for row in report.rows}
    if counts != {size}:
        yield f"Published figures are means over all {size} pictures."
    sources: dict[str, list[str]] = {}
    for row in quoted:
        sources.setdefault(row.source, []).append(row.method)
    for source, methods in sources.items():
        yield f"{', '.join(methods)}: {source}."
    if any(row.method.endswith("*") for row in quoted):
        yield _STAR
    for row in quoted:
        if row.note:
            yield f"{row.method}: {row.note}"


def _title(report: PerceptualReport) -> str:
    counts = sorted({row.n for row in report.rows})
    noun = "picture" if counts == [1] else "pictures"
    return f"perceptual on {report.set}, {'/'.join(map(str, counts))} {noun}"


def _cell(row: PerceptualRow, column: Column) -> str:
    value = row.scores.get(column.name)
    return _NOTHING if value is None else f"{value:.{column.digits}f}"


def _figures(figures: Perceptual) -> tuple[str, ...]:
    pairs = zip(figures, _DIGITS, strict=True)
    return tuple(f"{value:.{digits}f}" for value, digits in pairs)


def _speed(row: PerceptualRow) -> str:
    seconds = row.seconds_per_megapixel
    return _NOTHING if seconds is None else f"{seconds:.2f}"
