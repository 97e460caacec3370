"""``restora data``: the folders SR-Diff is trained on, made of clean photos."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

if TYPE_CHECKING:
    from restora.networks.sr_diff.tasks import Task
    from restora.training.sr_diff.make_pairs import Made

EVERY_TASK = "all"

data = typer.Typer(
    name="data",
    help="Make training pairs of clean photos, and the features that guide SR-Diff.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@data.command()
def make(
    photos: Annotated[
        Path,
        typer.Argument(
            metavar="PHOTOS", help="Folder of clean photos.", show_default=False, readable=False
        ),
    ],
    out: Annotated[
        Path,
        typer.Option("-o", "--out", help="Folder that holds train and val.", readable=False),
    ],
    task: Annotated[str, typer.Option(help="dehaze, derain, deblur, lowlight or all.")] = "all",
    split: Annotated[str, typer.Option(help="train or val.")] = "train",
    seed: Annotated[int, typer.Option(help="Another number draws other damage.")] = 0,
    variants: Annotated[int, typer.Option(help="Pairs of each photo and task.")] = 1,
    force: Annotated[bool, typer.Option("--force", help="Make what is there anew.")] = False,
) -> None:
    """Degrade clean photos: pairs in LQ and GT, and in params.jsonl what was drawn for each.

    Pairs that are there are kept, and a photo's pair does not depend on the other photos.
    """
    from restora.cli.bench.output import progress_bar
    from restora.errors import UsageError
    from restora.training.sr_diff.layout import SPLITS, Layout
    from restora.training.sr_diff.make_pairs import find_photos, make_pairs

    tasks = parse_task(task)
    if split not in SPLITS:
        raise UsageError(f"--split is {' or '.join(SPLITS)}, not {split!r}.")
    if seed < 0:
        raise UsageError(f"--seed is 0 or more, not {seed}.")
    if variants < 1:
        raise UsageError(f"--variants is at least 1, not {variants}.")
    layout = Layout(out)
    found = find_photos(photos, beside=layout)
    try:
        with progress_bar(f"{split} {task}") as progress:
            made = make_pairs(
                found,
                layout,
                split=split,
                tasks=tasks,
                seed=seed,
                variants=variants,
                force=force,
                progress=progress,
            )
    except KeyboardInterrupt:
        _interrupted()
    _tell(made, "pairs")


@data.command()
def features(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER",
            help="What `restora data make` wrote, or the published data in its layout.",
            show_default=False,
            readable=False,
        ),
    ],
    encoder: Annotated[
        str, typer.Option(help="lite0, blip-vector:PATH or clip:PATH; PATH is a folder.")
    ] = "lite0",
    refiner: Annotated[
        Optional[str],  # noqa: UP045 - typer reads annotations at run time
        typer.Option(
            metavar="WEIGHT",
            help="Also RestoreCLS, by the refiner of this SR-Diff: a name, card or .safetensors.",
        ),
    ] = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Make what is there anew, also that of another encoder."),
    ] = False,
    device: Annotated[str, typer.Option(help="cpu, cuda, mps ...")] = "cpu",
) -> None:
    """Encode pictures: LQCLS of LQ, GTCLS of GT, and with --refiner RestoreCLS.

    Features that are there are kept. encoder.json says which encoder made them; those of two are
    never mixed.
    """
    from restora._optional import require
    from restora.cli.bench.output import progress_bar
    from restora.semantics.lookup import load_image_encoder
    from restora.training.sr_diff.layout import Layout
    from restora.training.sr_diff.make_features import load_refiner, make_features

    layout = Layout(folder)
    layout.sections()  # before anything is loaded
    require("torch", extra="train")
    loaded = load_image_encoder(encoder, device=device)
    refining = None if refiner is None else load_refiner(refiner, device=device)
    try:
        with progress_bar("features") as progress:
            made = make_features(layout, loaded, refining, force=force, progress=progress)
    except KeyboardInterrupt:
        _interrupted()
    _tell(made, "files of features")


def parse_task(text: str) -> tuple[Task, ...]:
    """One task, or ``all`` of them.

    Raises:
        UsageError: It is neither.
    """
    from restora.errors import UsageError
    from restora.networks.sr_diff.tasks import TASKS

    chosen = tuple(task for task in TASKS if text in (task, EVERY_TASK))
    if not chosen:
        raise UsageError(f"--task is {', '.join(TASKS)} or {EVERY_TASK}, not {text!r}.")
    return chosen


def _tell(made: Made, noun: str) -> None:
    """Say what was done; exit 1 if some of it failed."""
    counts = {"made": made.made, "kept": made.kept, "failed": len(made.failed)}
    told = ", ".join(f"{count} {how}" for how, count in counts.items() if count)
    for sentence in made.failed:
        typer.echo(f"failed: {sentence}", err=True)
    typer.echo(f"{noun}: {told}", err=True)
    if made.failed:
        raise typer.Exit(1)


def _interrupted() -> None:
    typer.echo("interrupted; the same command goes on from here", err=True)
    raise typer.Exit(130)
