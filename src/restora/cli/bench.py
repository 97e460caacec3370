"""``restora bench``: quality and speed by a published protocol."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from restora.engine.restorer import Restorer

ESTIMATE_QUALITIES = tuple(range(10, 91, 10))


def bench(
    protocol: Annotated[
        str, typer.Argument(metavar="jpeg-gray|jpeg-color|resources", show_default=False)
    ],
    data: Annotated[
        Path, typer.Option(help="Folder that holds the test sets.", readable=False)
    ] = Path("testsets"),
    set: Annotated[str, typer.Option(help="live1, classic5 or bsds500.")] = "live1",
    model: Annotated[str, typer.Option(help="Model to measure.")] = "fbcnn",
    quality: Annotated[
        str, typer.Option(help="Qualities to measure, with commas between.")
    ] = "10,20,30,40",
    blind: Annotated[
        bool,
        typer.Option(
            "--blind/--header",
            help="Let the network estimate the quality, as published, or read the header.",
        ),
    ] = True,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Also the error of the predicted quality.")
    ] = False,
    limit: Annotated[
        Optional[int],  # noqa: UP045 - typer reads annotations at run time
        typer.Option(help="Only the first so many pictures, for a quick look."),
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, or a PyTorch device such as cuda.")] = "cpu",
    threads: Annotated[int, typer.Option(help="CPU threads; 0 takes every core.")] = 0,
    json: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Also write the report as JSON to this file.", readable=False),
    ] = None,
    megapixels: Annotated[
        str, typer.Option(help="For resources: sizes of picture, with commas between.")
    ] = "1,16,64",
    markdown: Annotated[bool, typer.Option("--markdown", help="Print markdown tables.")] = False,
) -> None:
    """Measure a model by a published protocol, beside the published numbers.

    ``resources`` measures time and memory by picture size instead, and needs no data.
    """
    from restora.errors import UsageError

    if json is not None and not json.absolute().parent.is_dir():
        raise UsageError(f"{json}: its folder is not there.")  # before the work, not after it
    if protocol == "resources":
        if device != "cpu" or threads:
            raise UsageError("resources measures the command as it is: no --device, no --threads.")
        _bench_resources(model, megapixels, json)
        return
    from rich.console import Console
    from rich.progress import Progress

    from restora.engine.restorer import Restorer
    from restora.evaluation import tables
    from restora.evaluation.measurement import run
    from restora.evaluation.protocols import JpegProtocol
    from restora.evaluation.report import baseline_mismatches, write_report
    from restora.weights.registry import find_model

    find_model(model)
    try:
        qualities = tuple(int(part) for part in quality.split(","))
    except ValueError:
        raise UsageError(f"--quality is numbers with commas between, not {quality!r}.") from None
    measured = JpegProtocol(protocol, set, qualities)  # type: ignore[arg-type] # it checks itself
    restorer = Restorer(device=device, threads=threads)
    name = f"Restora {model}" + ("" if blind else ", header quality")
    bars = Console(stderr=True)
    with Progress(console=bars, transient=True, disable=not bars.is_terminal) as progress:
        task = progress.add_task(f"{protocol} {set}", total=None)
        report = run(
            measured,
            data,
            restorers={name: lambda file: _restore(restorer, file, model, blind=blind)},
            estimate=(lambda file: _see(restorer, file, model)) if estimate else None,
            estimate_qualities=ESTIMATE_QUALITIES if estimate else None,
            limit=limit,
            progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    if markdown:
        typer.echo(tables.markdown(report))
        typer.echo(tables.gain_markdown(report))
    else:
        console = Console()
        console.print(tables.table(report))
        console.print(tables.gain_table(report))
    if estimate:
        typer.echo(tables.quality_markdown(report))
    if json is not None:
        write_report(report, json)
    mismatches = baseline_mismatches(report)
    for mismatch in mismatches:
        typer.echo(f"restora: {mismatch}", err=True)
    # A look at a few pictures proves nothing and is no failure; a wrong baseline is one.
    if mismatches and limit is None:
        raise typer.Exit(1)


def _restore(restorer: Restorer, file: bytes, model: str, *, blind: bool) -> NDArray[np.uint8]:
    """A file as the restore verb would do it, without the header if blind; gray is (H, W)."""
    import numpy as np

    from restora.engine.plan import Wishes
    from restora.images import read_bytes
    from restora.jpeg import inspect

    picture = read_bytes(file, name="bench")
    facts = None if blind else inspect(file, name="bench")
    plan = restorer.plan(picture, facts, Wishes(model=model))
    restored = restorer.run(picture, plan).pixels
    pixels = np.rint(restored * 255).astype(np.uint8)  # the Restorer clips to 0-1
    return pixels[..., 0] if picture.space == "gray" else pixels


def _see(restorer: Restorer, file: bytes, model: str) -> float:
    """The quality the network sees in a file, 1-100."""
    from restora.engine.plan import Wishes
    from restora.images import read_bytes

    plan = restorer.plan(read_bytes(file, name="bench"), None, Wishes(model=model))
    assert plan.quality is not None  # nothing was asked for, so the network decided
    return plan.quality


def _bench_resources(model: str, megapixels: str, json: Path | None) -> None:
    import json as json_module

    from restora.engine.plan import DEFAULT_TILE_PX
    from restora.errors import UsageError
    from restora.evaluation.resources import markdown, measure_sizes

    try:
        sizes = [float(part) for part in megapixels.split(",")]
    except ValueError:
        raise UsageError(
            f"--megapixels is numbers with commas between, not {megapixels!r}."
        ) from None
    if not all(0 < size <= 1000 for size in sizes):
        raise UsageError("--megapixels are sizes above 0 and up to 1000.")
    rows: list[dict[str, float]] = []
    for row in measure_sizes(sizes, model=model, tile_px=DEFAULT_TILE_PX):
        lines = markdown([row]).splitlines()
        typer.echo("\n".join(lines[-1:] if rows else lines))
        rows.append(row.model_dump())
    if json is not None:
        json.write_text(json_module.dumps(rows, indent=2) + "\n")
