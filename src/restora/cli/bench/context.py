"""``restora bench context``: what the semantic context is worth to an SR-Diff."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from restora.cli.bench.options import (
    DATA,
    Data,
    Device,
    JsonFile,
    Limit,
    Markdown,
    check_json,
)
from restora.cli.bench.restoration import MODEL, Clean, Names, RestorationSet, Tasks, read_pairs


def context(
    weight: Annotated[
        str,
        typer.Argument(help="A model, a weight file, or the checkpoint of a training (.pt)."),
    ] = MODEL,
    data: Data = DATA,
    test_set: RestorationSet = "synthetic",
    task: Tasks = "all",
    names: Names = None,
    clean: Clean = "cid22_val",
    steps: Annotated[int, typer.Option(min=1, help="Steps of the walk.")] = 10,
    seeds: Annotated[int, typer.Option(min=1, help="So many seeds from 0 on.")] = 1,
    side: Annotated[
        Optional[int],  # noqa: UP045 - typer reads annotations at run time
        typer.Option(min=16, help="Restore the middle of a picture, a square of this side."),
    ] = 256,
    limit: Limit = None,
    device: Device = "cpu",
    json: JsonFile = None,
    markdown: Markdown = False,
) -> None:
    """The same walks guided by nothing, by another picture, by raw, refined and true tokens."""
    from restora.cli.bench.guided import GuidedSRDiff, read_network
    from restora.cli.bench.output import print_grids, progress_bar
    from restora.errors import UsageError
    from restora.evaluation.context_ablation import context_grids, measure_contexts
    from restora.evaluation.report import write_report

    check_json(json)
    pairs = read_pairs(test_set, data, task=task, names=names, clean=clean, limit=limit)
    network = GuidedSRDiff(read_network(weight), device=device)
    if steps > network.most_steps:
        raise UsageError(f"--steps is from 1 to {network.most_steps} for {weight}, not {steps}.")
    known = [pair for pair in pairs if pair.task in network.tasks]
    if not known:
        raise UsageError(f"{weight} knows {', '.join(network.tasks)}, and no picture is for that.")
    with progress_bar("context") as progress:
        report = measure_contexts(
            known,
            network,
            model=Path(weight).name,
            test_set=clean if test_set == "synthetic" else test_set,
            steps=steps,
            seeds=range(seeds),
            side_px=side,
            notes=(f"Trained with the context {network.trained_with}.",),
            progress=progress,
        )
    print_grids(context_grids(report), markdown=markdown)
    if json is not None:
        write_report(report, json)
