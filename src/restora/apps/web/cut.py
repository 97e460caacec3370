"""JSON of a bounded size: a file may hold any number of remarks, of any length."""

from __future__ import annotations

from typing import Any


def cut(value: Any, *, letters: int, items: int) -> Any:
    """The same JSON with texts and lists that are no longer than that; what was cut ends in dots.

    Args:
        value: Of what JSON knows.
        letters: Of a text, besides the dots.
        items: Of a list, besides the dots.
    """
    if isinstance(value, dict):
        return {key: cut(each, letters=letters, items=items) for key, each in value.items()}
    if isinstance(value, list):
        some = [cut(each, letters=letters, items=items) for each in value[:items]]
        return some if len(value) <= items else [*some, "..."]
    if isinstance(value, str) and len(value) > letters:
        return value[:letters] + "..."
    return value
