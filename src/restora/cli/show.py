"""What the restore verb shows while it works and when it is done."""

from __future__ import annotations

import json as json_module
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from restora.engine.batch import Outcome
from restora.engine.jobs import Found, Job

BIG_PICTURE_TILES = 16  # from this many tiles on, a picture gets a bar of its own


class _Rate(ProgressColumn):
    """Pictures (or tiles) a second."""

    def render(self, task: Task) -> Text:
        return Text("" if task.speed is None else f"{task.speed:.2f}/s")


class Screen:
    """Collects outcomes; talks on stderr, and JSON lines on stdout if asked."""

    def __init__(self, progress: Progress, found: Found, *, explain: bool, json: bool) -> None:
        self._progress = progress
        self._found = found
        self._explain = explain
        self._json = json
        self._alone = len(found.jobs) == 1 and not found.unusable
        self._pictures = progress.add_task(
            "pictures", total=len(found.jobs), visible=not self._alone
        )
        self._bars: dict[Job, TaskID] = {}
        self.outcomes: list[Outcome] = []
        self.interrupted = False
        for _, reason in found.unusable:
            self._say(f"failed: {reason}")

    @property
    def failed(self) -> list[Outcome]:
        """The outcomes that failed."""
        return [outcome for outcome in self.outcomes if outcome.status == "failed"]

    def tile(self, job: Job, done: int, total: int) -> None:
        """Note that ``done`` of ``total`` tiles of a picture are done; big pictures get a bar."""
        if total < BIG_PICTURE_TILES:
            return
        if job not in self._bars:
            self._bars[job] = self._progress.add_task(job.source.name, total=total)
        self._progress.update(self._bars[job], completed=done)

    def add(self, outcome: Outcome) -> None:
        """Note how a job ended, and say so."""
        self.outcomes.append(outcome)
        self._progress.advance(self._pictures)
        job = outcome.job
        if job in self._bars:
            self._progress.remove_task(self._bars.pop(job))
        if self._json:
            line = {
                "source": str(job.source),
                "target": str(job.target),
                "status": outcome.status,
                "message": outcome.message,
                **(outcome.report or {}),
            }
            typer.echo(json_module.dumps(line))
        if outcome.report is None:
            self._say(f"{outcome.status}: {outcome.message}")
            return
        if self._alone and not self._json:
            self._say(f"{job.source} -> {job.target}")
        plan, notes = outcome.report["plan"], outcome.report["notes"]
        if self._explain and isinstance(plan, dict):
            self._say(f"{job.source}:", *(f"  - {reason}" for reason in plan["reasons"]))
        elif isinstance(plan, dict) and plan["prompt"] is not None:  # words change what is made
            self._say(f"{job.source}: {_caption(plan)}")
        for note in notes if isinstance(notes, list) else []:
            self._say(f"{job.source}: {note}")

    def summarise(self) -> None:
        """Say how many pictures ended how, and name those that failed."""
        if self.interrupted:
            left = len(self._found.jobs) - len(self.outcomes)
            self._say(f"interrupted; {left} not restored")
        if self._alone:
            return
        counts = {
            status: sum(outcome.status == status for outcome in self.outcomes)
            for status in ("restored", "skipped", "failed")
        }
        counts["failed"] += len(self._found.unusable)
        self._say(", ".join(f"{count} {status}" for status, count in counts.items() if count))
        self._say(*(f"  failed: {named}" for named, _ in self._found.unusable))
        self._say(*(f"  failed: {outcome.job.source}" for outcome in self.failed))

    def _say(self, *lines: str) -> None:
        for line in lines:
            self._progress.console.print(line, markup=False)


def _caption(plan: dict[str, Any]) -> str:
    """What was said of a picture, and by whom, in short."""
    if plan["prompt"]:
        by = "" if plan["captioner"] == "asked" else f" (by {plan['captioner']})"
        return f'caption "{plan["prompt"]}"{by}'
    return "no caption" if plan["captioner"] else "no caption; --explain tells why"


@contextmanager
def show_outcomes(found: Found, *, explain: bool, json: bool) -> Iterator[Screen]:
    """A screen for a run: bars with rate and time left on a terminal, plain lines elsewhere.

    An interrupt ends the block and is noted; the summary is said in any case.
    """
    # emoji: a file may be called ":cat:.jpg".
    console = Console(stderr=True, soft_wrap=True, highlight=False, emoji=False)
    columns = (
        TextColumn("{task.description}", markup=False),  # a file may be called "[red].jpg"
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
    )
    bars = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    screen = Screen(bars, found, explain=explain, json=json)
    with bars:
        try:
            yield screen
        except KeyboardInterrupt:
            screen.interrupted = True
    screen.summarise()
