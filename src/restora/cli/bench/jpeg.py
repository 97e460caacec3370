"""``restora bench jpeg-…``: the JPEG protocols of the literature."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from restora.cli.bench.options import (
    DATA,
    Data,
    Device,
    JsonFile,
    Limit,
    Markdown,
    ModelName,
    TestSet,
    Threads,
    Variants,
    check_json,
    numbers,
)

if TYPE_CHECKING:
    from restora.evaluation.protocols import JpegProtocol

OFF_GRID = "offgrid"

Quality = Annotated[
    str,
    typer.Option(
        help=f"Qualities to measure, with commas between, or {OFF_GRID}: those between and beyond "
        "the published ones."
    ),
]
Estimate = Annotated[
    bool, typer.Option("--estimate", help="Also the error of the predicted quality.")
]
ESTIMATE_QUALITIES = tuple(range(10, 91, 10))


def jpeg_gray(
    data: Data = DATA,
    test_set: TestSet = "live1",
    quality: Quality = "10,20,30,40",
    variant: Variants = ["blind"],  # noqa: B006 - typer copies it
    model: ModelName = "fbcnn",
    estimate: Estimate = False,
    limit: Limit = None,
    device: Device = "cpu",
    threads: Threads = 0,
    json: JsonFile = None,
    markdown: Markdown = False,
) -> None:
    """Gray pictures, saved once: PSNR, SSIM and PSNR-B."""
    _measure(
        _single("jpeg-gray", test_set, quality), data, variant, model, estimate=estimate,
        limit=limit, device=device, threads=threads, json=json, markdown=markdown,
    )  # fmt: skip


def jpeg_color(
    data: Data = DATA,
    test_set: TestSet = "live1",
    quality: Quality = "10,20,30,40",
    variant: Variants = ["blind"],  # noqa: B006
    model: ModelName = "fbcnn",
    estimate: Estimate = False,
    limit: Limit = None,
    device: Device = "cpu",
    threads: Threads = 0,
    json: JsonFile = None,
    markdown: Markdown = False,
) -> None:
    """Colour pictures, saved once at 4:2:0: PSNR, SSIM and PSNR-B."""
    _measure(
        _single("jpeg-color", test_set, quality), data, variant, model, estimate=estimate,
        limit=limit, device=device, threads=threads, json=json, markdown=markdown,
    )  # fmt: skip


def jpeg_double(
    data: Data = DATA,
    test_set: TestSet = "live1",
    variant: Variants = ["blind", "tool"],  # noqa: B006
    model: ModelName = "fbcnn",
    limit: Limit = None,
    device: Device = "cpu",
    threads: Threads = 0,
    json: JsonFile = None,
    markdown: Markdown = False,
) -> None:
    """Gray pictures, saved twice with the grid shifted by (4, 4): FBCNN's nine settings."""
    from restora.evaluation.protocols import JpegProtocol

    _measure(
        JpegProtocol("jpeg-double", test_set), data, variant, model,  # type: ignore[arg-type]
        limit=limit, device=device, threads=threads, json=json, markdown=markdown,
    )  # fmt: skip


def jpeg_oapt(
    data: Data = DATA,
    test_set: TestSet = "live1",
    variant: Variants = ["blind", "tool"],  # noqa: B006
    model: ModelName = "fbcnn",
    limit: Limit = None,
    device: Device = "cpu",
    threads: Threads = 0,
    json: JsonFile = None,
    markdown: Markdown = False,
) -> None:
    """Gray pictures, saved twice with the grid shifted by (4, 4) or (0, 4): OAPT's settings."""
    from restora.evaluation.protocols import JpegProtocol

    _measure(
        JpegProtocol("jpeg-oapt", test_set), data, variant, model,  # type: ignore[arg-type]
        limit=limit, device=device, threads=threads, json=json, markdown=markdown,
    )  # fmt: skip


def _single(name: str, test_set: str, quality: str) -> JpegProtocol:
    from restora.evaluation.protocols import JpegProtocol
    from restora.evaluation.settings import OFF_GRID as OFF_GRID_SETTINGS
    from restora.evaluation.settings import at_qualities

    settings = (
        OFF_GRID_SETTINGS if quality == OFF_GRID else at_qualities(numbers(quality, "--quality"))
    )
    return JpegProtocol(name, test_set, settings)  # type: ignore[arg-type] # it checks itself


def _measure(
    protocol: JpegProtocol,
    data: Path,
    variant: list[str],
    model: str,
    *,
    estimate: bool = False,
    limit: int | None,
    device: str,
    threads: int,
    json: Path | None,
    markdown: bool,
) -> None:
    from restora.cli.bench.output import print_grids, progress_bar
    from restora.cli.bench.variants import mode_notes, pixel_restorers, read_variants
    from restora.engine.plan import Wishes
    from restora.engine.restorer import Restorer
    from restora.evaluation.baseline import check_baseline
    from restora.evaluation.measurement import run
    from restora.evaluation.report import write_report
    from restora.evaluation.tables import report_grids
    from restora.images import read_bytes

    check_json(json)
    restorer = Restorer(device=device, threads=threads)

    def see(file: bytes) -> float:
        """The quality the network sees in a file, 1-100."""
        plan = restorer.plan(read_bytes(file, name="bench"), None, Wishes(model=model))
        assert plan.quality is not None  # nothing was asked for, so the network decided
        return plan.quality

    variants = read_variants(variant, model)
    with progress_bar(f"{protocol.name} {protocol.set}") as progress:
        report = run(
            protocol,
            data,
            restorers=pixel_restorers(variants, restorer),
            estimate=see if estimate else None,
            estimate_qualities=ESTIMATE_QUALITIES if estimate else None,
            limit=limit,
            notes=mode_notes(variants),
            progress=progress,
        )
    print_grids(report_grids(report), markdown=markdown)
    if json is not None:
        write_report(report, json)
    wrong = check_baseline(report).wrong
    for sentence in wrong:
        typer.echo(f"restora: {sentence}", err=True)
    # A look at a few pictures proves nothing and is no failure; a wrong baseline is one.
    if wrong and limit is None:
        raise typer.Exit(1)
