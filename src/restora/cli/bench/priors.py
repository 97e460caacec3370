"""``restora bench priors``: what words, image tokens and structure are worth to an SSP-IR."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from restora.cli.bench.options import DATA, Data, Device, JsonFile, Limit, Markdown, check_json
from restora.cli.bench.real import MODEL
from restora.cli.bench.real_options import (
    CleanFolder,
    CleanSet,
    light_scores,
    published_damage,
    set_name,
)


def priors(
    weight: Annotated[
        str,
        typer.Argument(help="A model, a weight file, or the checkpoint of a training (.pt)."),
    ] = MODEL,
    data: Data = DATA,
    test_set: CleanSet = "cid22",
    pictures: CleanFolder = None,
    steps: Annotated[
        Optional[int],  # noqa: UP045 - typer reads annotations at run time
        typer.Option(min=1, help="Steps of the walk; as the weight says unless given."),
    ] = None,
    caption_model: Annotated[
        str, typer.Option(help="What says what a picture shows; as for restora restore.")
    ] = "tags",
    image_encoder: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="With its path, such as clip:PATH, where the weight's needs one."),
    ] = None,
    text_encoder: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="With its path, such as clip:PATH, where the weight's needs one."),
    ] = None,
    side: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(min=16, help="Restore the middle of a picture, a square of this side."),
    ] = 256,
    limit: Limit = None,
    device: Device = "cpu",
    json: JsonFile = None,
    markdown: Markdown = False,
) -> None:
    """The same walks without words, with wrong ones, without image tokens, without structure."""
    from restora.cli.bench.output import print_grids, progress_bar
    from restora.cli.bench.primed import PrimedSSPIR, read_ssp_ir
    from restora.evaluation.real_world_priors import measure_priors
    from restora.evaluation.real_world_sets import clean_pictures, synthetic_cases
    from restora.evaluation.real_world_tables import real_world_grids
    from restora.evaluation.report import write_report

    check_json(json)
    found = clean_pictures(test_set, data, folder=pictures, limit=limit)
    network = PrimedSSPIR(
        read_ssp_ir(weight),
        steps=steps,
        captioner=caption_model,
        image_encoder=image_encoder,
        text_encoder=text_encoder,
        device=device,
    )
    scorers, missing = light_scores()
    with progress_bar("priors") as progress:
        report = measure_priors(
            synthetic_cases(found, published_damage()),
            network,
            scorers,
            test_set=set_name(test_set, pictures),
            model=Path(weight).name,
            side_px=side,
            notes=(
                f"The middle of each picture, {side} px to a side at most; {network.steps} "
                f"step{'s' if network.steps > 1 else ''}, "
                f"one sample; captions by {caption_model}.",
                *missing,
            ),
            progress=progress,
        )
    print_grids(real_world_grids(report), markdown=markdown)
    if json is not None:
        write_report(report, json)
