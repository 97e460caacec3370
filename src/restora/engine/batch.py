"""Many pictures: which ones, where their results go, and doing them one by one or side by side."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, as_completed, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from restora.errors import InputError, OutputError, RestoraError, UsageError
from restora.images.formats import SUFFIXES, WRITABLE, format_of_suffix, writable_name

PICTURE_SUFFIXES = {suffix for suffixes in SUFFIXES.values() for suffix in suffixes}

Existing = Literal["refuse", "overwrite", "skip"]


@dataclass(frozen=True)
class Job:
    """One picture to restore."""

    source: Path
    target: Path


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


def find_jobs(
    inputs: Sequence[str], out: Path | None, *, format: str | None, in_place: bool = False
) -> list[Job]:
    """Resolve files, folders and glob patterns into jobs.

    Folders are searched with everything below them and mirrored under ``out``.

    Args:
        inputs: Paths or patterns.
        out: A file for a single picture, else a folder; None only together with ``in_place``.
        format: Output format for folders, ``"same"`` for each input's own; None means PNG.
        in_place: Write each result over its input.

    Raises:
        InputError: An input does not exist, cannot be read, or holds no pictures.
        UsageError: Two pictures would be written to one file, or over an input.
    """
    found = [pair for text in inputs for pair in _resolve(text)]
    if in_place:
        return [Job(source, source) for source, _ in found]
    if out is None:
        raise UsageError(
            "Say where the result goes: -o OUT, or --in-place to write over the input."
        )
    if len(inputs) == 1 and Path(inputs[0]).is_file() and out.suffix and not out.is_dir():
        promised = writable_name(out.suffix)
        if format not in (None, "same") and writable_name(format) != promised:
            raise UsageError(f"{out}: its suffix promises {promised}, but --format says {format}.")
        jobs = [Job(found[0][0], out)]
    else:
        jobs = [
            Job(source, out / relative.with_suffix(_suffix(source, format)))
            for source, relative in found
        ]
    _refuse_clashes(jobs)
    return jobs


def _suffix(source: Path, format: str | None) -> str:
    if format == "same":
        return source.suffix if format_of_suffix(source) in WRITABLE else ".png"
    return SUFFIXES[writable_name(format or "png")][0]


def _resolve(text: str) -> list[tuple[Path, Path]]:
    """The pictures behind one argument, each with its place under the output folder."""
    path = Path(text)
    if path.is_dir():
        unreadable: list[str] = []
        pictures = []
        for folder, _, names in os.walk(path, onerror=lambda e: unreadable.append(str(e.filename))):
            pictures += [
                Path(folder, name)
                for name in names
                if Path(name).suffix.lower() in PICTURE_SUFFIXES and not name.startswith("._")
            ]
        if unreadable:
            raise InputError(f"{unreadable[0]}: the folder cannot be read; check its permissions.")
        if not pictures:
            raise InputError(f"{path}: the folder holds no pictures.")
        return [(p, p.relative_to(path)) for p in sorted(pictures)]
    if path.exists():
        return [(path, Path(path.name))]
    matches = [Path(match) for match in sorted(glob.glob(text, recursive=True))]  # noqa: PTH207 - a whole pattern
    matches = [m for m in matches if m.is_file()]
    if not matches:
        raise InputError(f"{text}: there is no such file, folder or pattern of files.")
    return [(match, Path(match.name)) for match in matches]


def _refuse_clashes(jobs: list[Job]) -> None:
    sources = {job.source.resolve(): job.source for job in jobs}
    taken: dict[Path, Path] = {}
    for job in jobs:
        target = job.target.resolve()
        if target in sources:
            raise UsageError(
                f"{job.target}: the result would be written over an input; "
                "choose another -o, or say --in-place."
            )
        if target in taken:
            raise UsageError(
                f"{taken[target]} and {job.source} would both be written to {job.target}; "
                "restore them into different folders."
            )
        taken[target] = job.source


def run_jobs(
    jobs: Sequence[Job],
    restore: Callable[[Job], dict[str, object]],
    *,
    existing: Existing = "refuse",
    workers: int = 1,
) -> Iterator[Outcome]:
    """Do all jobs; one bad picture never stops the rest.

    Args:
        jobs: The pictures.
        restore: Restores one picture, writes it and reports; may raise.
        existing: What to do where a result is there already.
        workers: Pictures worked on at the same time.

    Yields:
        An outcome for every job, as they end.
    """

    def work(job: Job) -> Outcome:
        if job.target.exists() and job.target != job.source:
            if existing == "skip":
                return Outcome(job, "skipped", "the result is there already")
            if existing == "refuse":
                return Outcome(
                    job,
                    "failed",
                    f"{job.target}: exists already; use --overwrite or --skip-existing.",
                )
        try:
            _make_folder(job.target.parent)
            return Outcome(job, "restored", report=restore(job))
        except RestoraError as error:
            return Outcome(job, "failed", str(error))
        except MemoryError:
            return Outcome(job, "failed", f"{job.source}: not enough memory for this picture.")
        except Exception as error:
            return Outcome(
                job, "failed", f"{job.source}: unexpected {type(error).__name__}: {error}"
            )

    # Only as many pictures as there are workers are under way, so an interrupt waits for no queue.
    with ThreadPoolExecutor(workers) as pool:
        running: set[Future[Outcome]] = set()
        for job in jobs:
            running.add(pool.submit(work, job))
            if len(running) >= workers:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        for future in as_completed(running):
            yield future.result()


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: the folder cannot be made ({error.strerror}).") from error
