"""How much of haze, rain, motion blur and low light is undone: degraded, restored and clean.

A degraded picture is restored as a file, once for every number of steps and every seed asked for;
its uint8 result is scored against the clean picture, no border left out, beside what the degraded
picture itself scores. RGB: PSNR over all three channels, SSIM the mean of theirs. Y: luma by
BT.601, studio range, rounded to 8 bits; Rain100H is mostly reported so. A figure of a set is the
mean of the figures of its pictures, and a seed is a measurement of its own: the best of several
draws is never taken.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from restora.errors import InputError, UsageError
from restora.evaluation.metrics import psnr, ssim, studio_luma
from restora.evaluation.report import Environment
from restora.evaluation.restoration_pictures import BeforeAfter
from restora.evaluation.restoration_sets import RestorationPair
from restora.networks.sr_diff.tasks import TASKS, Task

__all__ = [
    "Figures",
    "RestorationReport",
    "RestorationRow",
    "Restored",
    "Walk",
    "figures_of",
    "measure_restoration",
    "walks_of",
]


class Walk(NamedTuple):
    """How a picture is sampled: ``steps`` is None where the weight decides."""

    steps: int | None
    seed: int


@dataclass(frozen=True, slots=True)
class Restored:
    """What became of a picture.

    Attributes:
        pixels: ``(H, W, 3)`` RGB, 0-255.
        steps: That were taken; None for a restorer that takes none.
        task: What was undone; None where nothing was.
    """

    pixels: NDArray[np.uint8]
    steps: int | None = None
    task: str | None = None


Restore = Callable[[bytes, Task, Walk], Restored]
"""A degraded picture's file, what is wrong with it, and how to sample."""


class _Record(BaseModel):
    # A picture that comes back perfect has an infinite PSNR, which JSON cannot hold as a number.
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


class Figures(_Record):
    """A picture against the clean one: PSNR in dB and SSIM, of RGB and of Y."""

    psnr: float
    ssim: float
    psnr_y: float
    ssim_y: float


class RestorationRow(_Record):
    """One picture, restored once."""

    task: Task
    picture: str
    steps: int | None
    seed: int
    done_as: str | None = Field(description="what was undone; None: nothing, or it is not told")
    megapixels: float
    before: Figures
    after: Figures
    seconds: float

    @property
    def gain(self) -> float:
        """What the restoration adds, in dB of PSNR of RGB; NaN where both are infinite."""
        return self.after.psnr - self.before.psnr

    @property
    def worse(self) -> bool:
        """Whether the degraded picture was nearer to the clean one."""
        return self.after.psnr < self.before.psnr


class RestorationReport(_Record):
    """What :func:`measure_restoration` found; ``notes`` say how the pictures were restored."""

    protocol: Literal["restoration"] = "restoration"
    set: str
    model: str
    samples: int = Field(1, description="draws of which a result is the mean")
    told: bool = Field(True, description="the task was told; else the tool found it")
    rows: tuple[RestorationRow, ...]
    notes: tuple[str, ...] = ()
    environment: Environment

    @property
    def tasks(self) -> tuple[Task, ...]:
        """Those of the rows, in order."""
        return tuple(task for task in TASKS if any(row.task == task for row in self.rows))

    @property
    def steps(self) -> tuple[int | None, ...]:
        """The numbers of steps of the rows, in order of appearance."""
        return tuple(dict.fromkeys(row.steps for row in self.rows))

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of the rows, in order of appearance."""
        return tuple(dict.fromkeys(row.seed for row in self.rows))


def walks_of(steps: Sequence[int | None], *, seed: int = 0, seeds: int = 1) -> tuple[Walk, ...]:
    """Every number of steps with ``seeds`` seeds from ``seed`` on.

    Raises:
        UsageError: A number is out of its range, or of steps there twice.

    >>> walks_of((4, None), seed=7, seeds=2)[1:3]
    (Walk(steps=4, seed=8), Walk(steps=None, seed=7))
    """
    if seeds < 1:
        raise UsageError(f"{seeds} seeds measure nothing; the least is 1.")
    if seed < 0:
        raise UsageError(f"A seed is a whole number from 0, not {seed}.")
    for number in steps:
        if number is not None and number < 1:
            raise UsageError(f"A walk has 1 step at least, not {number}.")
    if len(set(steps)) < len(steps):
        raise UsageError("A number of steps is asked for twice.")
    return tuple(Walk(number, seed + k) for number in steps for k in range(seeds))


def figures_of(clean: NDArray[np.uint8], picture: NDArray[np.uint8]) -> Figures:
    """All four figures of ``(H, W, 3)``, 0-255.

    Raises:
        InputError: As :func:`restora.evaluation.metrics.ssim`.
    """
    lumas = studio_luma(clean), studio_luma(picture)
    return Figures(
        psnr=psnr(clean, picture),
        ssim=ssim(clean, picture),
        psnr_y=psnr(*lumas),
        ssim_y=ssim(*lumas),
    )


def measure_restoration(
    pairs: Sequence[RestorationPair],
    restore: Restore,
    *,
    test_set: str,
    model: str,
    walks: Sequence[Walk] = (Walk(None, 0),),
    samples: int = 1,
    told: bool = True,
    pictures: BeforeAfter | None = None,
    notes: Sequence[str] = (),
    warm_up: bool = True,
    progress: Callable[[int, int], None] = lambda *_: None,
    clock: Callable[[], float] = time.perf_counter,
) -> RestorationReport:
    """Score every pair before and after.

    Args:
        pairs: At least one.
        restore: What restores.
        test_set: What the pairs are called.
        model: What ``restore`` is called.
        walks: How often, and how, every picture is restored.
        samples: For the report: of how many draws ``restore`` takes the mean.
        told: For the report: whether ``restore`` goes by the task it is told.
        pictures: Where to write the pictures, if anywhere.
        notes: Sentences for the report.
        warm_up: Restore the first picture once, untimed.
        progress: Told how many results of how many are scored.
        clock: Gives the time in seconds.

    Raises:
        InputError: A file cannot be read, two of a pair differ in size, or a picture came back in
            another shape.
        OutputError: A picture cannot be written.
        UsageError: There is nothing to measure.
    """
    if not pairs or not walks:
        raise UsageError("There is nothing to measure.")
    rows: list[RestorationRow] = []
    total = len(pairs) * len(walks)
    progress(0, total)
    for pair in pairs:
        clean, degraded, file = pair.load()
        if warm_up and not rows:
            restore(file, pair.task, walks[0])
        if pictures is not None:
            pictures.put(pair, "clean", clean)
            pictures.put(pair, "input", degraded)
        before = figures_of(clean, degraded)
        for walk, restored, seconds in _restored(file, pair, walks, restore, clock):
            _check(restored.pixels, clean, pair)
            if pictures is not None:
                pictures.put(pair, _name(walk, walks), restored.pixels)
            rows.append(
                RestorationRow(
                    task=pair.task,
                    picture=pair.name,
                    steps=walk.steps if restored.steps is None else restored.steps,
                    seed=walk.seed,
                    done_as=restored.task,
                    megapixels=clean.shape[0] * clean.shape[1] / 1e6,
                    before=before,
                    after=figures_of(clean, restored.pixels),
                    seconds=seconds,
                )
            )
            progress(len(rows), total)
    return RestorationReport(
        set=test_set,
        model=model,
        samples=samples,
        told=told,
        rows=_with_default(rows),
        notes=tuple(notes),
        environment=Environment.here(),
    )


def _restored(
    file: bytes,
    pair: RestorationPair,
    walks: Sequence[Walk],
    restore: Restore,
    clock: Callable[[], float],
) -> Iterator[tuple[Walk, Restored, float]]:
    for walk in walks:
        start = clock()
        restored = restore(file, pair.task, walk)
        yield walk, restored, clock() - start


def _with_default(rows: Sequence[RestorationRow]) -> tuple[RestorationRow, ...]:
    """The rows; where a picture was left alone, the steps are those that others took."""
    default = next((row.steps for row in rows if row.steps is not None), None)
    return tuple(
        row if row.steps is not None else row.model_copy(update={"steps": default}) for row in rows
    )


def _check(pixels: NDArray[np.uint8], clean: NDArray[np.uint8], pair: RestorationPair) -> None:
    if pixels.dtype != clean.dtype or pixels.shape != clean.shape:
        raise InputError(
            f"{pair.name} came back as {pixels.dtype} of the shape {pixels.shape}; expected is "
            f"uint8 of the shape {clean.shape}."
        )


def _name(walk: Walk, walks: Sequence[Walk]) -> str:
    """A result's name among those of one picture."""
    if len(walks) == 1:
        return "restored"
    steps = "" if walk.steps is None else f"-{walk.steps}-steps"
    return f"restored{steps}-seed-{walk.seed}"
