"""How ``restora bench`` prints tables, shows progress and keeps reports."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from pydantic import BaseModel

    from restora.evaluation.grid import Grid


def print_grids(grids: Sequence[Grid], *, markdown: bool) -> None:
    """Print tables for a terminal, or as Markdown with an empty line after each."""
    from rich.console import Console

    from restora.evaluation.grid import drawn, written

    if markdown:
        for grid in grids:
            typer.echo(written(grid))
        return
    console = Console()
    for grid in grids:
        console.print(drawn(grid))


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr, where that is a terminal; the function takes (done, total)."""
    from rich.console import Console
    from rich.progress import Progress

    bars = Console(stderr=True)
    with Progress(console=bars, transient=True, disable=not bars.is_terminal) as progress:
        task = progress.add_task(title, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def keep(path: Path | None, protocol: str, report: BaseModel | Sequence[BaseModel]) -> None:
    """Write a report that ``restora bench show`` can read again; nothing without a path.

    Raises:
        OutputError: The file cannot be written.
    """
    from pydantic import BaseModel

    from restora.evaluation.report import write_json

    if path is None:
        return
    rows = [report] if isinstance(report, BaseModel) else report
    contents = [json.loads(row.model_dump_json()) for row in rows]  # infinities become strings
    single = isinstance(report, BaseModel)
    record = {"protocol": protocol, "report": contents[0] if single else contents}
    write_json(json.dumps(record, indent=2), path)
