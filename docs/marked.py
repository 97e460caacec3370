"""Puts what a script has made into a page, between its markers."""

from __future__ import annotations

import re
from pathlib import Path


def put(page: Path, **made: str) -> None:
    """Replace what stands between ``<!-- made: NAME -->`` and ``<!-- /made -->``.

    Args:
        page: A Markdown page; written only where something changed.
        made: The new text by name; ``_`` in a name is a hyphen in the page.

    Raises:
        ValueError: The page has no such marker.
    """
    text = before = page.read_text()
    for key, raw in made.items():
        new = raw.strip("\n")  # the first line may be indented
        name = key.replace("_", "-")
        pattern = rf"(<!-- made: {re.escape(name)} -->\n).*?(<!-- /made -->)"
        text, count = re.subn(
            pattern,
            lambda found, new=new: f"{found[1]}{new.rstrip()}\n{found[2]}",
            text,
            flags=re.DOTALL,
        )
        if not count:
            raise ValueError(f"{page} has no marker {name!r}.")
    if text != before:
        page.write_text(text)


def table(head: list[str], rows: list[list[str]], *, right_from: int = 1) -> str:
    """A Markdown table; columns from ``right_from`` on are flush right."""
    rule = ["---" if number < right_from else "---:" for number in range(len(head))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))
