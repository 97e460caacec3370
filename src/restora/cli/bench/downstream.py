"""``restora bench downstream``: what a repair is worth to programs that look at pictures."""

from __future__ import annotations

from typing import Annotated, Optional

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
        str, typer.Option(help="What a classifier sees: lite0 or lite2; none goes without.")
    ] = "lite0",
    detector: Annotated[
        Optional[str],  # noqa: UP045 - typer reads annotations at run time
        typer.Option(
            help="What a detector finds: an ONNX file that takes a picture (1, 3, H, W) in 0-1 and "
            "gives boxes, scores and labels, or torchvision."
        ),
    ] = None,
    limit: Limit = None,
    device: Device = "cpu",
    threads: Threads = 0,
    json: JsonFile = None,
) -> None:
    """Whether machines see in the repaired picture what they see in the clean: classes, edges."""
    from restora.cli.bench.output import keep, progress_bar
    from restora.cli.bench.variants import pixel_restorers, read_variants
    from restora.engine.restorer import Restorer
    from restora.evaluation.checks import find_pictures
    from restora.evaluation.detector import load_detector
    from restora.evaluation.downstream import markdown, measure_downstream
    from restora.evaluation.settings import at_qualities, check_settings
    from restora.semantics.efficientnet_lite import load_classifier

    check_json(json)
    qualities = numbers(quality, "--quality")
    check_settings(at_qualities(qualities))
    variants = read_variants(variant, model)
    pictures = find_pictures(data / folder, limit=limit)
    seer = load_classifier(classifier) if classifier != "none" else None
    finder = load_detector(detector, threads=threads) if detector is not None else None
    with progress_bar("downstream") as progress:
        report = measure_downstream(
            pictures,
            pixel_restorers(variants, Restorer(device=device, threads=threads)),
            classifier=seer,
            detector=finder,
            qualities=qualities,
            progress=progress,
        )
    typer.echo(markdown(report))
    keep(json, "downstream", report)
