"""What a power cut leaves: the disk as it was at one moment, without what memory still held."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SIZE_BYTES = 96 << 20


def new_disk(image: Path) -> None:
    """A file with an empty ext4 in it."""
    with image.open("wb") as file:
        file.truncate(SIZE_BYTES)
    subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)


@contextmanager
def mounted(image: Path, at: Path) -> Iterator[Path]:
    """The disk in a file, mounted; takes root."""
    subprocess.run(["mount", "-o", "loop", image, at], check=True)
    try:
        yield at / "out"
    finally:
        subprocess.run(["umount", at], check=True)


@contextmanager
def place() -> Iterator[Path]:
    """An empty folder to mount at."""
    folder = Path(tempfile.mkdtemp())
    try:
        yield folder
    finally:
        folder.rmdir()


def cut(image: Path, processes: list[int], after: Path) -> None:
    """Copy what the device holds now into another file; who writes to it stands still meanwhile."""
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    shutil.copyfile(image, after)
