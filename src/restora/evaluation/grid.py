"""A table before it is drawn, and its two drawings: a terminal's and Markdown's."""

from __future__ import annotations

from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

__all__ = ["Grid", "drawn", "written"]


@dataclass(frozen=True, slots=True)
class Grid:
    """A heading row, our rows, the quoted rows, lines below; all rows as long as the heading."""

    title: str
    heading: tuple[str, ...]
    measured: tuple[tuple[str, ...], ...]
    quoted: tuple[tuple[str, ...], ...] = ()
    notes: tuple[str, ...] = ()


def drawn(grid: Grid) -> Table:
    """The table for a terminal; a cell that does not fit is broken, never cut."""
    table = Table(title=Text(grid.title), title_justify="left", caption_justify="left")
    table.caption = Text("\n".join(grid.notes)) if grid.notes else None
    for i, head in enumerate(grid.heading):
        table.add_column(head, justify="left" if i == 0 else "right", overflow="fold")
    for row in grid.measured:
        table.add_row(*map(Text, row))  # Text: a name may hold what rich takes for markup
    if grid.quoted:
        table.add_section()
    for row in grid.quoted:
        table.add_row(*map(Text, row), style="dim")
    return table


def written(grid: Grid) -> str:
    """The table as Markdown, ending in a line feed.

    >>> print(written(Grid("a|b", ("", "QF 10"), (("JPEG", "1"),))), end="")
    **a\\|b**
    <BLANKLINE>
    |  | QF 10 |
    | --- | ---: |
    | JPEG | 1 |
    """

    def line(cells: tuple[str, ...]) -> str:
        return "| " + " | ".join(_escaped(cell) for cell in cells) + " |"

    lines = [f"**{_escaped(grid.title)}**", "", line(grid.heading)]
    lines.append("| --- |" + " ---: |" * (len(grid.heading) - 1))
    lines.extend(line(row) for row in (*grid.measured, *grid.quoted))
    if grid.notes:
        lines.extend(["", *(f"- {_escaped(note)}" for note in grid.notes)])
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("|", r"\|").replace("*", r"\*")
