"""Restoring many pictures, one by one or side by side."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, as_completed, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from restora.engine.jobs import Job
from restora.errors import OutputError, RestoraError

Existing = Literal["refuse", "overwrite", "skip"]
Check = Callable[[], None]  # to be called often while a picture is worked on; may raise


@dataclass(frozen=True)
class Outcome:
    """What became of a job.

    Attributes:
        message: Why it failed or was skipped, in one sentence; empty when it was restored.
        report: What was done, ready for JSON; None unless it was restored.
    """

    job: Job
    status: Literal["restored", "skipped", "failed"]
    message: str = ""
    report: dict[str, object] | None = None


class _Interrupted(Exception):
    """The run is being stopped; never seen outside."""


def run_jobs(
    jobs: Sequence[Job],
    restore: Callable[[Job, Check], dict[str, object]],
    *,
    existing: Existing = "refuse",
    workers: int = 1,
) -> Iterator[Outcome]:
    """Do all jobs; one bad picture never stops the rest, an interrupt stops them all soon.

    Args:
        jobs: The pictures.
        restore: Restores one picture, writes it and reports; may raise. It is handed a check to
            call between tiles, which ends the work when the run is interrupted.
        existing: What to do where a result is there already.
        workers: Pictures worked on at the same time.

    Yields:
        An outcome for every job, as they end.
    """
    stop = threading.Event()

    def check() -> None:
        if stop.is_set():
            raise _Interrupted

    def work(job: Job) -> Outcome:
        return _work(job, lambda job: restore(job, check), existing)

    # Only as many pictures as there are workers are under way, so an interrupt waits for no queue.
    with ThreadPoolExecutor(workers) as pool:
        running: set[Future[Outcome]] = set()
        try:
            for job in jobs:
                running.add(pool.submit(work, job))
                if len(running) >= workers:
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    yield from (future.result() for future in done)
            for future in as_completed(running):
                yield future.result()
        except BaseException:
            stop.set()
            raise


def _work(job: Job, restore: Callable[[Job], dict[str, object]], existing: Existing) -> Outcome:
    there = os.path.lexists(job.target) and job.target != job.source
    if there and existing == "skip":
        return Outcome(job, "skipped", f"{job.target}: is there already.")
    try:
        if there and existing == "refuse":
            raise OutputError(f"{job.target}: exists already; use --overwrite or --skip-existing.")
        _make_folder(job.target.parent)
        return Outcome(job, "restored", report=restore(job))
    except RestoraError as error:
        return Outcome(job, "failed", _named(str(error), job))
    except MemoryError:
        return Outcome(job, "failed", f"{job.source}: not enough memory for this picture.")
    except _Interrupted:
        return Outcome(job, "failed", f"{job.source}: interrupted.")
    except Exception as error:
        return Outcome(job, "failed", f"{job.source}: unexpected {type(error).__name__}: {error}")


def _named(message: str, job: Job) -> str:
    """The message, led by the picture's name unless it or its result's is in there."""
    if str(job.source) in message or str(job.target) in message:
        return message
    return f"{job.source}: {message}"


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise OutputError(f"{folder}: is a file, not a folder.") from error
    except OSError as error:
        raise OutputError(f"{folder}: the folder cannot be made ({error.strerror}).") from error
