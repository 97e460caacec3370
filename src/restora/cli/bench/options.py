"""Options that several verbs of ``restora bench`` share, and how their values are read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

Data = Annotated[Path, typer.Option(help="Folder that holds the test sets.", readable=False)]
TestSet = Annotated[str, typer.Option("--set", help="live1, classic5 or bsds500.")]
ModelName = Annotated[str, typer.Option("--model", help="Model to measure.")]
Variants = Annotated[
    list[str],
    typer.Option(
        "--variant",
        help="What to measure, again for more: blind, header or tool, then wishes such as "
        "constraint=hard or ensemble=8, in one pair of quotes.",
    ),
]
Limit = Annotated[
    Optional[int],  # noqa: UP045 - typer reads annotations at run time
    typer.Option(help="Only the first so many pictures, for a quick look."),
]
Device = Annotated[str, typer.Option(help="cpu, or a PyTorch device such as cuda.")]
Threads = Annotated[int, typer.Option(help="CPU threads; 0 takes every core.")]
JsonFile = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option("--json", help="Also write the report as JSON to this file.", readable=False),
]
Markdown = Annotated[bool, typer.Option("--markdown", help="Print markdown tables.")]

DATA = Path("testsets")


def numbers(text: str, option: str) -> tuple[int, ...]:
    """Whole numbers with commas between.

    Raises:
        UsageError: They are not; the message names ``option``.
    """
    from restora.errors import UsageError

    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"{option} is numbers with commas between, not {text!r}.") from None


def check_json(path: Path | None) -> None:
    """Refuse a file that cannot be written, before the work and not after it.

    Raises:
        UsageError: Its folder is not there.
    """
    from restora.errors import UsageError

    if path is not None and not path.absolute().parent.is_dir():
        raise UsageError(f"{path}: its folder is not there.")
