"""``restora inspect``: what a JPEG file itself knows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def inspect(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", show_default=False, readable=False)
    ],
    history: Annotated[
        bool, typer.Option(help="Decode the picture and look for an earlier save.")
    ] = True,
    json: Annotated[bool, typer.Option("--json", help="One JSON line a file on stdout.")] = False,
) -> None:
    """Tell what JPEG files know: quality, earlier saves, tables, sampling, metadata, damage."""
    from restora.errors import RestoraError
    from restora.images import read_file
    from restora.jpeg import inspect as inspect_bytes

    failed = False
    for file in files:
        try:
            facts = inspect_bytes(read_file(file), name=str(file), history=history)
        except RestoraError as error:
            typer.echo(f"restora: {error}", err=True)
            failed = True
            continue
        if json:
            typer.echo(facts.model_dump_json())
        else:
            _print_lines(str(file), facts.rows())
    if failed:
        raise typer.Exit(1)


def _print_lines(title: str, rows: list[tuple[str, str]]) -> None:
    # Plain text: names and comments are strangers' words, which Rich would read as markup.
    width = max(len(label) for label, _ in rows)
    typer.echo(title)
    for label, text in rows:
        typer.echo(f"{label.ljust(width)}  {text}")
