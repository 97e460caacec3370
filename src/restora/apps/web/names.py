"""Names of files: what strangers call theirs, and what results are called."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

from restora.images.formats import SUFFIXES, writable_name

_NAME_LETTERS = 200


def plain_name(name: str) -> str:
    """A file's name without folders or anything that could leave one."""
    last = PurePosixPath(name.replace("\\", "/")).name
    shown = "".join(letter for letter in last if letter.isprintable())
    if len(shown) > _NAME_LETTERS:  # the suffix stays
        path = PurePosixPath(shown)
        shown = path.stem[: _NAME_LETTERS - 20] + path.suffix[:20]
    return shown if shown.strip(". ") else "picture"


def file_name(name: str, format: str) -> str:
    """What the result of a file is called."""
    return PurePosixPath(name).stem + SUFFIXES[writable_name(format)][0]


def free_name(name: str, taken: Iterable[str]) -> str:
    """The name, or with a number where another picture has it."""
    path, number = PurePosixPath(name), 1
    lowered = {other.lower() for other in taken} | {"restora.json"}  # for disks that see no case
    while name.lower() in lowered:
        number += 1
        name = f"{path.stem}-{number}{path.suffix}"
    return name
