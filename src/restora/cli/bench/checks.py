"""``restora bench clean`` and ``tiles``: clean pictures stay, and tiles leave no trace."""

from __future__ import annotations

from typing import Annotated

import typer

from restora.cli.bench.options import (
    DATA,
    Data,
    Device,
    JsonFile,
    Limit,
    ModelName,
    Threads,
    check_json,
    numbers,
)

Folder = Annotated[
    str, typer.Option("--set", help="Folder of clean colour pictures, under the data folder.")
]


def clean(
    data: Data = DATA,
    folder: Folder = "cid22_val",
    model: ModelName = "fbcnn",
    limit: Limit = None,
    device: Device = "cpu",
    threads: Threads = 0,
    json: JsonFile = None,
) -> None:
    """How much pictures change that were never compressed."""
    from restora.cli.bench.output import keep, progress_bar
    from restora.cli.bench.variants import pixel_restorers, read_variants
    from restora.engine.restorer import Restorer
    from restora.evaluation.checks import clean_markdown, find_pictures, measure_clean

    check_json(json)
    variants = read_variants(["tool"], model)
    restore = next(
        iter(pixel_restorers(variants, Restorer(device=device, threads=threads)).values())
    )
    with progress_bar("clean") as progress:
        report = measure_clean(
            restore, find_pictures(data / folder, limit=limit), progress=progress
        )
    typer.echo(clean_markdown(report))
    keep(json, "clean", report)


def tiles(
    data: Data = DATA,
    folder: Folder = "urban10",
    model: ModelName = "fbcnn",
    limit: Limit = None,
    tile: Annotated[str, typer.Option(help="Tile sizes in pixels, with commas between.")] = (
        "128,192,256,512"
    ),
    quality: Annotated[int, typer.Option(help="JPEG quality the pictures are saved at.")] = 10,
    device: Device = "cpu",
    threads: Threads = 0,
    json: JsonFile = None,
) -> None:
    """How far a picture restored in tiles is from the same picture in one piece."""
    from restora.cli.bench.output import keep, progress_bar
    from restora.engine.restorer import Restorer
    from restora.evaluation.checks import find_pictures, measure_tiles, tiles_markdown

    check_json(json)
    sizes = numbers(tile, "--tile")
    with progress_bar("tiles") as progress:
        report = measure_tiles(
            Restorer(device=device, threads=threads),
            find_pictures(data / folder, limit=limit),
            tile_sizes_px=sizes,
            quality=quality,
            model=model,
            progress=progress,
        )
    typer.echo(tiles_markdown(report))
    keep(json, "tiles", report)
