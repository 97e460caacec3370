"""Files that are made of the photos once: each is there whole, or not at all."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


@contextmanager
def made_whole(path: Path) -> Iterator[Path]:
    """A name to write under, which becomes ``path`` once all is written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{secrets.token_hex(8)}.part")  # two trainings may write at once
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def room(path: Path | None, shape: tuple[int, ...], dtype: DTypeLike) -> Iterator[NDArray[Any]]:
    """An array to fill: of the file ``path``, or in memory where there is none."""
    if path is None:
        yield np.empty(shape, dtype)
        return
    with made_whole(path) as partial:
        array = np.memmap(partial, dtype, "w+", shape=shape)
        yield array
        array.flush()
