"""``restora train``: make a weight from a recipe."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Optional

import typer


def train(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE", show_default=False)],
    photos: Annotated[Path, typer.Option(help="Folder of clean photos.", show_default=False)],
    out: Annotated[
        Path, typer.Option("-o", "--out", help="Folder of the run; an old run there goes on.")
    ],
    budget: Annotated[
        Optional[str],  # noqa: UP045 - typer reads annotations at run time
        typer.Option(
            help="Stop after this long, such as 90s, 25m or 2h. Default: the recipe's end."
        ),
    ] = None,
    validation: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Folder of clean pictures to score on; never a test set."),
    ] = None,
    override: Annotated[
        list[str], typer.Option("--override", metavar="KEY=VALUE", help="Change the recipe.")
    ] = [],  # noqa: B006 - typer copies it
    start: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Weight (.onnx, or a run's .pt) to start from instead of at random."),
    ] = None,
    cache: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Where decoded photos are kept. Default: beside the run."),
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, mps ...")] = "cpu",
    threads: Annotated[int, typer.Option(help="CPU threads; 0 takes every core.")] = 0,
    compile: Annotated[bool, typer.Option("--compile", help="Use torch.compile.")] = False,
    validate_every: Annotated[int, typer.Option(help="Steps between two lines of the log.")] = 1000,
) -> None:
    """Train a weight; stops by the clock and resumes exactly."""
    from restora._optional import require

    budget_s = float("inf") if budget is None else parse_duration(budget)
    torch = require("torch", extra="train")
    from restora.training.data import PhotoStore
    from restora.training.initial import read_initial
    from restora.training.loop import train as run
    from restora.training.recipe import load_recipe

    if threads:
        torch.set_num_threads(threads)
    resolved = load_recipe(recipe, overrides=tuple(override))
    initial = None if start is None else read_initial(start, resolved.network)
    typer.echo(f"{resolved.name}: reading photos", err=True)
    store = PhotoStore.open(photos, cache=cache or out / "photos")

    def report(row: dict[str, float]) -> None:
        left = (resolved.train.steps - row["step"]) * row["seconds"] / row["step"]
        words = " ".join(f"{k} {v:.4g}" for k, v in row.items() if k not in ("step", "seconds"))
        typer.echo(
            f"step {row['step']:.0f}/{resolved.train.steps} after {row['seconds'] / 60:.1f} min, "
            f"about {left / 60:.0f} min left: {words}",
            err=True,
        )

    done = run(
        resolved,
        store,
        out=out,
        budget_s=budget_s,
        validation=validation,
        device=device,
        compiled=compile,
        initial=initial,
        validate_every=validate_every,
        report=report,
    )
    state = "finished" if done.step >= resolved.train.steps else "stopped by the clock"
    typer.echo(
        f"{resolved.name}: {state} at step {done.step}, {done.seconds / 60:.1f} min", err=True
    )


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
