"""Pairs of a degraded and a clean picture, for each of SR-Diff's four tasks, and where they lie.

* ``made``: ``pairs_made`` of the test sets: ``gt``, and ``haze``, ``rain``, ``motion``,
  ``lowlight`` with the same names.
* ``real``: ``pairs_real``: ``derain`` and ``dehaze`` with ``input`` and ``target``, photographs of
  published sets.
* ``synthetic``: clean pictures, damaged here; a picture's damage depends on the seed, its name and
  the task alone, so that a part of a set is damaged as the whole is.
* any other folder: the user's own, laid out as the published sets are (:data:`NAMES`).
"""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from restora.degradations.by_task import degrade
from restora.errors import InputError, UsageError
from restora.evaluation.checks import find_pictures, load_rgb
from restora.images.pairs import Pair, pair_by_stem, pictures_by_stem, sots_key
from restora.networks.sr_diff.tasks import FOLDERS, TASKS, Task

__all__ = [
    "MADE",
    "NAMES",
    "OWN_SETS",
    "REAL",
    "SYNTHETIC",
    "RestorationPair",
    "find_pairs",
    "folder_pairs",
    "known_inputs",
    "synthetic_pairs",
]

MADE, REAL, SYNTHETIC = OWN_SETS = ("made", "real", "synthetic")

_MADE_FOLDERS: dict[Task, str] = {
    "dehaze": "haze",
    "derain": "rain",
    "deblur": "motion",
    "lowlight": "lowlight",
}

NAMES: tuple[tuple[str, str], ...] = (
    ("LQ", "GT"),  # SR-Diff's and DA-CLIP's layout
    ("input", "target"),
    ("hazy", "GT"),  # RESIDE-6k
    ("rainy", "norain"),  # Rain100H
    ("rain", "norain"),
    ("blur", "sharp"),  # GoPro, in a folder for each scene
    ("low", "high"),  # LOL
)
"""What the folders of degraded and clean pictures are called; the first that are there count."""


@dataclass(frozen=True, slots=True)
class RestorationPair:
    """A picture to restore, and what it should become.

    Attributes:
        task: What is wrong with it.
        name: Of the picture; within a task it is there once.
        clean: Its clean file.
        degraded: Its degraded file; None: it is made of the clean one.
        seed: Of that.
    """

    task: Task
    name: str
    clean: Path
    degraded: Path | None = None
    seed: int = 0

    def load(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8], bytes]:
        """Clean and degraded pixels ``(H, W, 3)``, 0-255, and the degraded picture as a file.

        Raises:
            InputError: A file is no picture, or their sizes differ.
        """
        clean = load_rgb(self.clean)
        if self.degraded is None:
            drawn = (self.seed, zlib.crc32(self.name.encode()), TASKS.index(self.task))
            degraded = degrade(clean, self.task, drawn).pixels
            file = io.BytesIO()
            Image.fromarray(degraded).save(file, "PNG", compress_level=1)
            return clean, degraded, file.getvalue()
        degraded = load_rgb(self.degraded)
        if degraded.shape != clean.shape:
            sizes = [f"{a.shape[1]}×{a.shape[0]}" for a in (degraded, clean)]
            raise InputError(
                f"{self.degraded} has {sizes[0]} pixels and {self.clean} {sizes[1]}; a pair is of "
                "one size."
            )
        return clean, degraded, self.degraded.read_bytes()


def find_pairs(
    test_set: str,
    data: Path,
    *,
    tasks: Sequence[Task] = TASKS,
    clean: str = "live1_color",
    seed: int = 0,
    limit: int | None = None,
) -> tuple[RestorationPair, ...]:
    """The pairs of one of :data:`OWN_SETS`, task by task.

    Args:
        test_set: ``"made"``, ``"real"`` or ``"synthetic"``.
        data: Folder that holds the test sets.
        tasks: Those asked for; what the set does not have is left out.
        clean: For ``"synthetic"``: the folder of clean pictures under ``data``.
        seed: For ``"synthetic"``: of the damage.
        limit: Only the first so many of each task.

    Raises:
        InputError: The folders are not there, or their pictures do not pair up.
        UsageError: Nothing is left, or ``limit`` is under 1.
    """
    if limit is not None and limit < 1:
        raise UsageError(f"A limit of {limit} pictures leaves none; the least is 1.")
    if test_set == SYNTHETIC:
        return synthetic_pairs(find_pictures(data / clean, limit=limit), tasks=tasks, seed=seed)
    found: list[RestorationPair] = []
    for task in (task for task in TASKS if task in tasks):
        if test_set == MADE:
            root = data / "pairs_made"
            pairs = pair_by_stem(root / _MADE_FOLDERS[task], root / "gt")
        elif (root := data / "pairs_real" / task).is_dir() or not root.parent.is_dir():
            pairs = _paired(root / "input", root / "target")
        else:
            continue
        found += _of(task, pairs[:limit])
    return _some(found, f"The set {test_set} has no pairs for {', '.join(tasks)}.")


def synthetic_pairs(
    pictures: Sequence[Path], *, tasks: Sequence[Task] = TASKS, seed: int = 0
) -> tuple[RestorationPair, ...]:
    """Clean pictures, each to be damaged once for each task."""
    return tuple(
        RestorationPair(task, path.stem, path, seed=seed)
        for task in TASKS
        if task in tasks
        for path in pictures
    )


def folder_pairs(
    folder: Path,
    *,
    tasks: Sequence[Task] = TASKS,
    names: tuple[str, str] | None = None,
    limit: int | None = None,
) -> tuple[RestorationPair, ...]:
    """The pairs of a folder of the user's.

    Either ``folder`` holds SR-Diff's layout, ``hazy/LQ``, ``hazy/GT``, ``rainy/LQ`` and so on; or
    it, or each folder right in it, holds a folder of degraded pictures and one of clean ones, all
    for one task.

    Args:
        folder: Such a folder.
        tasks: Those asked for; one alone, unless ``folder`` has SR-Diff's layout.
        names: What the two folders are called, degraded first; None: any of :data:`NAMES`.
        limit: Only the first so many of each task.

    Raises:
        InputError: There is no such folder, or its pictures do not pair up.
        UsageError: Its layout is none of these, or ``limit`` is under 1.
    """
    if limit is not None and limit < 1:
        raise UsageError(f"A limit of {limit} pictures leaves none; the least is 1.")
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}.")
    known = NAMES if names is None else (names,)
    found: list[RestorationPair] = []
    for task in (task for task in TASKS if task in tasks):
        found += _of(task, _within(folder / FOLDERS[task], known)[:limit])
    if found:
        return tuple(found)
    pairs = _within(folder, known)
    if not pairs:
        shown = ", ".join("{}/{}".format(*pair) for pair in known)
        raise UsageError(
            f"{folder} holds no pairs: neither it nor a folder in it has folders called {shown}; "
            "--names takes others."
        )
    if len(tasks) != 1:
        raise UsageError(f"{folder}: --task says what its pictures suffer from.")
    return tuple(_of(tasks[0], pairs[:limit]))


def known_inputs(data: Path) -> dict[tuple[Task, str], float]:
    """PSNR in dB of the degraded pictures of ``made``, as written down when they were made.

    Another program's, to two digits; empty where its list is not there.

    Raises:
        InputError: The list is damaged.
    """
    path = data / "pairs_made" / "params.jsonl"
    kinds = {kind: task for task, kind in _MADE_FOLDERS.items()}
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        return {
            (kinds[row["kind"]], Path(row["file"]).stem): float(row["input_psnr"]) for row in rows
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path} cannot be read: {error!r}.") from error


def _within(folder: Path, known: Iterable[tuple[str, str]]) -> list[Pair]:
    """The pairs right in a folder, else those of the folders in it, named after these too."""
    if not folder.is_dir():
        return []
    for bad, good in known:
        if (folder / bad).is_dir() and (folder / good).is_dir():
            return _paired(folder / bad, folder / good)
        scenes = sorted(
            path for path in folder.iterdir() if (path / bad).is_dir() and (path / good).is_dir()
        )
        if scenes:
            return [
                Pair(f"{scene.name}-{pair.stem}", pair.degraded, pair.clean)
                for scene in scenes
                for pair in _paired(scene / bad, scene / good)
            ]
    return []


def _paired(bad: Path, good: Path) -> list[Pair]:
    """Pairs of equal names, else by the first naming of a published set that pairs them all."""
    stems, clean = (pictures_by_stem(folder) for folder in (bad, good))
    keys: tuple[Callable[[str], str], ...] = (_same, sots_key, _rain_key)
    key = next((key for key in keys if all(key(stem) in clean for stem in stems)), _same)
    return pair_by_stem(bad, good, key=key)


def _same(stem: str) -> str:
    return stem


def _rain_key(stem: str) -> str:
    """Rain100H's and Rain100L's naming: ``rain-001`` and ``norain-001``."""
    return f"no{stem}"


def _of(task: Task, pairs: Iterable[Pair]) -> list[RestorationPair]:
    return [RestorationPair(task, pair.stem, pair.clean, pair.degraded) for pair in pairs]


def _some(found: list[RestorationPair], otherwise: str) -> tuple[RestorationPair, ...]:
    if not found:
        raise UsageError(otherwise)
    return tuple(found)
