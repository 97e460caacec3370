"""``restora bench ablation``: DAGN without its parts, trained and scored in one command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from restora.cli.bench.options import JsonFile, check_json

if TYPE_CHECKING:
    from restora.networks.dagn import DAGNConfig
    from restora.training.recipe import DAGNRecipe
    from restora.training.sections import Recipe

JSON_NAME = "ablation.json"


def ablation(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE", show_default=False, readable=False)],
    photos: Annotated[
        Path, typer.Option(help="Folder of clean photos.", show_default=False, readable=False)
    ],
    validation: Annotated[
        Path,
        typer.Option(
            help="Folder of clean pictures to score on; never a test set.",
            show_default=False,
            readable=False,
        ),
    ],
    steps: Annotated[
        int,
        typer.Option(
            min=1,
            help="Steps of each variant; warm-up and decay of the rate keep their shares of them.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option("-o", "--out", help="Folder of the runs; those there go on.", readable=False),
    ] = Path("ablation"),
    override: Annotated[
        list[str], typer.Option("--override", metavar="KEY=VALUE", help="Change the recipe.")
    ] = [],  # noqa: B006 - typer copies it
    cache: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            help="Where decoded photos are kept; runs may share it. Default: inside --out.",
            readable=False,
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, mps ...")] = "cpu",
    threads: Annotated[int, typer.Option(help="CPU threads; 0 takes every core.")] = 0,
    json: JsonFile = None,
) -> None:
    """DAGN's ablation table: no part, each alone, all; trained alike. Resumes exactly."""
    import signal
    from threading import Event

    from restora._optional import require
    from restora.cli.bench.output import keep
    from restora.evaluation.ablation import (
        VARIANTS,
        AblationReport,
        AblationRow,
        markdown,
        read_scores,
    )
    from restora.evaluation.report import Environment

    check_json(json)
    torch = require("torch", extra="train")
    from restora.networks.device import find_device
    from restora.training.data import PhotoStore
    from restora.training.loop import LOG, train

    find_device(device)
    if threads:
        torch.set_num_threads(threads)
    asked = _read_recipe(recipe, tuple(override))
    recipes = {name: _variant(asked, parts, steps) for name, parts in VARIANTS.items()}
    store = PhotoStore.open(photos, cache=cache or out / "photos")
    for variant, resolved in recipes.items():  # all, before hours go into the first
        _check_run(out / variant, resolved, store.key)
    interrupted = Event()
    signal.signal(signal.SIGINT, lambda *_: interrupted.set())  # end between two steps, and save
    rows = []
    for variant, resolved in recipes.items():

        def report(row: dict[str, float], variant: str = variant) -> None:
            typer.echo(f"{variant}: step {row['step']:.0f}/{steps}", err=True)

        train(
            resolved,
            store,
            out=out / variant,
            validation=validation,
            device=device,
            report=report,
            stop=interrupted.is_set,
        )
        if interrupted.is_set():
            typer.echo("interrupted (the same command goes on from here)", err=True)
            raise typer.Exit(130)
        rows.append(
            AblationRow(
                variant=variant,
                parameters=_parameters_used(resolved.network),
                steps=steps,
                scores=read_scores(out / variant / LOG),
            )
        )
    found = AblationReport(
        recipe=asked.name, steps=steps, rows=tuple(rows), environment=Environment.here()
    )
    typer.echo(markdown(found))
    keep(json or out / JSON_NAME, "ablation", found)


def _read_recipe(path: Path, overrides: tuple[str, ...]) -> DAGNRecipe:
    """A recipe whose parts can be switched.

    Raises:
        RecipeError: The recipe is wrong.
        UsageError: It is of another method, or restores nothing.
    """
    from restora.errors import UsageError
    from restora.training.recipe import DAGNRecipe, load_recipe

    found = load_recipe(path, overrides=overrides)
    if not isinstance(found, DAGNRecipe):
        raise UsageError(
            f"{path}: the ablation switches parts of a DAGN; this is a recipe of {found.method}."
        )
    if found.decoupling.stage == "encoders":
        raise UsageError(
            f"{path}: this recipe trains the encoders alone, which restores nothing to score; take "
            "one of the second stage, or a joint one."
        )
    return found


def _variant(recipe: DAGNRecipe, switches: tuple[str, ...], steps: int) -> DAGNRecipe:
    """The recipe with those parts of the network alone, over that many steps."""
    from restora.evaluation.ablation import SWITCHES

    train, share = recipe.train, steps / recipe.train.steps
    schedule = {
        "steps": steps,
        "warmup_steps": round(train.warmup_steps * share),
        "decay_steps": round(train.decay_steps * share),
    }
    parts = {name: name in switches for name in SWITCHES}
    changes = {
        "network": recipe.network.model_copy(update=parts),
        "train": train.model_copy(update=schedule),
    }
    return recipe.model_copy(update=changes)


def _check_run(folder: Path, recipe: Recipe, photos: str) -> None:
    """Refuse a run that would go on as another than it began: its row would be no comparison.

    Raises:
        UsageError: It was made with another recipe or other photos.
    """
    from restora.errors import UsageError
    from restora.training.checkpoint import load_checkpoint
    from restora.training.loop import LATEST

    if not (folder / LATEST).exists():
        return
    found = load_checkpoint(folder / LATEST)
    if found.recipe != recipe or found.photos not in ("", photos):
        raise UsageError(
            f"{folder}: holds a run with another recipe, number of steps or photos; choose another "
            "--out."
        )


def _parameters_used(config: DAGNConfig) -> int:
    """How many parameters move the output: those of parts switched off do not."""
    import torch

    from restora.networks.dagn import DAGN

    network = DAGN(config)
    side_px = 2 * config.multiple_px
    restored, _ = network.eval()(torch.zeros(1, config.channels, side_px, side_px))
    restored.sum().backward()
    return sum(p.numel() for p in network.parameters() if p.grad is not None)
