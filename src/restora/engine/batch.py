"""Restoring many pictures, one by one or side by side."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from restora.engine.jobs import Job
from restora.errors import DiskFull, OutputError, RestoraError

Existing = Literal["refuse", "overwrite", "skip"]
Check = Callable[[], None]  # to be called often while a picture is worked on; may raise

WAKE_S = 0.2  # one that waits without an end may miss an interrupt, and on Windows misses all


class Named(Protocol):
    """A picture and its result, by whatever prints as their names."""

    @property
    def source(self) -> object:
        """The picture."""

    @property
    def target(self) -> object:
        """Its result."""


@dataclass(frozen=True)
class Outcome:
    """What became of a job.

    Attributes:
        message: Why it failed or was skipped, in one sentence; empty when it was restored.
        report: What was done, ready for JSON; None unless it was restored.
        full: Whether it failed for want of room on the disk, where others will fail too.
    """

    job: Named
    status: Literal["restored", "skipped", "failed"]
    message: str = ""
    report: dict[str, object] | None = None
    full: bool = False


class _Interrupted(BaseException):
    """The run is being stopped; never seen outside, nor by those who catch every Exception."""


def run_jobs(
    jobs: Iterable[Job],
    restore: Callable[[Job, Check], dict[str, object] | None],
    *,
    existing: Existing = "refuse",
    workers: int = 1,
) -> Generator[Outcome]:
    """Do all jobs; one bad picture never stops the rest, an interrupt stops them all soon.

    Args:
        jobs: The pictures.
        restore: Restores one picture, writes it and reports; None if its result was there and is
            made of this very file. May raise. It is handed a check to call between tiles, which
            ends the work when the run is interrupted.
        existing: What to do where a result is there already.
        workers: Pictures worked on at the same time.

    Yields:
        An outcome for every job, as they end. After an interrupt, before it is passed on, those of
        the jobs that still came to their end; of the others there is none.
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
                while len(running) >= workers:
                    yield from _ended(running)
            while running:
                yield from _ended(running)
        except GeneratorExit:  # nobody listens any more
            stop.set()
            raise
        except BaseException:
            stop.set()
            while running:  # what was being written is there now, and has to be told
                yield from _ended(running)
            raise


def _ended(running: set[Future[Outcome]]) -> Iterator[Outcome]:
    """Wait a little; take out those that ended. What was stopped half done has no outcome."""
    for future in wait(running, timeout=WAKE_S, return_when=FIRST_COMPLETED).done:
        running.remove(future)  # one by one: those not yet told stay known when this is interrupted
        if not isinstance(future.exception(), _Interrupted):
            yield future.result()


def _work(
    job: Job, restore: Callable[[Job], dict[str, object] | None], existing: Existing
) -> Outcome:
    there = os.path.lexists(job.target) and job.target != job.source
    if there and existing == "skip":
        return Outcome(job, "skipped", f"{job.target}: is there already.")

    def write() -> dict[str, object] | None:
        if there and existing == "refuse":
            raise OutputError(f"{job.target}: exists already; use --overwrite or --skip-existing.")
        make_folder(job.target.parent)
        return restore(job)

    return outcome_of(job, write)


def outcome_of(job: Named, restore: Callable[[], dict[str, object] | None]) -> Outcome:
    """What becomes of a job; whatever it raises is an outcome too, but for an interrupt.

    Args:
        job: For its name.
        restore: Does it; see :func:`run_jobs`.
    """
    try:
        report = restore()
    except DiskFull as error:
        return Outcome(job, "failed", _named(str(error), job), full=True)
    except RestoraError as error:
        return Outcome(job, "failed", _named(str(error), job))
    except MemoryError:
        return Outcome(job, "failed", f"{job.source}: not enough memory for this picture.")
    except Exception as error:
        return Outcome(job, "failed", f"{job.source}: unexpected {type(error).__name__}: {error}")
    if report is None:
        return Outcome(job, "skipped", f"{job.target}: is made of this very picture already.")
    return Outcome(job, "restored", report=report)


def _named(message: str, job: Named) -> str:
    """The message, led by the picture's name unless it or its result's is in there."""
    if str(job.source) in message or str(job.target) in message:
        return message
    return f"{job.source}: {message}"


def make_folder(folder: Path) -> None:
    """Make a folder for results, and those above it, unless it is there.

    Raises:
        OutputError: It cannot be made; the message says why.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise OutputError(f"{folder}: is a file, not a folder.") from error
    except OSError as error:
        raise OutputError(f"{folder}: the folder cannot be made ({error.strerror}).") from error
