"""What a step of SR-Diff's walk costs: the whole tool by steps, and the denoiser alone.

Only figures of one run on one machine may be divided by each other, so one run measures all.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from restora.errors import UsageError
from restora.evaluation.grid import Grid
from restora.evaluation.network_speed import clocked
from restora.evaluation.report import Environment

__all__ = ["WalkReport", "WalkRow", "measure_walk", "walk_grids"]


class WalkRow(BaseModel):
    """The whole tool on one picture, by the steps of the walk."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int
    best_seconds_per_megapixel: float
    median_seconds_per_megapixel: float


class WalkReport(BaseModel):
    """What :func:`measure_walk` found; seconds of the best turn."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    megapixels: float = Field(description="of the picture that the tool restores")
    rows: tuple[WalkRow, ...]
    denoiser_seconds_per_megapixel: float = Field(description="of one call, alone, on a tile")
    denoiser_tile_px: int
    reference: str = Field(description="the model the others are divided by")
    reference_seconds_per_megapixel: float
    repeats: int
    threads: int = Field(description="threads inside a network; 0: every core")
    environment: Environment

    @property
    def step_seconds_per_megapixel(self) -> float:
        """What one more step costs the tool: the slope from the fewest steps to the most."""
        few, many = self.rows[0], self.rows[-1]
        more = many.best_seconds_per_megapixel - few.best_seconds_per_megapixel
        return more / (many.steps - few.steps)

    @property
    def rest_seconds_per_megapixel(self) -> float:
        """What the tool costs beside the steps: reading, the context, the noise."""
        few = self.rows[0]
        return few.best_seconds_per_megapixel - few.steps * self.step_seconds_per_megapixel


def measure_walk(
    walk: Callable[[int], object],
    denoise: Callable[[], object],
    reference: Callable[[], object],
    *,
    model: str,
    reference_name: str,
    steps: Sequence[int],
    megapixels: float,
    tile_px: int,
    repeats: int,
    threads: int,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> WalkReport:
    """Time all of it in turns, after one turn to warm up.

    Args:
        walk: Restores the picture in so many steps.
        denoise: Calls the denoiser once on a tile.
        reference: Restores the same picture by another model.
        model, reference_name: What they are called.
        steps: At least two numbers, rising.
        megapixels: Size of the picture.
        tile_px: Side of the tile.
        repeats: Turns that count.
        threads: For the report.
        progress: Told how many of how many calls are done.

    Raises:
        UsageError: The steps do not rise, or nothing is repeated.
    """
    if len(steps) < 2 or steps[0] < 1 or any(b <= a for a, b in pairwise(steps)):
        raise UsageError("The cost of a step takes two numbers of steps at least, rising from 1.")
    if repeats < 1:
        raise UsageError(f"{repeats} repeats measure nothing; the least is 1.")
    walks: list[list[float]] = [[] for _ in steps]
    alone: list[float] = []
    other: list[float] = []
    works: list[Callable[[], object]] = [*(partial(walk, n) for n in steps), denoise, reference]
    total, done = (repeats + 1) * len(works), 0
    for turn in range(repeats + 1):
        taken = []
        for work in works:
            taken.append(clocked(work))
            done += 1
            progress(done, total)
        if turn > 0:
            for found, seconds in zip((*walks, alone, other), taken, strict=True):
                found.append(seconds)
    return WalkReport(
        model=model,
        megapixels=megapixels,
        rows=tuple(
            WalkRow(
                steps=number,
                best_seconds_per_megapixel=min(found) / megapixels,
                median_seconds_per_megapixel=statistics.median(found) / megapixels,
            )
            for number, found in zip(steps, walks, strict=True)
        ),
        denoiser_seconds_per_megapixel=min(alone) / (tile_px**2 / 1e6),
        denoiser_tile_px=tile_px,
        reference=reference_name,
        reference_seconds_per_megapixel=min(other) / megapixels,
        repeats=repeats,
        threads=threads,
        environment=Environment.here(),
    )


def walk_grids(report: WalkReport) -> tuple[Grid, ...]:
    """One table: the tool by steps, a step of it, the denoiser alone, the reference."""
    base = report.reference_seconds_per_megapixel

    def line(name: str, best: float, median: str = "-") -> tuple[str, ...]:
        return name, f"{best:.3f}", median, f"{best / base:.2f}"

    rows = [
        line(
            f"{report.model}, {row.steps} step{'' if row.steps == 1 else 's'}",
            row.best_seconds_per_megapixel,
            f"{row.median_seconds_per_megapixel:.3f}",
        )
        for row in report.rows
    ]
    rows += [
        line("one more step", report.step_seconds_per_megapixel),
        line("all but the steps", report.rest_seconds_per_megapixel),
        line("the denoiser alone, one call", report.denoiser_seconds_per_megapixel),
        line(report.reference, base),
    ]
    threads = report.threads or f"every core ({report.environment.cpu_count})"
    share = report.step_seconds_per_megapixel / report.denoiser_seconds_per_megapixel
    return (
        Grid(
            title=f"walk: a picture of {report.megapixels:g} megapixels",
            heading=("", "s/MP, best", "s/MP, median", f"times {report.reference}"),
            measured=tuple(rows),
            notes=(
                f"CPU, threads: {threads}; the best of {report.repeats}, in turns.",
                f"Pixel for pixel a step of the tool takes {share:.2f} times the denoiser's call "
                f"alone, on a tile of {report.denoiser_tile_px} px.",
            ),
        ),
    )


def made_picture(megapixels: float) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """A square ``(S, S, 3)`` with waves, edges and grain, so that nothing is empty."""
    side = round(np.sqrt(megapixels * 1e6))
    y, x = np.mgrid[:side, :side]
    waves = 128 + 50 * np.sin(x / 9) * np.cos(y / 13) + 40 * ((x // 37 + y // 29) % 2)
    waves += np.random.default_rng(0).normal(0, 6, waves.shape)
    picture = np.stack([waves, waves * 0.8, 255 - waves], axis=-1)
    return picture.clip(0, 255).astype(np.uint8)
