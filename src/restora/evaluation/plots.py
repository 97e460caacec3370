"""Pictures of the measurements: quality against cost, gain against quality, learning curves.

Drawn by matplotlib (the docs extra) without a display. The suffix of the path says the format:
``.svg`` or ``.png``. The same figures and the same version of matplotlib give the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from restora._optional import require
from restora.errors import InputError, OutputError, UsageError
from restora.evaluation.published import ProtocolName, SetName, published
from restora.evaluation.published_costs import cost_of
from restora.evaluation.report import PLAIN_JPEG, Report, gains
from restora.evaluation.settings import Setting
from restora.weights.registry import MODELS, load_card

__all__ = ["CostPoint", "draw_cost", "draw_gains", "draw_training", "shipped_points"]

SIZE_INCHES = (7.0, 4.4)
OURS, THEIRS = "#c2410c", "#475569"
LINES = ("#c2410c", "#1d4ed8", "#15803d", "#7e22ce", "#0f766e", "#a16207", "#be123c", "#334155")
STYLE = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so no machine draws another
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e2e8f0",
    "legend.frameon": False,
    "svg.hashsalt": "restora",  # else the names inside an SVG are random
    "svg.fonttype": "path",
}


@dataclass(frozen=True, slots=True)
class CostPoint:
    """A network in the plane of cost and quality: multiply-adds a pixel, PSNR in dB."""

    label: str
    macs_per_pixel: float
    psnr: float


def shipped_points(protocol: ProtocolName, test_set: SetName, quality: int) -> list[CostPoint]:
    """The weights that ship and whose cards hold a score of that protocol, set and quality."""
    channels = 1 if protocol == "jpeg-gray" else 3
    points = []
    for weight in dict.fromkeys(weight for model in MODELS for weight in model.weights):
        card = load_card(weight)
        score = card.scores.get(f"{protocol} {test_set} blind", {}).get(f"QF{quality}")
        if card.channels == channels and score is not None:
            points.append(CostPoint(weight, card.macs_per_pixel, score))
    return points


def draw_cost(
    path: Path,
    *,
    ours: Sequence[CostPoint] | None = None,
    protocol: ProtocolName = "jpeg-gray",
    test_set: SetName = "live1",
    quality: int = 10,
) -> None:
    """Quality against cost: our networks and the published ones whose cost is known.

    Args:
        path: An SVG or PNG to write.
        ours: Our networks; those that ship, with the scores of their cards, unless given.
        protocol, test_set, quality: Which PSNR.

    Raises:
        MissingExtra: matplotlib is not installed.
        OutputError: The file cannot be written.
        UsageError: The suffix is no format that is drawn.
    """
    ours = shipped_points(protocol, test_set, quality) if ours is None else ours
    setting = Setting(quality)
    theirs, plain = [], None
    for row in published(protocol, test_set):
        figures, cost = row.figures.get(setting), cost_of(row.method)
        if figures is None or figures.psnr is None or row.measured:
            continue
        if row.method == PLAIN_JPEG:
            plain = figures.psnr
        elif cost is not None and cost.macs_per_pixel is not None:
            theirs.append(CostPoint(row.label, cost.macs_per_pixel, figures.psnr))
    with _drawing(path) as figure:
        axes = figure.add_subplot()
        axes.set_xscale("log")
        for points, color, name in ((theirs, THEIRS, "published"), (ours, OURS, "Restora")):
            axes.scatter(
                [point.macs_per_pixel for point in points],
                [point.psnr for point in points],
                color=color,
                label=name,
                zorder=3,
            )
        neighbour = None
        for point in sorted(theirs, key=lambda point: point.macs_per_pixel):
            crowded = neighbour is not None and _near(neighbour, point)
            _name_point(axes, point, THEIRS, below=crowded)
            neighbour = None if crowded else point
        for point in ours:
            _name_point(axes, point, OURS, below=True)
        if plain is not None:
            axes.axhline(plain, color=THEIRS, linestyle=":", label="plain JPEG")
        axes.margins(x=0.15, y=0.12)
        axes.set_xlabel("multiply-adds a pixel")
        axes.set_ylabel("PSNR, dB")
        axes.set_title(f"{protocol}, {test_set}, {setting}   (*: one model for each quality)")
        axes.legend(loc="upper left")


def draw_gains(path: Path, reports: Sequence[Report]) -> None:
    """PSNR over the plain JPEG against quality: measured in whole lines, published in broken ones.

    Args:
        path: An SVG or PNG to write.
        reports: Reports of one protocol on one test set; settings of two saves are left out.

    Raises:
        MissingExtra: matplotlib is not installed.
        OutputError: The file cannot be written.
        UsageError: There is nothing to draw, or the reports are of two protocols or sets.
    """
    kinds = {(report.protocol, report.set) for report in reports}
    if len(kinds) != 1:
        raise UsageError("A plot of gains needs reports, all of one protocol and one test set.")
    ((protocol, test_set),) = kinds
    measured: dict[str, dict[int, float]] = {}
    for report in reports:
        for gain in gains(report):
            if gain.setting.earlier is None:
                measured.setdefault(gain.method, {})[gain.setting.quality] = gain.psnr
    if not measured:
        raise UsageError("These reports hold no gain over the plain JPEG, saved once.")
    shown = {quality for points in measured.values() for quality in points}
    with _drawing(path) as figure:
        axes = figure.add_subplot()
        ends = []
        for label, points in _published_gains(protocol, test_set).items():
            qualities = sorted(shown & points.keys())
            if not qualities:
                continue
            gained = [points[quality] for quality in qualities]
            axes.plot(qualities, gained, "--", color=THEIRS, linewidth=0.9)
            ends.append((qualities[-1], gained[-1], label, THEIRS))
        for number, (method, points) in enumerate(measured.items()):
            color = LINES[number % len(LINES)]
            qualities = sorted(points)
            gained = [points[quality] for quality in qualities]
            axes.plot(qualities, gained, "o-", color=color, linewidth=2, zorder=3)
            ends.append((qualities[-1], gained[-1], method, color))
        axes.axhline(0, color="black", linewidth=0.8)
        axes.set_xlabel("JPEG quality")
        axes.set_ylabel("PSNR over the plain JPEG, dB")
        # Of the figure: the names beside the lines make the axes narrower than it.
        figure.suptitle(
            f"{protocol}, {test_set}   (broken: published; *: one model for each quality)",
            fontsize="medium",
        )
        _name_ends(axes, ends)


def draw_training(path: Path, logs: Mapping[str, Path], *, quality: int = 10) -> None:
    """Learning curves: PSNR over the plain JPEG against steps, one line a training.

    Args:
        path: An SVG or PNG to write.
        logs: ``log.jsonl`` of each training, by the name for the legend.
        quality: Which of the qualities in the log.

    Raises:
        InputError: A log cannot be read.
        MissingExtra: matplotlib is not installed.
        OutputError: The file cannot be written.
        UsageError: No log holds a figure of that quality.
    """
    curves = {name: list(_gains_of_log(log, quality)) for name, log in logs.items()}
    if not any(curves.values()):
        raise UsageError(f"These logs hold no PSNR at quality {quality}.")
    with _drawing(path) as figure:
        axes = figure.add_subplot()
        for number, (name, curve) in enumerate(curves.items()):
            steps, gained = [at for at, _ in curve], [gain for _, gain in curve]
            axes.plot(steps, gained, color=LINES[number % len(LINES)], label=name)
        axes.set_xlabel("optimiser steps")
        axes.set_ylabel(f"PSNR over the plain JPEG at quality {quality}, dB")
        axes.legend(loc="lower right")


def _near(one: CostPoint, other: CostPoint) -> bool:
    """Whether labels above both points would run into each other."""
    ratio = max(one.macs_per_pixel, other.macs_per_pixel) / min(
        one.macs_per_pixel, other.macs_per_pixel
    )
    return ratio < 2.5 and abs(one.psnr - other.psnr) < 0.1


def _name_point(axes: Any, point: CostPoint, color: str, *, below: bool) -> None:
    axes.annotate(
        point.label,
        (point.macs_per_pixel, point.psnr),
        xytext=(0, -15 if below else 7),
        textcoords="offset points",
        ha="center",
        color=color,
    )


def _name_ends(axes: Any, ends: Sequence[tuple[float, float, str, str]]) -> None:
    """Names right of the axes for lines that end at (x, y), moved apart where they would touch."""
    bottom, top = axes.get_ylim()
    step = 0.045 * (top - bottom)  # the height of a line of text
    ends = sorted(ends, key=lambda end: end[1])
    places: list[float] = []
    for _, y, _, _ in ends:
        places.append(max(y, places[-1] + step) if places else y)
    ceiling = top
    for number in reversed(range(len(places))):  # what was pushed out at the top comes back down
        places[number] = min(places[number], ceiling)
        ceiling = places[number] - step
    for (x, y, label, color), place in zip(ends, places, strict=True):
        axes.annotate(
            label,
            (x, y),
            xytext=(1.03, place),
            textcoords=("axes fraction", "data"),
            va="center",
            color=color,
            arrowprops={"arrowstyle": "-", "color": color, "linewidth": 0.4, "relpos": (0, 0.5)},
        )


def _published_gains(protocol: ProtocolName, test_set: SetName) -> dict[str, dict[int, float]]:
    """By label and quality, in dB, each over the plain JPEG of the same tables."""
    psnr: dict[str, dict[int, float]] = {}
    for row in published(protocol, test_set):
        if row.measured:
            continue
        for setting, figures in row.figures.items():
            if setting.earlier is None and figures.psnr is not None:
                psnr.setdefault(row.label, {})[setting.quality] = figures.psnr
    plain = psnr.pop(PLAIN_JPEG, {})
    found = {
        label: {
            quality: value - plain[quality] for quality, value in row.items() if quality in plain
        }
        for label, row in psnr.items()
    }
    return {label: row for label, row in found.items() if row}


def _gains_of_log(log: Path, quality: int) -> Iterator[tuple[int, float]]:
    """Steps and dB of each row that was scored."""
    try:
        rows = [json.loads(line) for line in log.read_text().splitlines()]
    except (OSError, ValueError) as error:
        raise InputError(f"{log} is no log of a training: {error}.") from error
    for row in rows:
        if f"psnr_{quality}" in row:
            yield row["step"], row[f"psnr_{quality}"] - row[f"jpeg_{quality}"]


@contextmanager
def _drawing(path: Path) -> Iterator[Any]:
    """A figure that is written to ``path`` when the block ends."""
    # What tells the day or the version would make a file differ that shows the same.
    metadata = {".svg": {"Date": None, "Creator": None}, ".png": {"Software": None}}
    if path.suffix not in metadata:
        raise UsageError(f"{path}: a plot is written as .svg or .png.")
    matplotlib = require("matplotlib", extra="docs")
    figures = require("matplotlib.figure", extra="docs")
    with matplotlib.rc_context(STYLE):
        figure = figures.Figure(figsize=SIZE_INCHES, layout="constrained")
        yield figure
        try:
            figure.savefig(path, dpi=150, metadata=metadata[path.suffix])
        except OSError as error:
            raise OutputError(f"{path} cannot be written: {error.strerror or error}.") from error
