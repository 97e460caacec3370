"""``restora inspect``: what a JPEG file itself knows, and what any picture seems to need."""

from __future__ import annotations

import json as json_module
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from restora.errors import RestoraError, WeightsError

if TYPE_CHECKING:
    from restora.engine.inspected import Inspected
    from restora.engine.judge import Judgement
    from restora.images import Picture

# 0.8 GB in memory; `restora inspect` takes files of any size, bombs among them.
MOST_PIXELS = 64_000_000
JUDGE = "sr-diff-compact"


def inspect(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", show_default=False, readable=False)
    ],
    history: Annotated[
        bool, typer.Option(help="Decode the picture and look for an earlier save.")
    ] = True,
    task: Annotated[
        bool, typer.Option(help="Decode the picture and judge which repair it needs.")
    ] = True,
    judge: Annotated[
        str, typer.Option(hidden=True, help="Weight that judges: a name or a card.")
    ] = JUDGE,
    json: Annotated[bool, typer.Option("--json", help="One JSON line a file on stdout.")] = False,
) -> None:
    """Tell what JPEG files know: quality, earlier saves, tables, sampling, metadata, damage.

    Of any picture it tells what it seems to need: against haze, rain, motion blur or low light.
    """
    from restora.images import read_file

    look = _judge_of(judge) if task else _unjudged
    failed = False
    for file in files:
        try:
            data = read_file(file)
            found = _told(data, name=str(file), history=history, look=look)
        except RestoraError as error:
            typer.echo(f"restora: {error}", err=True)
            failed = True
            continue
        if json:
            typer.echo(json_module.dumps(found.told))
        else:
            _print_lines(str(file), found.rows)
    if failed:
        raise typer.Exit(1)


Look = Callable[["Picture"], "Judgement | None"]


def _told(data: bytes, *, name: str, history: bool, look: Look) -> Inspected:
    """What is told of a file.

    Raises:
        InputError: It is no picture, or one so damaged that nothing can be told.
    """
    from restora.engine.inspected import inspected_jpeg, inspected_picture
    from restora.images import read_bytes
    from restora.jpeg import inspect as inspect_bytes
    from restora.jpeg.sniff import READABLE, sniff

    kind = sniff(data)
    if kind in READABLE and kind != "JPEG":
        picture = read_bytes(data, name=name)
        return inspected_picture(picture, kind, len(data), look(picture))
    facts, judgement = inspect_bytes(data, name=name, history=history), None
    if look is not _unjudged and facts.enough_data and not facts.truncated:
        with suppress(RestoraError):  # its facts are told all the same
            judgement = look(read_bytes(data, name=name, max_pixels=MOST_PIXELS))
    return inspected_jpeg(facts, judgement)


def _judge_of(weight: str) -> Look:
    """What judges pictures; where its weight is missing, all are left unjudged."""
    from restora.engine.judge import TaskJudge

    try:
        return TaskJudge(weight)
    except WeightsError:
        return _unjudged


def _unjudged(picture: Picture) -> Judgement | None:  # noqa: ARG001
    return None


def _print_lines(title: str, rows: tuple[tuple[str, str], ...]) -> None:
    # Plain text: names and comments are strangers' words, which Rich would read as markup.
    width = max(len(label) for label, _ in rows)
    typer.echo(title)
    for label, text in rows:
        typer.echo(f"{label.ljust(width)}  {text}")
