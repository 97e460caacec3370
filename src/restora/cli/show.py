"""What the restore verb shows while it works and when it is done."""

from __future__ import annotations

import json as json_module
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from restora.engine.batch import Job, Outcome

BIG_PICTURE_TILES = 16  # from this many tiles on, a picture gets a bar of its own


class _Rate(ProgressColumn):
    """Pictures (or tiles) a second."""

    def render(self, task: Task) -> Text:
        return Text("" if task.speed is None else f"{task.speed:.2f}/s")


class Screen:
    """Collects outcomes; talks on stderr, and JSON lines on stdout if asked."""

    def __init__(self, progress: Progress, jobs: Sequence[Job], *, explain: bool, json: bool):
        self._progress = progress
        self._explain = explain
        self._json = json
        self._alone = len(jobs) == 1
        self._pictures = progress.add_task("pictures", total=len(jobs), visible=not self._alone)
        self.outcomes: list[Outcome] = []

    @property
    def failed(self) -> list[Outcome]:
        """The outcomes that failed."""
        return [outcome for outcome in self.outcomes if outcome.status == "failed"]

    def tiles(self, job: Job) -> Callable[[int, int], None]:
        """A callback for the tiles of one picture."""
        bar = None

        def advance(done: int, total: int) -> None:
            nonlocal bar
            if total < BIG_PICTURE_TILES:
                return
            if bar is None:
                bar = self._progress.add_task(job.source.name, total=total)
            self._progress.update(bar, completed=done, visible=done < total)

        return advance

    def add(self, outcome: Outcome) -> None:
        """Note how a job ended, and say so."""
        self.outcomes.append(outcome)
        self._progress.advance(self._pictures)
        job = outcome.job
        if self._json:
            line = {
                "source": str(job.source),
                "target": str(job.target),
                "status": outcome.status,
                "message": outcome.message,
                **(outcome.report or {}),
            }
            typer.echo(json_module.dumps(line))
        say = self._progress.console.print
        if outcome.report is None:
            say(f"{outcome.status}: {outcome.message or job.source}", markup=False)
            return
        if self._alone and not self._json:
            say(f"{job.source} -> {job.target}", markup=False)
        plan = outcome.report["plan"]
        if self._explain and isinstance(plan, dict):
            say(f"{job.source}:", markup=False)
            for reason in plan["reasons"]:
                say(f"  - {reason}", markup=False)
        notes = outcome.report["notes"]
        for note in notes if isinstance(notes, list) else []:
            say(f"{job.source}: {note}", markup=False)

    def summary(self) -> str:
        """How many pictures ended how, and the names of those that failed."""
        counts = [
            f"{sum(o.status == status for o in self.outcomes)} {status}"
            for status in ("restored", "skipped", "failed")
            if any(o.status == status for o in self.outcomes)
        ]
        lines = [", ".join(counts) or "nothing to do"]
        lines += [f"  failed: {outcome.job.source}" for outcome in self.failed]
        return "\n".join(lines)


@contextmanager
def show_outcomes(jobs: Sequence[Job], *, explain: bool, json: bool) -> Iterator[Screen]:
    """A screen for a run: bars with rate and time left on a terminal, plain lines elsewhere."""
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
    )
    bars = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    screen = Screen(bars, jobs, explain=explain, json=json)
    with bars:
        yield screen
    if len(jobs) > 1:
        console.print(screen.summary(), markup=False)
