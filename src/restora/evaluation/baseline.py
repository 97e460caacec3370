"""The plain JPEG of a report against the rows it must reproduce.

Figures are compared as the source prints them. Until they agree no other number of the report
counts: another codec, another luma or another metric moves every row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from restora.evaluation.metrics import METRICS, Metric
from restora.evaluation.published import SET_SIZES, Published, plain_rows
from restora.evaluation.report import PLAIN_JPEG, Report, Row
from restora.evaluation.settings import Setting

__all__ = ["Baseline", "check_baseline"]


@dataclass(frozen=True, slots=True)
class Baseline:
    """What the comparison of the plain JPEG found, in sentences.

    Attributes:
        wrong: What does not agree, or could not be compared though it is known.
        agreed: What agrees, with its source.
        gaps: Settings and metrics nobody has a figure for.
    """

    wrong: tuple[str, ...]
    agreed: tuple[str, ...]
    gaps: tuple[str, ...]


def check_baseline(report: Report) -> Baseline:
    """Compare the plain JPEG row of ``report`` with every row known for it.

    >>> from restora.evaluation.report import Environment
    >>> row = Row(method="JPEG", quality=10, psnr=27.766, ssim=0.7734, psnr_b=25.331, n=29)
    >>> made = Report(
    ...     protocol="jpeg-gray", set="live1", rows=(row,), environment=Environment.here()
    ... )
    >>> check_baseline(made).agreed[0][:60]
    'The plain JPEG is that of FBCNN repository (jiaxi-jiang/FBCN'
    """
    known = plain_rows(report.protocol, report.set)
    plain = {row.setting: row for row in report.rows if row.method == PLAIN_JPEG}
    covered = [s for s in report.settings if any(s in row.figures for row in known)]
    gaps = _gaps(report, [s for s in report.settings if s not in covered])
    if not covered:
        return Baseline((), (), gaps)
    complete = SET_SIZES[report.set]
    partial = {row.n for row in plain.values()} - {complete}
    if partial:
        counted = (
            f"{min(partial)} picture was"
            if min(partial) == 1
            else (f"{min(partial)} pictures were")
        )
        sentence = (
            f"{counted} measured, {report.set} has {complete}; the known row is the mean of all, "
            f"so nothing was checked."
        )
        return Baseline((sentence,), (), gaps)
    missing = [
        f"The plain JPEG was not measured at {setting}."
        for setting in covered
        if setting not in plain
    ]
    wrong, agreed = [*missing], []
    for row in known:
        compared = [s for s in covered if s in row.figures and s in plain]
        differing = [text for s in compared for text in _differences(row, s, plain[s])]
        wrong += differing
        if compared and not differing:
            agreed.append(_agreement(row, compared, every=len(compared) == len(plain)))
    return Baseline(tuple(wrong), tuple(agreed), gaps)


def _differences(row: Published, setting: Setting, ours: Row) -> list[str]:
    sentences = []
    for metric in _compared_metrics(row):
        theirs = getattr(row.figures[setting], metric.name)
        if theirs is None:
            continue
        digits = max(metric.digits, _digits(theirs))
        if f"{getattr(ours, metric.name):.{digits}f}" != f"{theirs:.{digits}f}":
            unit = f" {metric.unit}" if metric.unit else ""
            sentences.append(
                f"At {setting} the plain JPEG has {metric.label} "
                f"{getattr(ours, metric.name):.{digits}f}{unit} here, "
                f"{theirs:.{digits}f}{unit} in {row.source}."
            )
    return sentences


def _agreement(row: Published, settings: Sequence[Setting], *, every: bool) -> str:
    found = {m.label for m in _compared_metrics(row) if _has(row, settings, m)}
    metrics = ", ".join(m.label for m in METRICS if m.label in found)
    left_out = ", ".join(m.label for m in METRICS if m.name in row.unchecked)
    without = f"; {left_out} is left out, see the note" if left_out else ""
    return (
        f"The plain JPEG is that of {row.source} to the digit: {metrics} "
        f"{'in every column' if every else f'at {_listed(settings)}'}{without}."
    )


def _has(row: Published, settings: Sequence[Setting], metric: Metric) -> bool:
    return any(getattr(row.figures[setting], metric.name) is not None for setting in settings)


def _compared_metrics(row: Published) -> list[Metric]:
    return [metric for metric in METRICS if metric.name not in row.unchecked]


def _gaps(report: Report, settings: Sequence[Setting]) -> tuple[str, ...]:
    if not settings:
        return ()
    return (
        f"No plain JPEG row is known for {report.protocol} on {report.set} at "
        f"{_listed(settings)}, so nothing was checked there.",
    )


def _digits(figure: float) -> int:
    """Digits after the point that a figure was written with, but for zeros at its end."""
    return len(repr(figure).partition(".")[2])


def _listed(settings: Sequence[Setting]) -> str:
    """Settings in a row; ``QF`` stands once where all are of one save.

    >>> _listed([Setting(10), Setting(20)])
    'QF 10, 20'
    >>> _listed([Setting(10, 30, (4, 4)), Setting(30, 30, (0, 4))])
    'QF 30, 10 shift 4, 4; QF 30, 30 shift 0, 4'
    """
    if all(setting.earlier is None for setting in settings):
        return f"QF {', '.join(str(setting.quality) for setting in settings)}"
    return "; ".join(str(setting) for setting in settings)
