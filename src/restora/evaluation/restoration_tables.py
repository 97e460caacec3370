"""A report on restoration as tables: by task, by picture, and what others published."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from restora.evaluation.grid import Grid
from restora.evaluation.published.restoration import CAVEATS, published_restoration
from restora.evaluation.restoration import Figures, RestorationReport, RestorationRow
from restora.evaluation.restoration_sets import OWN_SETS
from restora.networks.sr_diff.tasks import Task

__all__ = ["restoration_grids"]

_NOTHING = "-"
_LONGEST = 60  # pictures that are still told one by one
_WORST_TOLD = 5
_MEASURE = (
    "No border is left out. RGB: PSNR over the three channels, SSIM the mean of theirs; Y: BT.601 "
    "studio luma, 8 bits. Means of the figures of the pictures."
)
_WORSE = "worse: pictures whose PSNR (RGB) fell."


def restoration_grids(report: RestorationReport) -> tuple[Grid, ...]:
    """All tables of a report.

    Published rows stand below only for a folder of the user's, and where somebody published the
    task: what the folder holds is not known here, and the table says what to hold them against.
    """
    grids = [_by_task(report)]
    pictures = {(row.task, row.picture) for row in report.rows}
    if len(pictures) <= _LONGEST:
        grids.append(_by_picture(report))
    if report.set not in OWN_SETS:
        grids += [_published(task) for task in report.tasks if published_restoration(task)]
    return tuple(grids)


def _by_task(report: RestorationReport) -> Grid:
    """A row for each task and number of steps; with several tasks one for all of them too."""
    rows = []
    for steps in report.steps:
        groups = [(task, _rows(report, steps, task)) for task in report.tasks]
        rows += [_line(task, steps, group) for task, group in groups]
        if len(groups) > 1:
            rows.append(_mean_line(steps, [group for _, group in groups]))
    rows.sort(key=lambda row: [*report.tasks, "mean"].index(row[0]))  # stable: steps stay in order
    return Grid(
        title=f"{_title(report)}: degraded → restored",
        heading=(
            *("task", "steps", "n", "PSNR", "gain, dB", "SSIM"),
            *("PSNR Y", "SSIM Y", "worse", "s/MP"),
        ),
        measured=tuple(rows),
        notes=tuple(_notes(report)),
    )


def _by_picture(report: RestorationReport) -> Grid:
    """A row for each picture: what it had, and what every number of steps makes of it."""
    pictures = dict.fromkeys((row.task, row.picture) for row in report.rows)
    lines = []
    for task, picture in pictures:
        cells = []
        for steps in report.steps:
            rows = [row for row in _rows(report, steps, task) if row.picture == picture]
            gain = _gain(rows)
            cells += [_cell(rows, _psnr, 2), f"{gain:+.2f}", _cell(rows, _ssim, 3)]
        before = next(r.before for r in report.rows if (r.task, r.picture) == (task, picture))
        lines.append((picture, task, f"{before.psnr:.2f}", f"{before.ssim:.3f}", *cells))
    heads = [
        head if len(report.steps) == 1 else f"{head}, steps {_steps(steps)}"
        for steps in report.steps
        for head in ("restored", "gain, dB", "SSIM after")
    ]
    return Grid(
        title=f"{_title(report)}: picture by picture, RGB",
        heading=("picture", "task", "PSNR", "SSIM", *heads),
        measured=tuple(lines),
    )


def _published(task: Task) -> Grid:
    rows = published_restoration(task)
    sets = ", ".join(dict.fromkeys(row.set for row in rows))
    sources: dict[str, list[str]] = {}
    for row in rows:
        sources.setdefault(row.source, []).append(row.method)
    return Grid(
        title=f"published for {task} on {sets}: only for a folder that holds all of that test set",
        heading=("method", "set", "PSNR", "SSIM", "channel"),
        measured=(),
        quoted=tuple(
            (
                f"{row.method} (published)",
                row.set,
                f"{'~' if row.read_off else ''}{row.psnr:g}",
                f"{'~' if row.read_off else ''}{row.ssim:g}",
                row.channel,
            )
            for row in rows
        ),
        notes=(
            *CAVEATS,
            *(f"{', '.join(methods)}: {source}." for source, methods in sources.items()),
            *(f"{row.method}: {row.note}" for row in rows if row.note),
        ),
    )


def _line(task: str, steps: int | None, rows: Sequence[RestorationRow]) -> tuple[str, ...]:
    seconds, megapixels = sum(r.seconds for r in rows), sum(r.megapixels for r in rows)
    pictures = _worse(rows)
    return (
        task,
        _steps(steps),
        str(len(pictures)),
        f"{_before(rows, _psnr):.2f} → {_cell(rows, _psnr, 2)}",
        f"{_gain(rows):+.2f}",
        f"{_before(rows, _ssim):.3f} → {_cell(rows, _ssim, 3)}",
        f"{_before(rows, _psnr_y):.2f} → {_cell(rows, _psnr_y, 2)}",
        f"{_before(rows, _ssim_y):.3f} → {_cell(rows, _ssim_y, 3)}",
        str(sum(pictures.values())),
        f"{seconds / megapixels:.2f}",
    )


def _mean_line(steps: int | None, groups: Sequence[Sequence[RestorationRow]]) -> tuple[str, ...]:
    """The mean of the tasks, each counting alike however many pictures it has."""

    def mean(value: Callable[[Sequence[RestorationRow]], float]) -> float:
        return float(np.mean([value(group) for group in groups]))

    def both(figure: Callable[[Figures], float], digits: int) -> str:
        before = mean(lambda rows: _before(rows, figure))
        after = mean(lambda rows: float(np.mean(_by_seed(rows, figure))))
        return f"{before:.{digits}f} → {after:.{digits}f}"

    worse = [_worse(group) for group in groups]
    return (
        *("mean", _steps(steps), str(sum(map(len, worse)))),
        both(_psnr, 2),
        f"{mean(_gain):+.2f}",
        *(both(_ssim, 3), both(_psnr_y, 2), both(_ssim_y, 3)),
        str(sum(sum(one.values()) for one in worse)),
        _NOTHING,
    )


def _notes(report: RestorationReport) -> Iterator[str]:
    seeds = ", ".join(map(str, report.seeds))
    draws = "single sample" if report.samples == 1 else f"mean of {report.samples} samples"
    if len(report.seeds) > 1:
        yield (
            f"{draws} of each of the seeds {seeds}: means, ± the standard deviation of the set's "
            "mean from seed to seed; none is picked."
        )
    else:
        yield f"{draws}, seed {seeds}."
    yield from (_MEASURE, _WORSE)
    if not report.told:
        right = sum(row.done_as == row.task for row in report.rows)
        yield (
            f"The task was not told: the tool took the right one in {right} of {len(report.rows)} "
            "results."
        )
    yield from report.notes
    for steps in report.steps:
        for task in report.tasks:
            fell = _worse(_rows(report, steps, task))
            worse = sorted(name for name, is_so in fell.items() if is_so)
            if worse:
                rest = len(worse) - _WORST_TOLD
                more = f" and {rest} more" if rest > 0 else ""
                at = "" if len(report.steps) == 1 else f", steps {_steps(steps)}"
                yield f"worse, {task}{at}: {', '.join(worse[:_WORST_TOLD])}{more}."


def _title(report: RestorationReport) -> str:
    return f"restoration on {report.set}, {report.model}"


def _rows(report: RestorationReport, steps: int | None, task: Task) -> list[RestorationRow]:
    return [row for row in report.rows if (row.steps, row.task) == (steps, task)]


def _steps(steps: int | None) -> str:
    return _NOTHING if steps is None else str(steps)


def _psnr(figures: Figures) -> float:
    return figures.psnr


def _ssim(figures: Figures) -> float:
    return figures.ssim


def _psnr_y(figures: Figures) -> float:
    return figures.psnr_y


def _ssim_y(figures: Figures) -> float:
    return figures.ssim_y


def _before(rows: Sequence[RestorationRow], figure: Callable[[Figures], float]) -> float:
    return float(np.mean([figure(row.before) for row in rows]))


def _by_seed(rows: Sequence[RestorationRow], figure: Callable[[Figures], float]) -> list[float]:
    """The mean over the pictures, for each seed."""
    seeds = dict.fromkeys(row.seed for row in rows)
    return [float(np.mean([figure(r.after) for r in rows if r.seed == seed])) for seed in seeds]


def _cell(rows: Sequence[RestorationRow], figure: Callable[[Figures], float], digits: int) -> str:
    """The mean over seeds, and how far it differs between them."""
    means = _by_seed(rows, figure)
    text = f"{np.mean(means):.{digits}f}"
    if len(means) < 2 or not all(map(math.isfinite, means)):
        return text
    return f"{text} ± {np.std(means, ddof=1):.{digits}f}"


def _gain(rows: Sequence[RestorationRow]) -> float:
    """Of PSNR in dB; NaN where both are infinite."""
    after, before = float(np.mean(_by_seed(rows, _psnr))), _before(rows, _psnr)
    return math.nan if math.isinf(after) and math.isinf(before) else after - before


def _worse(rows: Sequence[RestorationRow]) -> dict[str, bool]:
    """By picture, whether it is worse in the mean over its seeds."""
    found: dict[str, list[RestorationRow]] = {}
    for row in rows:
        found.setdefault(row.picture, []).append(row)
    return {
        name: float(np.mean([row.after.psnr for row in group])) < group[0].before.psnr
        for name, group in found.items()
    }
