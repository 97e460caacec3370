"""``restora bench restoration``: haze, rain, motion blur and low light, before and after."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from restora.cli.bench.options import (
    DATA,
    Data,
    Device,
    JsonFile,
    Limit,
    Markdown,
    Threads,
    check_json,
    numbers,
)

if TYPE_CHECKING:
    from restora.evaluation.restoration import Restore
    from restora.evaluation.restoration_sets import RestorationPair
    from restora.networks.sr_diff.tasks import Task

MODEL = "sr-diff"

RestorationSet = Annotated[
    str,
    typer.Option(
        "--set",
        help="made, real or synthetic; or a folder of yours, such as RESIDE-6k's, Rain100H's, "
        "GoPro's or LOL's test folder.",
    ),
]
Tasks = Annotated[
    str,
    typer.Option(
        "--task", help="dehaze, derain, deblur, lowlight, with commas between; all: every one."
    ),
]
Names = Annotated[
    Optional[str],  # noqa: UP045 - typer reads annotations at run time
    typer.Option(
        metavar="DEGRADED,CLEAN",
        help="What the two folders of a --set of yours are called, if it is unusual.",
    ),
]
Clean = Annotated[
    str,
    typer.Option(
        help="For --set synthetic: the folder of clean pictures, under the data folder; they are "
        "damaged by a fixed seed each."
    ),
]


def restoration(
    data: Data = DATA,
    test_set: RestorationSet = "made",
    task: Tasks = "all",
    names: Names = None,
    clean: Clean = "live1_color",
    model: Annotated[str, typer.Option(help="Model to measure.")] = MODEL,
    steps: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(help="Steps of the walk; as the weight says unless given."),
    ] = None,
    compare_steps: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Several numbers of steps, with commas between: a row for each."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the noise, the same for every picture.")] = 0,
    seeds: Annotated[
        int, typer.Option(help="So many seeds from --seed on: mean and standard deviation.")
    ] = 1,
    samples: Annotated[int, typer.Option(help="Draws whose mean is the result.")] = 1,
    judged: Annotated[
        bool, typer.Option("--judged", help="Do not tell the task: let the tool find it.")
    ] = False,
    pictures: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Also write clean, input and restored here as PNG.", readable=False),
    ] = None,
    limit: Limit = None,
    device: Device = "cpu",
    threads: Threads = 0,
    json: JsonFile = None,
    markdown: Markdown = False,
) -> None:
    """Haze, rain, motion blur and low light: the degraded picture, and what became of it."""
    from restora.cli.bench.output import print_grids, progress_bar
    from restora.engine.models import resolve_model
    from restora.errors import UsageError
    from restora.evaluation.report import write_report
    from restora.evaluation.restoration import measure_restoration, walks_of
    from restora.evaluation.restoration_pictures import BeforeAfter
    from restora.evaluation.restoration_tables import restoration_grids

    check_json(json)
    if steps is not None and compare_steps is not None:
        raise UsageError("Take --steps for one number of steps, or --compare-steps for several.")
    counts = (steps,) if compare_steps is None else numbers(compare_steps, "--compare-steps")
    walks = walks_of(counts, seed=seed, seeds=seeds)
    pairs = read_pairs(test_set, data, task=task, names=names, clean=clean, limit=limit)
    resolve_model(model)  # a wrong name is told before anything is measured
    restore = restorer_of(model, samples=samples, judged=judged, device=device, threads=threads)
    with progress_bar("restoration") as progress:
        report = measure_restoration(
            pairs,
            restore,
            test_set=test_set,
            model=Path(model).name,
            walks=walks,
            samples=samples,
            told=not judged,
            pictures=None if pictures is None else BeforeAfter(pictures),
            notes=notes_on(test_set, data, pairs, clean=clean),
            progress=progress,
        )
    print_grids(restoration_grids(report), markdown=markdown)
    if json is not None:
        write_report(report, json)


def read_pairs(
    test_set: str,
    data: Path,
    *,
    task: str,
    names: str | None,
    clean: str,
    limit: int | None,
) -> tuple[RestorationPair, ...]:
    """The pairs of ``--set`` and the options beside it.

    Raises:
        InputError: The folders are not there, or do not pair up.
        UsageError: An option makes no sense.
    """
    from restora.errors import UsageError
    from restora.evaluation.restoration_sets import OWN_SETS, find_pairs, folder_pairs

    tasks = read_tasks(task)
    if test_set in OWN_SETS:
        if names is not None:
            raise UsageError(f"--names is for a folder of yours, not for --set {test_set}.")
        return find_pairs(test_set, data, tasks=tasks, clean=clean, limit=limit)
    folder = Path(test_set)
    if not folder.is_dir():
        raise UsageError(
            f"--set is {', '.join(OWN_SETS)} or a folder; there is no folder {test_set}."
        )
    if names is None:
        return folder_pairs(folder, tasks=tasks, limit=limit)
    bad, comma, good = names.partition(",")
    if not (comma and bad and good):
        raise UsageError(f"--names is two names with a comma between, not {names!r}.")
    return folder_pairs(folder, tasks=tasks, names=(bad, good), limit=limit)


def read_tasks(text: str) -> tuple[Task, ...]:
    """Tasks with commas between, in their order.

    Raises:
        UsageError: One is not known.

    >>> read_tasks("derain,dehaze"), len(read_tasks("all"))
    (('dehaze', 'derain'), 4)
    """
    from restora.errors import UsageError
    from restora.networks.sr_diff.tasks import TASKS

    asked = text.split(",")
    unknown = [name for name in asked if name not in (*TASKS, "all")]
    if unknown:
        raise UsageError(f"There is no task {unknown[0]!r}; take all, {', '.join(TASKS)}.")
    return tuple(task for task in TASKS if "all" in asked or task in asked)


def restorer_of(model: str, *, samples: int, judged: bool, device: str, threads: int) -> Restore:
    """The tool as a function of a file, the task and the walk."""
    from restora.cli.bench.variants import to_bytes
    from restora.engine.plan import Wishes
    from restora.engine.restorer import Restorer
    from restora.evaluation.restoration import Restored, Walk

    restorer = Restorer(device=device, threads=threads)

    def restore(file: bytes, task: Task, walk: Walk) -> Restored:
        wishes = Wishes(
            model=model,
            task="auto" if judged else task,
            steps=walk.steps,
            seed=walk.seed,
            samples=samples,
        )
        result = restorer.restore(file, wishes, name="bench")
        pixels = to_bytes(result.picture)
        if pixels.ndim == 2:  # the clean one is read as colour
            pixels = pixels[..., None].repeat(3, axis=2)
        done = None if result.plan.task == "none" else result.plan.task
        return Restored(pixels, result.plan.steps, done)

    return restore


def notes_on(
    test_set: str, data: Path, pairs: tuple[RestorationPair, ...], *, clean: str
) -> tuple[str, ...]:
    """What there is to know of a set, and whether its degraded pictures are as they should be."""
    import numpy as np

    from restora.evaluation.metrics import psnr
    from restora.evaluation.restoration_sets import MADE, REAL, SYNTHETIC, known_inputs

    if test_set == SYNTHETIC:
        return (
            f"Clean pictures of {clean}, damaged by the generators that training uses, with seeds "
            "it does not use: held-out pictures, but damage of a known kind.",
        )
    if test_set == REAL:
        return (
            "A few pairs of published sets (Rain100L, SOTS outdoor): enough to look at, too few "
            "for a figure.",
        )
    if test_set != MADE:
        return (
            "No row of the degraded pictures is published for RESIDE-6k, Rain100H, GoPro or LOL "
            "that we know of, so that nothing confirms the protocol.",
        )
    known = known_inputs(data)
    told = [(pair, known[key]) for pair in pairs if (key := (pair.task, pair.name)) in known]
    off = [
        pair.name
        for pair, figure in told
        if not np.isclose(psnr(*pair.load()[:2]), figure, atol=0.00501)
    ]
    made = "Damage by another generator than the one training uses."
    if not told:
        return (made,)
    if off:
        return (made, f"PSNR of the degraded pictures is NOT as noted for: {', '.join(off)}.")
    return (
        made,
        f"PSNR of all {len(told)} degraded pictures is as the set's own list has it, to the digit.",
    )
