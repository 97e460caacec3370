"""What the context is worth to an SR-Diff: the same walks, guided by other tokens.

One network, the same pictures, the same noise; only what the U-Net reads beside them differs:

* ``none``: zeros, as where the context was dropped in training;
* ``other``: the refined tokens of another picture, of the same damage;
* ``raw``: the degraded picture's own tokens;
* ``refined``: those after the Semantic Refinement Module;
* ``oracle``: the clean picture's own tokens, which nobody has.

Intervals are paired: a picture's differences are taken first, then pictures are drawn anew with
replacement. A network was trained on one of these and has never seen some of the others; what it
loses by those says that too.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from restora.errors import UsageError
from restora.evaluation.grid import Grid
from restora.evaluation.metrics import psnr
from restora.evaluation.report import Environment
from restora.evaluation.restoration_sets import RestorationPair
from restora.networks.sr_diff.tasks import TASKS, Task
from restora.semantics.protocols import Floats

__all__ = [
    "CONTEXTS",
    "ContextReport",
    "ContextRow",
    "Guided",
    "bootstrap",
    "context_grids",
    "measure_contexts",
]

CONTEXTS: Mapping[str, str] = MappingProxyType(
    {
        "none": "zeros, as where the context was dropped in training",
        "other": "the refined tokens of the next picture",
        "raw": "the degraded picture's tokens",
        "refined": "those after the refiner",
        "oracle": "the clean picture's tokens",
    }
)
"""What may guide a walk, and what it is."""

RESAMPLES = 10_000
INTERVAL = (2.5, 97.5)  # percentiles

Pixels = NDArray[np.uint8]


class Guided(Protocol):
    """A network that can be told its context."""

    def contexts(self, degraded: Pixels, clean: Pixels) -> dict[str, Floats]:
        """``raw``, ``refined`` and ``oracle`` of a picture ``(H, W, 3)``, each (1, T, D)."""
        ...

    def restore(
        self, degraded: Pixels, task: Task, context: Floats, *, steps: int, seed: Sequence[int]
    ) -> Pixels:
        """The picture ``(H, W, 3)``, restored by one walk with the noise of a seed."""
        ...


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


class ContextRow(_Record):
    """One picture: PSNR of RGB in dB, by what guided the walk; means over the seeds."""

    task: Task
    picture: str
    before: float = Field(description="of the degraded picture")
    psnr: dict[str, float]


class ContextReport(_Record):
    """What :func:`measure_contexts` found."""

    protocol: Literal["context"] = "context"
    model: str
    set: str
    steps: int
    seeds: tuple[int, ...]
    rows: tuple[ContextRow, ...]
    notes: tuple[str, ...] = ()
    environment: Environment

    def differences(self, context: str, base: str, task: Task | None = None) -> list[float]:
        """Of PSNR in dB, picture by picture; without a task a picture's mean over its tasks."""
        found: dict[str, list[float]] = {}
        for row in self.rows:
            if task in (None, row.task):
                step = row.psnr[context] - row.psnr[base]
                found.setdefault(row.picture, []).append(step)
        return [float(np.mean(steps)) for steps in found.values()]


def bootstrap(values: Sequence[float], *, seed: int = 0) -> tuple[float, float]:
    """The 95 % interval of a mean, by drawing the values anew with replacement.

    Args:
        values: At least one.
        seed: The same one gives the same interval.

    >>> bootstrap([1.0, 1.0, 1.0])
    (1.0, 1.0)
    """
    array = np.asarray(values, np.float64)
    rng = np.random.default_rng(seed)
    drawn = rng.integers(len(array), size=(RESAMPLES, len(array)))
    low, high = np.percentile(array[drawn].mean(axis=1), INTERVAL)
    return float(low), float(high)


def measure_contexts(
    pairs: Sequence[RestorationPair],
    network: Guided,
    *,
    model: str,
    test_set: str,
    steps: int,
    seeds: Sequence[int] = (0,),
    side_px: int | None = None,
    notes: Sequence[str] = (),
    progress: Callable[[int, int], None] = lambda *_: None,
) -> ContextReport:
    """Restore every picture with every context.

    Args:
        pairs: What to restore; each task has two pictures at least, so that there is another.
        network: What restores.
        model: What it is called.
        test_set: What the pairs are called.
        steps: Of a walk.
        seeds: Of the noise; each picture's is its own, and the same for every context.
        side_px: Restore the middle of a picture, a square of this side; the context stays that of
            the whole. None: all of it.
        notes: Sentences for the report.
        progress: Told how many walks of how many are done.

    Raises:
        InputError: A picture cannot be read.
        UsageError: There is no picture, a task has no second one, or there is no seed.
    """
    if not pairs:
        raise UsageError("There is no picture to measure with.")
    if not seeds:
        raise UsageError("There is no seed to measure with.")
    tasks = tuple(task for task in TASKS if any(pair.task == task for pair in pairs))
    total, done = len(pairs) * len(CONTEXTS) * len(seeds), 0
    progress(done, total)
    rows = []
    for task in tasks:
        group = [pair for pair in pairs if pair.task == task]
        if len(group) < 2:
            raise UsageError(f"The context of another picture needs two of them; {task} has one.")
        loaded = [pair.load()[:2] for pair in group]
        told = [network.contexts(degraded, clean) for clean, degraded in loaded]
        for number, (pair, pictures, own) in enumerate(zip(group, loaded, told, strict=True)):
            refined = own["refined"]
            guides = {
                **own,
                "none": np.zeros_like(refined),
                "other": told[(number + 1) % len(told)]["refined"],
            }
            clean, degraded = (_middle(picture, side_px) for picture in pictures)
            found: dict[str, float] = {}
            for name in CONTEXTS:
                scores = []
                for seed in seeds:
                    noise = (seed, zlib.crc32(pair.name.encode()))
                    restored = network.restore(
                        degraded, task, guides[name], steps=steps, seed=noise
                    )
                    scores.append(psnr(clean, restored))
                    done += 1
                    progress(done, total)
                found[name] = float(np.mean(scores))
            rows.append(
                ContextRow(task=task, picture=pair.name, before=psnr(clean, degraded), psnr=found)
            )
    return ContextReport(
        model=model,
        set=test_set,
        steps=steps,
        seeds=tuple(seeds),
        rows=tuple(rows),
        notes=tuple(notes),
        environment=Environment.here(),
    )


def context_grids(report: ContextReport) -> tuple[Grid, ...]:
    """The means, then what each context adds, with intervals."""
    tasks = tuple(task for task in TASKS if any(row.task == task for row in report.rows))
    means = []
    for task in tasks:
        rows = [row for row in report.rows if row.task == task]
        scores = [float(np.mean([row.psnr[name] for row in rows])) for name in CONTEXTS]
        before = float(np.mean([row.before for row in rows]))
        means.append((task, str(len(rows)), *(f"{value:.2f}" for value in (before, *scores))))
    compared = [("none", name) for name in CONTEXTS if name != "none"]
    compared += [("other", "refined"), ("raw", "refined")]
    seeds = f"seed{'' if len(report.seeds) == 1 else 's'} {', '.join(map(str, report.seeds))}"
    steps = f"{report.steps} step{'' if report.steps == 1 else 's'}"
    title = f"context on {report.set}, {report.model}, {steps}, {seeds}"
    everything: tuple[Task | None, ...] = (*tasks, *((None,) if len(tasks) > 1 else ()))
    return (
        Grid(
            title=f"{title}: PSNR (RGB), dB",
            heading=("task", "n", "degraded", *CONTEXTS),
            measured=tuple(means),
            notes=(*report.notes, *(f"{name}: {what}." for name, what in CONTEXTS.items())),
        ),
        Grid(
            title=f"{title}: differences of PSNR, dB",
            heading=("task", *(f"{name} - {base}" for base, name in compared)),
            measured=tuple(
                (task or "all", *(_cell(report.differences(n, b, task)) for b, n in compared))
                for task in everything
            ),
            notes=(
                f"In brackets the 95 % interval of the mean: {RESAMPLES:,} paired draws of the "
                "pictures with replacement. One that holds 0 shows no difference.",
            ),
        ),
    )


def _cell(differences: Sequence[float]) -> str:
    low, high = bootstrap(differences)
    return f"{np.mean(differences):+.3f} [{low:+.3f}, {high:+.3f}]"


def _middle(picture: Pixels, side_px: int | None) -> Pixels:
    if side_px is None:
        return picture
    top, left = (max(0, (length - side_px) // 2) for length in picture.shape[:2])
    return np.ascontiguousarray(picture[top : top + side_px, left : left + side_px])
