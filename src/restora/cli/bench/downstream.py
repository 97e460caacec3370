"""``restora bench downstream``: what a repair is worth to programs that look at pictures."""

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
    Variants,
    check_json,
    numbers,
)


def downstream(
    data: Data = DATA,
    folder: Annotated[
        str, typer.Option("--set", help="Folder of clean colour pictures, under the data folder.")
    ] = "live1_color",
    quality: Annotated[
        str, typer.Option(help="Qualities to measure, with commas between.")
    ] = "10,20,30,40",
    variant: Variants = ["tool"],  # noqa: B006 - typer copies it
    model: ModelName = "fbcnn",
    classifier: Annotated[
        bool, typer.Option(help="Also what a classifier sees; without it edges only.")
    ] = True,
    limit: Limit = None,
    device: Device = "cpu",
    threads: Threads = 0,
    json: JsonFile = None,
) -> None:
    """Whether a classifier and an edge detector see in the repaired picture what the clean has."""
    from restora.cli.bench.output import keep, progress_bar
    from restora.cli.bench.variants import pixel_restorers, read_variants
    from restora.engine.restorer import Restorer
    from restora.evaluation.checks import find_pictures
    from restora.evaluation.classifier import load_classifier
    from restora.evaluation.downstream import markdown, measure_downstream
    from restora.evaluation.settings import at_qualities, check_settings

    check_json(json)
    qualities = numbers(quality, "--quality")
    check_settings(at_qualities(qualities))
    variants = read_variants(variant, model)
    pictures = find_pictures(data / folder, limit=limit)
    seer = load_classifier() if classifier else None
    with progress_bar("downstream") as progress:
        report = measure_downstream(
            pictures,
            pixel_restorers(variants, Restorer(device=device, threads=threads)),
            classifier=seer,
            qualities=qualities,
            progress=progress,
        )
    typer.echo(markdown(report))
    keep(json, "downstream", report)
