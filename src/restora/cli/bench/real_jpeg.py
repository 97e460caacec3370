"""``restora bench real-jpeg``: real JPEG files without a reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

from restora.cli.bench.options import (
    DATA,
    Data,
    Device,
    JsonFile,
    Limit,
    Markdown,
    ModelName,
    Threads,
    Variants,
    check_json,
)

if TYPE_CHECKING:
    from restora.cli.bench.variants import Variant
    from restora.engine.restorer import Restorer
    from restora.evaluation.real_jpeg import RealOutcome


def real_jpeg(
    data: Data = DATA,
    variant: Variants = ["tool"],  # noqa: B006 - typer copies it
    model: ModelName = "fbcnn",
    limit: Limit = None,
    device: Device = "cpu",
    threads: Threads = 0,
    json: JsonFile = None,
    markdown: Markdown = False,
) -> None:
    """Real JPEG files of which nobody has the clean picture: quality found, block edges, change."""
    from restora.cli.bench.output import print_grids, progress_bar
    from restora.cli.bench.variants import mode_notes, read_variants
    from restora.engine.restorer import Restorer
    from restora.evaluation.real_jpeg import measure_real, real_grids
    from restora.evaluation.report import write_report

    check_json(json)
    variants = read_variants(variant, model)
    restorer = Restorer(device=device, threads=threads)
    with progress_bar("real-jpeg") as progress:
        report = measure_real(
            data,
            {
                name: lambda file, found=found: _repair(file, found, restorer)  # type: ignore[misc]
                for name, found in variants.items()
            },
            limit=limit,
            notes=mode_notes(variants),
            progress=progress,
        )
    print_grids(real_grids(report), markdown=markdown)
    if json is not None:
        write_report(report, json)


def _repair(file: bytes, variant: Variant, restorer: Restorer) -> RealOutcome:
    from restora.cli.bench.variants import to_bytes
    from restora.evaluation.real_jpeg import RealOutcome
    from restora.images import read_bytes
    from restora.jpeg import inspect

    before = to_bytes(read_bytes(file, name="bench"))
    header = inspect(file, name="bench").quality
    after, plan = variant.repair(restorer, file)
    return RealOutcome(
        before=before,
        after=to_bytes(after),
        saved_at=None if header is None else header.quality,
        exact=header is not None and header.exact,
        earlier=plan.quality if plan.quality_source == "earlier save" else None,
        used=plan.quality,
    )
