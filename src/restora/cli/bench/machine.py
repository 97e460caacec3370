"""``restora bench speed`` and ``resources``: seconds and memory on this machine; no data needed."""

from __future__ import annotations

from typing import Annotated

import typer

from restora.cli.bench.options import JsonFile, ModelName, Threads, check_json


def speed(
    repeats: Annotated[int, typer.Option(help="Turns of each; best and median count.")] = 3,
    published: Annotated[
        bool, typer.Option(help="Also the published-size network, in the same turns.")
    ] = True,
    megapixels: Annotated[float, typer.Option(help="Size of the JPEG for the whole tool.")] = 1.0,
    threads: Threads = 0,
    json: JsonFile = None,
) -> None:
    """Seconds a megapixel, network by network and as a whole, beside the published size."""
    from restora.cli.bench.output import keep, progress_bar
    from restora.errors import UsageError
    from restora.evaluation.speed import markdown, measure_speed

    check_json(json)
    if not 0 < megapixels <= 1000:
        raise UsageError("--megapixels is a size above 0 and up to 1000.")
    with progress_bar("speed") as progress:
        report = measure_speed(
            repeats=repeats,
            threads=threads,
            published=published,
            megapixels=megapixels,
            progress=progress,
        )
    typer.echo(markdown(report))
    keep(json, "speed", report)


def resources(
    model: ModelName = "fbcnn",
    megapixels: Annotated[
        str, typer.Option(help="Sizes of picture, with commas between.")
    ] = "1,16,64",
    json: JsonFile = None,
) -> None:
    """Time and memory of the restore command by picture size, its start included."""
    from restora.cli.bench.output import keep
    from restora.engine.plan import DEFAULT_TILE_PX
    from restora.errors import UsageError
    from restora.evaluation.resources import Resources, markdown, measure_sizes

    check_json(json)
    try:
        sizes = [float(part) for part in megapixels.split(",")]
    except ValueError:
        raise UsageError(
            f"--megapixels is numbers with commas between, not {megapixels!r}."
        ) from None
    if not all(0 < size <= 1000 for size in sizes):
        raise UsageError("--megapixels are sizes above 0 and up to 1000.")
    rows: list[Resources] = []
    for row in measure_sizes(sizes, model=model, tile_px=DEFAULT_TILE_PX):
        lines = markdown([row]).splitlines()
        typer.echo("\n".join(lines[-1:] if rows else lines))  # a size may take a minute
        rows.append(row)
    keep(json, "resources", rows)
