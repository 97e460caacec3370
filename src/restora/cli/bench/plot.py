"""``restora bench plot``: pictures of kept measurements."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

Out = Annotated[
    Path,
    typer.Option("--out", "-o", help="The picture: .svg or .png.", show_default=False),
]
Quality = Annotated[int, typer.Option(help="JPEG quality of the PSNR that is drawn.")]

plot = typer.Typer(
    name="plot",
    help="Draw kept measurements (needs the extra docs).",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@plot.command()
def gains(
    reports: Annotated[
        list[Path],
        typer.Argument(help="What --json wrote, of one protocol and set.", show_default=False),
    ],
    out: Out,
) -> None:
    """PSNR over the plain JPEG against quality, beside what is published."""
    from pydantic import ValidationError

    from restora.errors import InputError
    from restora.evaluation.plots import draw_gains
    from restora.evaluation.report import Report

    found = []
    for path in reports:
        try:
            found.append(Report.model_validate(json.loads(path.read_bytes())))
        except (OSError, ValueError, ValidationError) as error:
            raise InputError(f"{path} is no report of `restora bench jpeg-...`.") from error
    draw_gains(out, found)


@plot.command()
def cost(
    out: Out,
    color: Annotated[bool, typer.Option("--color", help="Colour instead of gray.")] = False,
    test_set: Annotated[str, typer.Option("--set", help="live1, classic5 or bsds500.")] = "live1",
    quality: Quality = 10,
) -> None:
    """PSNR against multiply-adds a pixel: the weights that ship and published networks."""
    from restora.evaluation.plots import draw_cost
    from restora.evaluation.protocols import JpegProtocol

    asked = JpegProtocol("jpeg-color" if color else "jpeg-gray", test_set)  # type: ignore[arg-type]
    draw_cost(out, protocol=asked.name, test_set=asked.set, quality=quality)


@plot.command()
def training(
    runs: Annotated[
        list[str],
        typer.Argument(help="NAME=FOLDER of each training.", show_default=False),
    ],
    out: Out,
    quality: Quality = 10,
) -> None:
    """Learning curves: PSNR over the plain JPEG on validation pictures against steps."""
    from restora.errors import UsageError
    from restora.evaluation.plots import draw_training

    logs = {}
    for run in runs:
        name, equals, folder = run.partition("=")
        if not equals:
            raise UsageError(f"{run!r} is not NAME=FOLDER.")
        logs[name] = Path(folder) / "log.jsonl"
    draw_training(out, logs, quality=quality)
