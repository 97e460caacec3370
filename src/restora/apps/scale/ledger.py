"""Counts the processes that died at work on a picture."""

from __future__ import annotations


class Ledger:
    """One for a run, in a process of its own."""

    def __init__(self) -> None:
        """Nothing is under way."""
        self._begun: dict[str, int] = {}

    def begin(self, source: str) -> int:
        """Note that work on a picture begins.

        Returns:
            How often it began before and did not end: who ends it no more is dead.
        """
        before = self._begun.get(source, 0)
        self._begun[source] = before + 1
        return before

    def end(self, source: str) -> None:
        """Note that it came to an end, good or bad."""
        self._begun.pop(source, None)
