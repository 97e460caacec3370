"""Which pictures to restore, and where their results go."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from restora.engine.listing import find_pictures, real_path
from restora.errors import InputError, UsageError
from restora.images.formats import SUFFIXES, WRITABLE, format_of_suffix, writable_name


@dataclass(frozen=True)
class Job:
    """One picture to restore.

    Attributes:
        known: SHA-256 of the file that the result there was made of, where that is known.
    """

    source: Path
    target: Path
    known: str | None = None


@dataclass(frozen=True)
class Found:
    """What the inputs of a command came to.

    Attributes:
        jobs: The pictures.
        unusable: Inputs that came to nothing: what was named, and a sentence why.
    """

    jobs: list[Job] = field(default_factory=list)
    unusable: list[tuple[str, str]] = field(default_factory=list)


def find_jobs(
    inputs: Sequence[str], out: Path | None, *, format: str | None, in_place: bool = False
) -> Found:
    """Resolve files, folders and glob patterns into jobs.

    Folders are searched with everything below them, but for the output folder, and mirrored under
    ``out``. A picture that is named twice is restored once.

    Args:
        inputs: Paths or patterns.
        out: A file for a single picture, else a folder; None only together with ``in_place``.
        format: Output format for folders, ``"same"`` for each input's own; None means PNG.
        in_place: Write each result over its input; ``out`` and ``format`` must be None.

    Raises:
        InputError: None of the inputs is a picture.
        UsageError: The options contradict each other, or a result would be written over an input.
    """
    if in_place and (out is not None or format not in (None, "same")):
        raise UsageError("--in-place writes over the inputs: it takes neither -o nor --format.")
    if not in_place and out is None:
        raise UsageError(
            "Say where the result goes: -o OUT, or --in-place to write over the input."
        )
    pictures: dict[Path, tuple[Path, Path]] = {}  # by real path: source, place under out
    unusable: list[tuple[str, str]] = []
    for source, place in find_pictures(inputs, out, unusable):
        pictures.setdefault(real_path(source), (source, place))
    if not pictures:
        raise InputError("\n".join(reason for _, reason in unusable))
    found = list(pictures.values())
    if out is None:
        return Found([Job(source, source) for source, _ in found], unusable)
    if out.suffix and not os.path.isdir(out) and not os.path.isdir(inputs[0]):
        jobs = [Job(found[0][0], out)]
        _check_single(out, format, count=len(found))
    else:
        jobs = _place(found, out, format)
    for job in jobs:
        if real_path(job.target) in pictures:
            raise UsageError(
                f"{job.target}: the result would be written over an input; "
                "choose another -o, or say --in-place."
            )
    return Found(jobs, unusable)


def _check_single(out: Path, format: str | None, *, count: int) -> None:
    """``out`` has a suffix: it is the name of one picture, in the format it promises."""
    promised = writable_name(out.suffix)
    if count > 1:
        raise UsageError(f"{out} names one picture, but there are {count}; name a folder.")
    if format not in (None, "same") and writable_name(format or "") != promised:
        raise UsageError(f"{out}: its suffix promises {promised}, but --format says {format}.")


def _place(found: list[tuple[Path, Path]], out: Path, format: str | None) -> list[Job]:
    """Each result under its picture's name; where names clash, the old suffix stays in it."""
    full: set[int] = set()  # whose old suffix stays
    while True:
        jobs = []
        for number, (source, place) in enumerate(found):
            suffix = suffix_for(source, format)
            target = place.with_name(place.name + suffix) if number in full else None
            jobs.append(Job(source, out / (target or place.with_suffix(suffix))))
        # Names that differ only in case are one name on many disks, so both keep their suffix.
        times = Counter(str(job.target).lower() for job in jobs)
        clashing = {number for number, job in enumerate(jobs) if times[str(job.target).lower()] > 1}
        if clashing <= full:
            break
        full |= clashing  # a longer name may be a third picture's, so this is looked at again
    targets = Counter(job.target for job in jobs)
    twice = next((target for target, count in targets.items() if count > 1), None)
    if twice is not None:  # the same name in two of the inputs
        sources = " and ".join(str(job.source) for job in jobs if job.target == twice)
        raise UsageError(
            f"{sources} would both be written to {twice}; restore them one after the other "
            "into different folders."
        )
    return jobs


def suffix_for(source: PurePath, format: str | None) -> str:
    """The suffix of a result, by the name of its picture and what ``--format`` says."""
    if format == "same":
        return source.suffix if format_of_suffix(source) in WRITABLE else ".png"
    return SUFFIXES[writable_name(format or "png")][0]
