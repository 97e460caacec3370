"""``restora train``: make a weight from a recipe."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Optional

import typer


def train(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE", show_default=False, readable=False)],
    photos: Annotated[
        Path,
        typer.Option(
            help="Folder of clean photos, or of pairs.", show_default=False, readable=False
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "-o", "--out", help="Folder of the run; an old run there goes on.", readable=False
        ),
    ],
    budget: Annotated[
        Optional[str],  # noqa: UP045 - typer reads annotations at run time
        typer.Option(
            help="Stop after this long, such as 90s, 25m or 2h. Default: the recipe's end."
        ),
    ] = None,
    validation: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            help="Folder of clean pictures to score on, or of val pairs; never a test set.",
            readable=False,
        ),
    ] = None,
    override: Annotated[
        list[str], typer.Option("--override", metavar="KEY=VALUE", help="Change the recipe.")
    ] = [],  # noqa: B006 - typer copies it
    start: Annotated[
        list[Path],
        typer.Option(
            help="Weights to start from instead of at random: a card, .onnx, .safetensors, the "
            "authors' .pth, or a run's .pt. SODiff and SR-Diff take several: the first gives all, "
            "each later run the part its stage trained.",
            readable=False,
        ),
    ] = [],  # noqa: B006 - typer copies it
    cache: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            help="Where decoded photos are kept; runs may share it. Default: inside the run.",
            readable=False,
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, mps ...")] = "cpu",
    threads: Annotated[int, typer.Option(help="CPU threads; 0 takes every core.")] = 0,
    compile: Annotated[bool, typer.Option("--compile", help="Use torch.compile.")] = False,
    validate_every: Annotated[
        int, typer.Option(min=1, help="Steps between two validations.")
    ] = 1000,
) -> None:
    """Train a weight; stops by the clock and resumes exactly."""
    import signal
    from threading import Event

    from restora._optional import require

    budget_s = float("inf") if budget is None else parse_duration(budget)
    torch = require("torch", extra="train")
    from restora.networks.device import find_device
    from restora.training.data import PhotoStore
    from restora.training.initial import gather
    from restora.training.loop import LATEST
    from restora.training.loop import train as run
    from restora.training.methods import note_on_photos
    from restora.training.recipe import load_recipe

    find_device(device)
    if threads:
        torch.set_num_threads(threads)
    resolved = load_recipe(recipe, overrides=tuple(override))
    initial = None
    encoders: dict[str, str] = {}
    if not (out / LATEST).exists():  # else the run goes on with its own weights
        found = gather(start, resolved)
        initial, encoders = found.weights, dict(found.encoders)
        for note in found.notes:
            typer.echo(note, err=True)
    typer.echo(f"{resolved.name}: reading photos", err=True)
    store = PhotoStore.open(photos, cache=cache or out / "photos")
    pairs = note_on_photos(resolved, store)
    if pairs is not None:
        typer.echo(pairs, err=True)

    def report(row: dict[str, float]) -> None:
        told = ("step", "seconds", "left_s")
        words = " ".join(f"{key} {value:.4g}" for key, value in row.items() if key not in told)
        typer.echo(
            f"step {row['step']:.0f}/{resolved.train.steps} after {row['seconds'] / 60:.1f} min, "
            f"about {row['left_s'] / 60:.1f} min left: {words}",
            err=True,
        )

    interrupted = Event()
    signal.signal(signal.SIGINT, lambda *_: interrupted.set())  # end between two steps, and save
    done = run(
        resolved,
        store,
        out=out,
        budget_s=budget_s,
        validation=validation,
        device=device,
        compiled=compile,
        initial=initial,
        encoders=encoders,
        validate_every=validate_every,
        report=report,
        stop=interrupted.is_set,
    )
    state = "finished" if done.step >= resolved.train.steps else "stopped by the clock"
    if interrupted.is_set():
        state = "interrupted (the same command goes on from here)"
    typer.echo(
        f"{resolved.name}: {state} at step {done.step}, {done.seconds / 60:.1f} min", err=True
    )
    if interrupted.is_set():
        raise typer.Exit(130)


def parse_duration(text: str) -> float:
    """``90s``, ``25m`` or ``2h`` in seconds.

    Raises:
        UsageError: It is none of these.
    """
    from restora.errors import UsageError

    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text)
    if match is None:
        raise UsageError(f"--budget is a number and a unit, such as 90s, 25m or 2h, not {text!r}.")
    return float(match[1]) * {"s": 1, "m": 60, "h": 3600}[match[2]]
