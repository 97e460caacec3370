"""``restora bench show``: a report that was kept, printed again without measuring."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from restora.cli.bench.options import Markdown


def show(
    report: Annotated[
        Path,
        typer.Argument(help="What --json wrote.", show_default=False, readable=False),
    ],
    markdown: Markdown = False,
) -> None:
    """Print a kept report again; published rows are those of today."""
    from pydantic import ValidationError

    from restora.errors import InputError

    try:
        content = json.loads(report.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(f"{report} cannot be read as a report: {error}.") from error
    name = content.get("protocol") if isinstance(content, dict) else None
    printers = _printers()
    printer = printers.get(str(name), printers.get(str(name).partition("-")[0]))
    if printer is None:
        raise InputError(f"{report} is no report of `restora bench`.")
    try:
        printer(content, markdown)
    except (KeyError, ValidationError) as error:
        raise InputError(f"{report} is a damaged report, or of another version: {error}") from error


def _printers() -> Mapping[str, Callable[[Any, bool], None]]:
    """By the protocol's name or its first part: from the content of the file to the screen."""
    from restora.cli.bench.output import print_grids
    from restora.evaluation import ablation, checks, decoupling, downstream, resources, speed
    from restora.evaluation.context_ablation import ContextReport, context_grids
    from restora.evaluation.perceptual import PerceptualReport
    from restora.evaluation.perceptual_tables import perceptual_grids
    from restora.evaluation.real_jpeg import RealReport, real_grids
    from restora.evaluation.real_world_report import RealWorldReport
    from restora.evaluation.real_world_tables import real_world_grids
    from restora.evaluation.report import Report
    from restora.evaluation.restoration import RestorationReport
    from restora.evaluation.restoration_tables import restoration_grids
    from restora.evaluation.tables import report_grids
    from restora.evaluation.walk_speed import WalkReport, walk_grids

    return {
        "jpeg": lambda content, markdown: print_grids(
            report_grids(Report.model_validate(content)), markdown=markdown
        ),
        "real": lambda content, markdown: print_grids(
            real_grids(RealReport.model_validate(content)), markdown=markdown
        ),
        **dict.fromkeys(
            ("real-world", "priors"),
            lambda content, markdown: print_grids(
                real_world_grids(RealWorldReport.model_validate(content)), markdown=markdown
            ),
        ),
        "perceptual": lambda content, markdown: print_grids(
            perceptual_grids(PerceptualReport.model_validate(content)), markdown=markdown
        ),
        "restoration": lambda content, markdown: print_grids(
            restoration_grids(RestorationReport.model_validate(content)), markdown=markdown
        ),
        "context": lambda content, markdown: print_grids(
            context_grids(ContextReport.model_validate(content)), markdown=markdown
        ),
        "walk": lambda content, markdown: print_grids(
            walk_grids(WalkReport.model_validate(content["report"])), markdown=markdown
        ),
        "clean": lambda content, _: typer.echo(
            checks.clean_markdown(checks.CleanReport.model_validate(content["report"]))
        ),
        "tiles": lambda content, _: typer.echo(
            checks.tiles_markdown(checks.TileReport.model_validate(content["report"]))
        ),
        "downstream": lambda content, _: typer.echo(
            downstream.markdown(downstream.DownstreamReport.model_validate(content["report"]))
        ),
        "decoupling": lambda content, _: typer.echo(
            decoupling.markdown(decoupling.DecouplingReport.model_validate(content["report"]))
        ),
        "ablation": lambda content, _: typer.echo(
            ablation.markdown(ablation.AblationReport.model_validate(content["report"]))
        ),
        "speed": lambda content, _: typer.echo(
            speed.markdown(speed.SpeedReport.model_validate(content["report"]))
        ),
        "resources": lambda content, _: typer.echo(
            resources.markdown(
                [resources.Resources.model_validate(row) for row in content["report"]]
            )
        ),
    }
