"""``restora export``: a training run as an ONNX file with its card."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from restora.evaluation.report import Report


def export(
    checkpoint: Annotated[
        Path,
        typer.Argument(
            metavar="CHECKPOINT", help="A run's .pt file.", show_default=False, readable=False
        ),
    ],
    out: Annotated[
        Path, typer.Option("-o", "--out", help="Folder for the file and its card.", readable=False)
    ],
    title: Annotated[str, typer.Option(help="For the card: what it is, in a few words.")],
    data: Annotated[str, typer.Option(help="For the card: the photos, and their licences.")],
    trained_on: Annotated[str, typer.Option(help="For the card: the device.")],
    history: Annotated[str, typer.Option(help="For the card: runs it started from.")] = "",
    curve: Annotated[str, typer.Option(help="For the card: what more would give.")] = "",
    overlap: Annotated[int, typer.Option(help="Overlap of tiles in pixels.")] = 64,
    bench: Annotated[
        list[Path],
        typer.Option(help="Reports of `restora bench --json` for the card.", readable=False),
    ] = [],  # noqa: B006 - typer copies it
) -> None:
    """Export a run's averaged weights: ONNX, any size, quality as an input."""
    from restora._optional import require

    require("torch", extra="train")
    from restora.evaluation.report import read_report
    from restora.training.checkpoint import load_checkpoint
    from restora.training.export import export_weight

    card = export_weight(
        load_checkpoint(checkpoint),
        out,
        title=title,
        data=data,
        device=trained_on,
        history=history,
        curve=curve,
        overlap_px=overlap,
        scores={k: v for path in bench for k, v in card_scores(read_report(path)).items()},
    )
    typer.echo(
        f"{out / card.name}.onnx: {card.size_bytes / 1e6:.2f} MB, "
        f"{card.macs_per_pixel / 1000:.1f} thousand multiply-adds a pixel"
    )


def card_scores(report: Report) -> dict[str, dict[str, float]]:
    """The rows of a report as a card keeps them: what was measured, to PSNR in dB by quality."""
    from restora.evaluation.report import PLAIN_JPEG

    scores = {
        f"{report.protocol} {report.set}": {
            f"QF{row.quality}": round(row.psnr, 2)
            for row in report.rows
            if row.method != PLAIN_JPEG
        }
    }
    if report.quality_errors:
        errors = [error.mean_absolute_error for error in report.quality_errors]
        scores[f"quality error {report.set}"] = {"mean": round(sum(errors) / len(errors), 2)}
    return scores
