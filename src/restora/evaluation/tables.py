"""A report as a table: ours above, the published rows below, for a terminal or for Markdown."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

from restora.evaluation.metrics import METRICS
from restora.evaluation.published import Figures, Published, published
from restora.evaluation.report import PLAIN_JPEG, Report, Row, gains

__all__ = ["gain_markdown", "gain_table", "markdown", "quality_markdown", "quality_table", "table"]

_PSNR = METRICS[0]
_NOTHING = "-"
_STAR = "*: one model for each quality, told which."


@dataclass(frozen=True, slots=True)
class _Grid:
    """A table before it is drawn: a heading row, our rows, the published rows, lines below."""

    title: str
    heading: tuple[str, ...]
    measured: tuple[tuple[str, ...], ...]
    quoted: tuple[tuple[str, ...], ...] = ()
    notes: tuple[str, ...] = ()


def table(report: Report) -> Table:
    """Methods down, JPEG qualities across, cells ``PSNR | SSIM | PSNR-B``; for a terminal."""
    return _drawn(_figures(report))


def markdown(report: Report) -> str:
    """The same as Markdown, with the sources of the published rows below."""
    return _written(_figures(report))


def gain_table(report: Report) -> Table:
    """What every method adds to the plain JPEG of its own source, in dB of PSNR; for a terminal."""
    return _drawn(_gains(report))


def gain_markdown(report: Report) -> str:
    """The same as Markdown."""
    return _written(_gains(report))


def quality_table(report: Report) -> Table:
    """How far the estimated quality was off, in points of quality; for a terminal."""
    return _drawn(_quality_errors(report))


def quality_markdown(report: Report) -> str:
    """The same as Markdown."""
    return _written(_quality_errors(report))


def _figures(report: Report) -> _Grid:
    measured = []
    for method in report.methods:
        cells = [_cell(report.row(method, quality)) for quality in report.qualities]
        measured.append((method, *cells, _speed(report, method)))
    quoted = published(report.protocol, report.set)
    return _Grid(
        title=f"{_title(report)}: PSNR | SSIM | PSNR-B",
        heading=("method", *_quality_heads(report), "s/MP"),
        measured=tuple(measured),
        quoted=tuple(
            (_quoted_name(row), *(_cell(row.figures.get(q)) for q in report.qualities), _NOTHING)
            for row in quoted
        ),
        notes=tuple(_notes(quoted)),
    )


def _gains(report: Report) -> _Grid:
    quoted = published(report.protocol, report.set)
    plain = next((row.figures for row in quoted if row.method == PLAIN_JPEG), {})
    ours = {(gain.method, gain.quality): gain.psnr for gain in gains(report)}
    return _Grid(
        title=f"{_title(report)}: PSNR over the plain JPEG, dB",
        heading=("method", *_quality_heads(report)),
        measured=tuple(
            (method, *(_signed(ours.get((method, quality))) for quality in report.qualities))
            for method in report.methods
            if method != PLAIN_JPEG
        ),
        quoted=tuple(
            (
                _quoted_name(row),
                *(_signed(_step(row.figures.get(q), plain.get(q))) for q in report.qualities),
            )
            for row in quoted
            if row.method != PLAIN_JPEG
        ),
        notes=(_STAR,) if any(row.per_quality for row in quoted) else (),
    )


def _quality_errors(report: Report) -> _Grid:
    errors = report.quality_errors
    return _Grid(
        title=f"{report.protocol} on {report.set}: estimated quality, points off",
        heading=("", *(f"QF {error.quality}" for error in errors)),
        measured=(
            ("mean absolute error", *(f"{error.mean_absolute_error:.2f}" for error in errors)),
            ("bias", *(f"{error.bias:+.2f}" for error in errors)),
        ),
    )


def _title(report: Report) -> str:
    counts = sorted({row.n for row in report.rows})
    pictures = f", {'/'.join(str(n) for n in counts)} pictures" if counts else ""
    return f"{report.protocol} on {report.set}{pictures}"


def _quality_heads(report: Report) -> tuple[str, ...]:
    return tuple(f"QF {quality}" for quality in report.qualities)


def _quoted_name(row: Published) -> str:
    return f"{row.label} (published)"


def _cell(figures: Row | Figures | None) -> str:
    if figures is None:
        return _NOTHING
    values = [(metric, getattr(figures, metric.name)) for metric in METRICS]
    return " | ".join(_NOTHING if v is None else metric.text(v) for metric, v in values)


def _step(figures: Figures | None, base: Figures | None) -> float | None:
    if figures is None or base is None or figures.psnr is None or base.psnr is None:
        return None
    return figures.psnr - base.psnr


def _signed(gain: float | None) -> str:
    return _NOTHING if gain is None or math.isnan(gain) else _PSNR.text(gain, sign=True)


def _speed(report: Report, method: str) -> str:
    """Seconds a megapixel over all qualities, which share their pictures."""
    figures = [row.seconds_per_megapixel for row in report.rows if row.method == method]
    known = [figure for figure in figures if figure is not None]
    return f"{sum(known) / len(known):.2f}" if known else _NOTHING


def _notes(rows: tuple[Published, ...]) -> Iterator[str]:
    """One line a source, then what is special about a row."""
    sources: dict[str, list[str]] = {}
    for row in rows:
        sources.setdefault(row.source, []).append(row.label)
    for source, labels in sources.items():
        yield f"{', '.join(labels)}: {source}."
    if any(row.per_quality for row in rows):
        yield _STAR
    for row in rows:
        if row.note:
            yield f"{row.label}: {row.note}"


def _drawn(grid: _Grid) -> Table:
    drawn = Table(title=Text(grid.title), title_justify="left", caption_justify="left")
    drawn.caption = Text("\n".join(grid.notes)) if grid.notes else None
    for i, head in enumerate(grid.heading):
        drawn.add_column(head, justify="left" if i == 0 else "right")
    for row in grid.measured:
        drawn.add_row(*map(Text, row))  # Text: a name may hold what rich takes for markup
    if grid.quoted:
        drawn.add_section()
    for row in grid.quoted:
        drawn.add_row(*map(Text, row), style="dim")
    return drawn


def _written(grid: _Grid) -> str:
    def line(cells: tuple[str, ...]) -> str:
        return "| " + " | ".join(_escaped(cell) for cell in cells) + " |"

    lines = [f"**{_escaped(grid.title)}**", "", line(grid.heading)]
    lines.append("| --- |" + " ---: |" * (len(grid.heading) - 1))
    lines.extend(line(row) for row in (*grid.measured, *grid.quoted))
    if grid.notes:
        lines.extend(["", *(f"- {_escaped(note)}" for note in grid.notes)])
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("|", r"\|").replace("*", r"\*")
