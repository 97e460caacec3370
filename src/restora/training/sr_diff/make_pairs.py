"""Pairs from clean photos: the photo beside what a degradation makes of it, as PNG files.

Everything drawn depends on the seed, the photo's name, the task and the variant alone. So pictures
that are there already need not be made again, and more of them change none.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from restora.degradations.by_task import TASKS as DAMAGES
from restora.degradations.by_task import degrade
from restora.engine.batch import make_folder
from restora.errors import InputError, OutputError, RestoraError
from restora.images import Picture, read, write
from restora.images.atomic import write_atomically
from restora.images.cmyk import rgb_from_cmyk
from restora.images.formats import format_of_suffix
from restora.images.orientation import apply_orientation
from restora.images.samples import whole_numbers
from restora.networks.sr_diff.tasks import TASKS, Task
from restora.training.sr_diff.layout import FEATURES, SPLITS, Layout, Split

__all__ = [
    "SETTINGS_NAME",
    "Made",
    "Place",
    "find_photos",
    "homes_of",
    "make_pairs",
    "open_rgb",
    "pair_names",
    "seed_of",
    "write_pairs",
]

SETTINGS_NAME = "params.jsonl"
SEED_BYTES = 6  # so that every reader of JSON gives them back exactly

Progress = Callable[[int, int], None]


@dataclass
class Made:
    """What a run came to.

    Attributes:
        made: How many were made: pairs, or files of features.
        kept: How many were there already.
        failed: Sentences about what could not be made.
    """

    made: int = 0
    kept: int = 0
    failed: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Place:
    """Where the pairs of a task go, and what lies there that is made of them.

    Attributes:
        task: The damage, one of :data:`restora.degradations.by_task.TASKS`.
        degraded, clean: Folders of pictures.
        settings: The file with what was drawn.
        features: Folders of ``<stem>.pt``, which go when a pair is made anew.
        captions: Folders of ``<stem>.txt``, which go when another clean picture comes.
    """

    task: str
    degraded: Path
    clean: Path
    settings: Path
    features: tuple[Path, ...] = ()
    captions: tuple[Path, ...] = ()


def find_photos(folder: Path, *, beside: Iterable[Path] = ()) -> dict[str, Path]:
    """The photos of a folder and of those below it, by what their pairs are called, in order.

    The name is the file's without suffix, led by the folders below ``folder``: ``a/1.jpg`` is
    ``a-1``.

    Args:
        folder: Of clean photos.
        beside: Folders of pairs; what lies there are no photos, should it be below ``folder``. The
            GT of one task may be ``folder`` for another.

    Raises:
        InputError: There is no such folder, it holds no photos, or two would be called alike.
    """
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}.")
    found: dict[str, Path] = {}
    made = {home.resolve() for home in beside} - {folder.resolve(), *folder.resolve().parents}
    for path in sorted(folder.rglob("*")):
        if format_of_suffix(path) is None or path.name.startswith(".") or not path.is_file():
            continue
        if not made.isdisjoint(path.resolve().parents):
            continue
        name = "-".join(path.relative_to(folder).with_suffix("").parts)
        if name in found:
            raise InputError(f"{found[name]} and {path} would both be called {name}; rename one.")
        found[name] = path
    if not found:
        raise InputError(f"{folder}: the folder holds no photos.")
    return found


def homes_of(layout: Layout) -> list[Path]:
    """Every folder of SR-Diff's that may hold pairs."""
    return [layout.folder(split, task) for split in SPLITS for task in TASKS]


def seed_of(seed: int, name: str, task: str, variant: int) -> tuple[int, ...]:
    """Whole numbers that fix everything drawn for one pair.

    Args:
        seed: Not negative.
        name: Of the photo, as :func:`find_photos` gives it.
        task: The damage.
        variant: 0 for the first.
    """
    hashed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:SEED_BYTES], "big")
    return (seed, hashed, DAMAGES.index(task), variant)


def open_rgb(path: Path) -> NDArray[np.uint8]:
    """A picture upright, (H, W, 3) RGB, 0-255.

    Raises:
        InputError: It cannot be read.
    """
    picture = read(path)
    pixels = picture.pixels
    if picture.space == "cmyk":
        pixels = rgb_from_cmyk(pixels, icc=picture.metadata.icc)
    upright = apply_orientation(whole_numbers(pixels, bits=8), picture.metadata.orientation)
    return np.ascontiguousarray(np.broadcast_to(upright, (*upright.shape[:2], 3)), np.uint8)


def make_pairs(
    photos: dict[str, Path],
    layout: Layout,
    *,
    split: Split,
    tasks: Iterable[Task],
    seed: int = 0,
    variants: int = 1,
    force: bool = False,
    progress: Progress = lambda *_: None,
) -> Made:
    """Write LQ and GT of every photo, and beside them ``params.jsonl`` with what was drawn.

    Pairs of further variants are called ``NAME+1``, ``NAME+2`` and so on, each with its own GT, as
    the layout has it. A photo that fails stops none of the others.

    Args:
        photos: From :func:`find_photos`.
        layout: Where to.
        split: ``train`` or ``val``.
        tasks: Which damage; each on its own.
        seed: Not negative; another gives other pairs.
        variants: Pairs of a photo and a task, at least 1.
        force: Make pairs that are there anew.
        progress: Told how many photos of how many are done.

    Raises:
        InputError: Two pairs would be called alike, or the settings of earlier ones are damaged.
        OutputError: A folder or the settings cannot be written.
    """
    places = [
        Place(
            task,
            degraded=layout.folder(split, task, "LQ"),
            clean=layout.folder(split, task, "GT"),
            settings=layout.folder(split, task) / SETTINGS_NAME,
            features=tuple(layout.folder(split, task, part) for part in FEATURES),
        )
        for task in tasks
    ]
    return write_pairs(photos, places, seed=seed, variants=variants, force=force, progress=progress)


def write_pairs(
    photos: dict[str, Path],
    places: Iterable[Place],
    *,
    seed: int,
    variants: int,
    force: bool,
    progress: Progress,
) -> Made:
    """Write the pairs of all photos to each of some places; see :func:`make_pairs`."""
    result = Made()
    writers = [_Writer(place, force=force) for place in places]
    pair_names(photos, variants)
    try:
        for done, (name, path) in enumerate(photos.items()):
            progress(done, len(photos))
            _make(writers, name, path, seed=seed, variants=variants, result=result)
        progress(len(photos), len(photos))
    finally:  # also when interrupted: what was made has its line
        for writer in writers:
            writer.finish()
    return result


def pair_names(photos: Iterable[str], variants: int) -> dict[str, tuple[str, int]]:
    """What all pairs are called, each with its photo's name and its variant, in order.

    Raises:
        InputError: Two would be called alike.
    """
    given = [(name, n) for name in photos for n in range(variants)]
    names = {f"{name}+{n}" if n else name: (name, n) for name, n in given}
    if len(names) < len(given):
        raise InputError("Photos are called like variants of others; rename those with a + in.")
    return names


def _make(
    writers: Iterable[_Writer], name: str, path: Path, *, seed: int, variants: int, result: Made
) -> None:
    """All pairs of one photo, which is read when the first of them is missing."""
    clean: NDArray[np.uint8] | None = None
    for writer in writers:
        for variant in range(variants):
            called = f"{name}+{variant}" if variant else name
            if writer.has(called):
                result.kept += 1
                continue
            if clean is None:
                try:
                    clean = open_rgb(path)
                except InputError as error:
                    result.failed.append(str(error))
                    return
            numbers = seed_of(seed, name, writer.task, variant)
            try:
                writer.put(called, clean, numbers, {"photo": path.name, "variant": variant})
            except RestoraError as error:
                result.failed.append(str(error))
            else:
                result.made += 1


class _Writer:
    """Writes the pairs of one task."""

    def __init__(self, place: Place, *, force: bool) -> None:
        """
        Raises:
            InputError: The settings of earlier pairs cannot be read.
            OutputError: A folder cannot be made.
        """
        self.task = place.task
        self._force = force
        self._place = place
        self._bad, self._good = place.degraded, place.clean
        self._settings_path = place.settings
        for folder in (self._bad, self._good):
            make_folder(folder)
        self._settings = _read_settings(self._settings_path)
        self._changed = False

    def has(self, name: str) -> bool:
        """Whether a pair is there and stays."""
        return not self._force and all(
            (folder / f"{name}.png").exists() for folder in (self._bad, self._good)
        )

    def put(
        self,
        name: str,
        clean: NDArray[np.uint8],
        seed: tuple[int, ...],
        origin: dict[str, Any],
    ) -> None:
        """Degrade a photo and write the pair; what is made of an older one under its name goes.

        Raises:
            OutputError: A file cannot be written, or half of another pair is in the way.
        """
        bad, good = (folder / f"{name}.png" for folder in (self._bad, self._good))
        if not self._force:
            self._check_half(bad, good, clean)
        made = degrade(clean, self.task, seed)
        for folder in self._place.features:
            _delete(folder / f"{name}.pt")
        self._forget_captions(name, good, clean)
        _write(good, clean)  # first: a degraded picture that is there has its clean one
        _write(bad, made.pixels)
        self._settings[bad.name] = {
            "file": bad.name,
            **origin,
            "task": self.task,
            "seed": list(seed),
            "strength": made.strength,
            "settings": made.settings,
        }
        self._changed = True

    def _forget_captions(self, name: str, good: Path, clean: NDArray[np.uint8]) -> None:
        texts = [
            text for folder in self._place.captions if (text := folder / f"{name}.txt").exists()
        ]
        if texts and good.exists() and not _shows(good, clean):
            for text in texts:
                _delete(text)

    def finish(self) -> None:
        """Write the settings of all pairs, those of earlier runs too.

        Raises:
            OutputError: The file cannot be written.
        """
        if self._changed:
            lines = (json.dumps(self._settings[name]) for name in sorted(self._settings))
            write_atomically(self._settings_path, ("\n".join(lines) + "\n").encode())

    def _check_half(self, bad: Path, good: Path, clean: NDArray[np.uint8]) -> None:
        if bad.exists():
            raise OutputError(f"{bad} is there without its GT; --force makes both anew.")
        if good.exists() and not np.array_equal(open_rgb(good), clean):
            raise OutputError(f"{good} is there and shows another picture; --force replaces it.")


def _shows(path: Path, pixels: NDArray[np.uint8]) -> bool:
    """Whether a file is a picture of these pixels."""
    try:
        return np.array_equal(open_rgb(path), pixels)
    except InputError:
        return False


def _write(path: Path, pixels: NDArray[np.uint8]) -> None:
    write(Picture(pixels=pixels.astype(np.float32) / np.float32(255), space="rgb"), path)


def _delete(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{path} cannot be deleted: {error.strerror}.") from error


def _read_settings(path: Path) -> dict[str, dict[str, Any]]:
    if not path.exists():
        return {}
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        return {row["file"]: row for row in rows}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}: the settings of earlier pairs cannot be read ({error}); move the file away."
        ) from error
