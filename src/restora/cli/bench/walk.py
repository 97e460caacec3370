"""``restora bench walk``: what SR-Diff costs by its number of steps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from restora.cli.bench.options import JsonFile, Markdown, Threads, check_json, numbers
from restora.cli.bench.restoration import MODEL

REFERENCE = "fbcnn"


def walk(
    model: Annotated[str, typer.Option(help="Model to measure.")] = MODEL,
    steps: Annotated[
        str, typer.Option(help="Numbers of steps, rising, with commas between.")
    ] = "1,4,10",
    repeats: Annotated[int, typer.Option(help="Turns that count.")] = 3,
    megapixels: Annotated[float, typer.Option(min=0.01, help="Size of the picture.")] = 1.0,
    tile: Annotated[int, typer.Option(min=16, help="Side of the denoiser's tile, pixels.")] = 512,
    threads: Threads = 0,
    json: JsonFile = None,
    markdown: Markdown = False,
) -> None:
    """Seconds a megapixel by steps: the whole tool, a step of it, the denoiser alone."""
    import io

    from PIL import Image

    from restora.cli.bench.output import keep, print_grids, progress_bar
    from restora.engine.models import resolve_model, tasks_of
    from restora.engine.plan import Wishes
    from restora.engine.restorer import Restorer
    from restora.evaluation.walk_speed import made_picture, measure_walk, walk_grids

    check_json(json)
    counts = numbers(steps, "--steps")
    found = resolve_model(model)
    weight = found.weights[0]
    alone = denoiser(weight, tile_px=tile, threads=threads)  # refuses what walks no steps
    task = tasks_of(found)[0]
    file = io.BytesIO()
    Image.fromarray(made_picture(megapixels)).save(file, "PNG", compress_level=1)
    data, restorer = file.getvalue(), Restorer(threads=threads)
    with progress_bar("walk") as progress:
        report = measure_walk(
            lambda count: restorer.restore(
                data, Wishes(model=model, task=task, steps=count, seed=0)
            ),
            alone,
            lambda: restorer.restore(data, Wishes(model=REFERENCE)),
            model=Path(model).name,
            reference_name=REFERENCE,
            steps=counts,
            megapixels=megapixels,
            tile_px=tile,
            repeats=repeats,
            threads=threads,
            progress=progress,
        )
    print_grids(walk_grids(report), markdown=markdown)
    keep(json, "walk", report)


def denoiser(weight: str, *, tile_px: int, threads: int) -> Callable[[], object]:
    """One call of an SR-Diff's denoiser on a tile of noise.

    Raises:
        UsageError: The weight has no denoiser, or the tile does not fit it.
        WeightsError: It cannot be read.
    """
    import numpy as np

    from restora.engine.backend_ort import load_session
    from restora.errors import UsageError
    from restora.networks.sr_diff.config import SRDiffConfig
    from restora.weights.registry import load_card, load_weight

    card = load_card(weight)
    if card.method != "sr-diff":
        raise UsageError(f"{weight} is of the method {card.method}, which walks no steps.")
    config = SRDiffConfig.model_validate(card.training.recipe["network"])
    if tile_px % config.multiple_px:
        raise UsageError(f"--tile is a multiple of {config.multiple_px} for {card.name}.")
    session = load_session(load_weight(weight, "denoiser"), threads)
    tile = np.random.default_rng(0).random((1, 3, tile_px, tile_px), np.float32)
    feeds = {
        "state": tile,
        "degraded": tile,
        "time": np.array([config.sde.steps], np.float32),
        "task": np.eye(len(config.tasks), dtype=np.float32)[:1],
        "context": np.zeros((1, config.tokens, config.context_dim), np.float32),
    }
    # What the network does not read, the exporter leaves out.
    feeds = {given.name: feeds[given.name] for given in session.get_inputs()}
    return lambda: session.run(None, feeds)
