"""What the restore verb shows while it works and when it is done."""

from __future__ import annotations

import json as json_module
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import PurePath
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

from restora.engine.batch import Named, Outcome

BIG_PICTURE_TILES = 16  # from this many tiles on, a picture gets a bar of its own
NAMED_MAX = 100  # failures that are named once more at the end


class _Rate(ProgressColumn):
    """Pictures (or tiles) a second."""

    def render(self, task: Task) -> Text:
        return Text("" if task.speed is None else f"{task.speed:.2f}/s")


class Screen:
    """Collects outcomes; talks on stderr, and JSON lines on stdout if asked."""

    def __init__(
        self,
        progress: Progress,
        total: int,
        *,
        unusable: Sequence[tuple[str, str]],
        done_before: int,
        explain: bool,
        json: bool,
    ) -> None:
        self._progress = progress
        self._total = total
        self._unusable = unusable
        self._done_before = done_before
        self._explain = explain
        self._json = json
        self._alone = total == 1 and not unusable and not done_before
        self._pictures = progress.add_task("pictures", total=total, visible=not self._alone)
        self._bars: dict[str, TaskID] = {}
        self._counts: Counter[str] = Counter()
        self._failed: list[str] = []  # as many as are named
        self.interrupted = False
        for _, reason in unusable:
            self.say(f"failed: {reason}")

    @property
    def failed(self) -> bool:
        """Whether anything failed."""
        return bool(self._counts["failed"] or self._unusable)

    @property
    def left(self) -> int:
        """Pictures that have not ended yet."""
        return self._total - self._counts.total()

    def tile(self, job: Named, done: int, total: int) -> None:
        """Note that ``done`` of ``total`` tiles of a picture are done; big pictures get a bar."""
        if total < BIG_PICTURE_TILES:
            return
        source = str(job.source)
        if source not in self._bars:
            self._bars[source] = self._progress.add_task(PurePath(source).name, total=total)
        self._progress.update(self._bars[source], completed=done)

    def add(self, outcome: Outcome) -> None:
        """Note how a job ended, and say so."""
        job = outcome.job
        self._counts[outcome.status] += 1
        if outcome.status == "failed" and len(self._failed) < NAMED_MAX:
            self._failed.append(str(job.source))
        self._progress.advance(self._pictures)
        if str(job.source) in self._bars:
            self._progress.remove_task(self._bars.pop(str(job.source)))
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
            self.say(f"{outcome.status}: {outcome.message}")
            return
        if self._alone and not self._json:
            self.say(f"{job.source} -> {job.target}")
        plan, notes = outcome.report["plan"], outcome.report["notes"]
        if self._explain and isinstance(plan, dict):
            self.say(f"{job.source}:", *(f"  - {reason}" for reason in plan["reasons"]))
        elif isinstance(plan, dict) and plan["prompt"] is not None:  # words change what is made
            self.say(f"{job.source}: {_caption(plan)}")
        for note in notes if isinstance(notes, list) else []:
            self.say(f"{job.source}: {note}")

    def summarise(self) -> None:
        """Say how many pictures ended how, and name those that failed."""
        if self.interrupted:
            self.say(f"interrupted; {self.left} not restored")
        if self._alone:
            return
        counts = self._counts | Counter(failed=self._counts["failed"] + len(self._unusable))
        told = [f"{counts[name]} {name}" for name in ("restored", "skipped", "failed")]
        told = [words for words in told if not words.startswith("0 ")]
        if self._done_before:
            told.append(f"{self._done_before} done before")
        self.say(", ".join(told) or "nothing to do")
        named = [*(name for name, _ in self._unusable), *self._failed][:NAMED_MAX]
        self.say(*(f"  failed: {name}" for name in named))
        if counts["failed"] > len(named):
            self.say(f"  and {counts['failed'] - len(named)} more")

    def say(self, *lines: str) -> None:
        """Print lines as they are."""
        for line in lines:
            self._progress.console.print(line, markup=False)


def _caption(plan: dict[str, Any]) -> str:
    """What was said of a picture, and by whom, in short."""
    if plan["prompt"]:
        by = "" if plan["captioner"] == "asked" else f" (by {plan['captioner']})"
        return f'caption "{plan["prompt"]}"{by}'
    return "no caption" if plan["captioner"] else "no caption; --explain tells why"


@contextmanager
def show_outcomes(
    total: int,
    *,
    unusable: Sequence[tuple[str, str]] = (),
    done_before: int = 0,
    explain: bool = False,
    json: bool = False,
) -> Iterator[Screen]:
    """A screen for a run: bars with rate and time left on a terminal, plain lines elsewhere.

    Args:
        total: Pictures that will end.
        unusable: Inputs that came to nothing: what was named, and a sentence why.
        done_before: Pictures that an earlier run restored.
        explain: Say what is done to each picture, and why.
        json: One JSON line a picture on stdout.

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
    screen = Screen(
        bars, total, unusable=unusable, done_before=done_before, explain=explain, json=json
    )
    with bars:
        try:
            yield screen
        except KeyboardInterrupt:
            screen.interrupted = True
    screen.summarise()
