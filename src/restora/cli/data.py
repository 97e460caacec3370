"""``restora data``: the folders SR-Diff and SSP-IR are trained on, made of clean photos."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

if TYPE_CHECKING:
    from restora.networks.sr_diff.tasks import Task
    from restora.training.sr_diff.make_pairs import Made

EVERY_TASK = "all"
REAL = "real"

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
        typer.Option(
            "-o",
            "--out",
            help="Folder that holds train and val; for real gt and sr_bicubic.",
            readable=False,
        ),
    ],
    task: Annotated[
        str, typer.Option(help="dehaze, derain, deblur, lowlight or all of these; or real.")
    ] = "all",
    split: Annotated[str, typer.Option(help="train or val; real has none.")] = "train",
    seed: Annotated[int, typer.Option(help="Another number draws other damage.")] = 0,
    variants: Annotated[int, typer.Option(help="Pairs of each photo and task.")] = 1,
    caption_model: Annotated[
        Optional[str],  # noqa: UP045 - typer reads annotations at run time
        typer.Option(
            metavar="NAME",
            help="real: also captions of the clean pictures, by tags, blip:PATH, llava:PATH, "
            "file:FOLDER or static:TEXT.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Make what is there anew.")] = False,
) -> None:
    """Degrade clean photos: pairs in LQ and GT, and in params.jsonl what was drawn for each.

    Pairs that are there are kept, and a photo's pair does not depend on the other photos. Those of
    --task real are for SSP-IR, need PyTorch, and go to sr_bicubic and gt.
    """
    from restora.cli.bench.output import progress_bar
    from restora.errors import UsageError
    from restora.training.sr_diff.layout import SPLITS, Layout
    from restora.training.sr_diff.make_pairs import find_photos, homes_of, make_pairs

    tasks = () if task == REAL else parse_task(task)
    if split not in SPLITS:
        raise UsageError(f"--split is {' or '.join(SPLITS)}, not {split!r}.")
    if seed < 0:
        raise UsageError(f"--seed is 0 or more, not {seed}.")
    if variants < 1:
        raise UsageError(f"--variants is at least 1, not {variants}.")
    if task == REAL:
        _make_real(
            photos,
            out,
            split=split,
            seed=seed,
            variants=variants,
            caption_model=caption_model,
            force=force,
        )
        return
    if caption_model is not None:
        raise UsageError("--caption-model is for --task real; the other tasks have no captions.")
    layout = Layout(out)
    found = find_photos(photos, beside=homes_of(layout))
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
    _tell({"pairs": made})


def _make_real(
    photos: Path,
    out: Path,
    *,
    split: str,
    seed: int,
    variants: int,
    caption_model: str | None,
    force: bool,
) -> None:
    """Pairs for SSP-IR and, by a captioner, what their clean pictures show."""
    from restora._optional import require
    from restora.cli.bench.output import progress_bar
    from restora.errors import UsageError
    from restora.semantics.lookup import load_captioner
    from restora.training.sr_diff.make_pairs import find_photos
    from restora.training.ssp_ir.layout import RealLayout
    from restora.training.ssp_ir.make_pairs import make_real_pairs, write_captions

    if split != "train":
        raise UsageError("--split is not for --task real: take another --out for each split.")
    layout = RealLayout(out)
    found = find_photos(photos, beside=layout.homes)
    require("torch", extra="train")
    captioner = None if caption_model is None else load_captioner(caption_model)
    try:
        with progress_bar("real") as progress:
            made = make_real_pairs(
                found, layout, seed=seed, variants=variants, force=force, progress=progress
            )
        told = {"pairs": made}
        if captioner is not None:
            with progress_bar("captions") as progress:
                told["captions"] = write_captions(
                    found, layout, captioner, variants=variants, force=force, progress=progress
                )
    except KeyboardInterrupt:
        _interrupted()
    _tell(told)


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
    _tell({"files of features": made})


def parse_task(text: str) -> tuple[Task, ...]:
    """One task of SR-Diff, or ``all`` of them.

    Raises:
        UsageError: It is neither.
    """
    from restora.errors import UsageError
    from restora.networks.sr_diff.tasks import TASKS

    chosen = tuple(task for task in TASKS if text in (task, EVERY_TASK))
    if not chosen:
        raise UsageError(f"--task is {', '.join(TASKS)} or {EVERY_TASK}, or {REAL}, not {text!r}.")
    return chosen


def _tell(each: dict[str, Made]) -> None:
    """Say what was done, by what it is called; exit 1 if some of it failed."""
    for made in each.values():
        for sentence in made.failed:
            typer.echo(f"failed: {sentence}", err=True)
    for noun, made in each.items():
        counts = {"made": made.made, "kept": made.kept, "failed": len(made.failed)}
        told = ", ".join(f"{count} {how}" for how, count in counts.items() if count)
        typer.echo(f"{noun}: {told or 'none'}", err=True)
    if any(made.failed for made in each.values()):
        raise typer.Exit(1)


def _interrupted() -> None:
    typer.echo("interrupted; the same command goes on from here", err=True)
    raise typer.Exit(130)
