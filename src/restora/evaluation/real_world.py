"""How much of real-world damage is undone: blur, noise, downscaling and JPEG together.

Every case is scored as it is, bicubic where it is smaller, and as each restorer gives it back: 8
bits, against the clean picture, no border left out. The scores of a picture are all kept; figures
of tables are plain means over pictures.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from restora.errors import InputError, UsageError
from restora.evaluation.perceptual_scores import Column, Scorer
from restora.evaluation.real_world_folders import RealWorldFolders
from restora.evaluation.real_world_report import (
    INPUT,
    RealWorldReport,
    RealWorldRow,
    differences,
)
from restora.evaluation.real_world_sets import Loaded, RealCase
from restora.evaluation.report import Environment
from restora.evaluation.restoration import figures_of

__all__ = ["RealFidelity", "Restore", "measure_real_world"]

Pixels = NDArray[np.uint8]

Restore = Callable[[Loaded], Pixels]
"""A case in, its restored pixels out, of the clean picture's size."""

_DIGEST_DIGITS = 8


class RealFidelity:
    """PSNR in dB and SSIM, of RGB and of Y: BT.601 studio luma, rounded to 8 bits."""

    columns = tuple(
        Column(
            name=name, label=label, better="higher", digits=digits, group="fidelity",
            meaning=meaning,
        )
        for name, label, digits, meaning in (
            ("psnr", "PSNR", 2, "of RGB, over the three channels"),
            ("ssim", "SSIM", 4, "of RGB, the mean of the channels"),
            ("psnr_y", "PSNR Y", 2, "of BT.601 studio luma, 8 bits"),
            ("ssim_y", "SSIM Y", 4, "of the same"),
        )
    )  # fmt: skip

    def against(self, clean: Pixels) -> Callable[[Pixels], tuple[float, ...]]:
        """See :class:`restora.evaluation.perceptual_scores.Scorer`."""

        def score(picture: Pixels) -> tuple[float, ...]:
            found = figures_of(clean, picture)
            return found.psnr, found.ssim, found.psnr_y, found.ssim_y

        return score


def measure_real_world(
    cases: Sequence[RealCase],
    restorers: Mapping[str, Restore],
    scorers: Sequence[Scorer],
    *,
    test_set: str,
    model: str,
    bases: Sequence[str] = (INPUT,),
    protocol: Literal["real-world", "priors"] = "real-world",
    seed: int | None = None,
    folders: RealWorldFolders | None = None,
    notes: Sequence[str] = (),
    warm_up: bool = True,
    progress: Callable[[int, int], None] = lambda *_: None,
    clock: Callable[[], float] = time.perf_counter,
) -> RealWorldReport:
    """Score every case before and after.

    Args:
        cases: At least one.
        restorers: What to measure, by the name for the table.
        scorers: What to measure with; the names of their columns all differ.
        test_set: What the clean pictures are called.
        model: What the measurement is about.
        bases: Methods that all others are held against.
        protocol: For the report.
        seed: For the report.
        folders: Where to write the pictures, if anywhere.
        notes: Sentences for the report.
        warm_up: Let each restorer run once, untimed, on the first case.
        progress: Told how many results of how many are scored.
        clock: Gives the time in seconds.

    Raises:
        InputError: A picture cannot be read, or came back in another shape.
        OutputError: A picture cannot be written.
        UsageError: There is nothing to measure, or a name is taken twice.
    """
    columns = tuple(column for scorer in scorers for column in scorer.columns)
    _check(cases, restorers, columns)
    rows: list[RealWorldRow] = []
    damage: dict[str, hashlib._Hash] = {}
    total = len(cases) * (len(restorers) + 1)
    progress(0, total)
    for case in cases:
        loaded = case.load()
        damage.setdefault(loaded.setting, hashlib.sha256()).update(loaded.degraded.tobytes())
        if warm_up and not rows:
            for restore in restorers.values():
                restore(loaded)
        start = loaded.start
        scores = [(scorer.columns, scorer.against(loaded.clean)) for scorer in scorers]
        if folders is not None:
            folders.put(loaded, "clean", loaded.clean)
        for method in (INPUT, *restorers):
            began = clock()
            pixels = start if method == INPUT else restorers[method](loaded)
            seconds = None if method == INPUT else clock() - began
            _check_restored(pixels, loaded, method)
            if folders is not None:
                folders.put(loaded, method, pixels)
            rows.append(
                RealWorldRow(
                    setting=loaded.setting,
                    picture=loaded.name,
                    method=method,
                    scores={
                        column.name: figure
                        for group, score in scores
                        for column, figure in zip(group, score(pixels), strict=True)
                    },
                    megapixels=loaded.clean.shape[0] * loaded.clean.shape[1] / 1e6,
                    seconds=seconds,
                )
            )
            progress(len(rows), total)
    return RealWorldReport(
        protocol=protocol,
        set=test_set,
        model=model,
        seed=seed,
        columns=columns,
        rows=tuple(rows),
        differences=tuple(differences(rows, columns, bases)),
        damage={name: each.hexdigest()[:_DIGEST_DIGITS] for name, each in damage.items()},
        notes=tuple(notes),
        environment=Environment.here(),
    )


def _check(
    cases: Sequence[RealCase], restorers: Mapping[str, Restore], columns: Sequence[Column]
) -> None:
    if not cases or not restorers:
        raise UsageError("There is nothing to measure.")
    if INPUT in restorers:
        raise UsageError(f"A method cannot be called {INPUT}: that row is the degraded picture.")
    names = [column.name for column in columns]
    if len(set(names)) < len(names):
        raise UsageError(f"A score is asked for twice: {', '.join(names)}.")


def _check_restored(pixels: Pixels, loaded: Loaded, method: str) -> None:
    if pixels.dtype != np.uint8 or pixels.shape != loaded.clean.shape:
        raise InputError(
            f"{method} turned {loaded.name} into {pixels.dtype} of the shape {pixels.shape}; "
            f"expected is uint8 of the shape {loaded.clean.shape}."
        )
