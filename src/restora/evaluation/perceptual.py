"""How diffusion papers measure JPEG repair: whole colour pictures at QF 5, 10 and 20, by looks.

The protocol of SODiff's table, as CODiff's test script has it: the sides of a clean picture are
brought to multiples of 8, downwards, by a Lanczos *resize*; it is saved as a JPEG; the file goes to
the restorer; its result, in 8 bits, is scored against the resized clean picture, and a figure is
the plain mean over the pictures. They save with OpenCV, we with Pillow: both hand libjpeg the same
quality and take its defaults, 4:2:0 among them, and so make the same pixels.

What they score with, LPIPS, DISTS, MUSIQ, MANIQA and CLIPIQA of pyiqa, are networks whose weights
cannot come along; what we score with is in :mod:`restora.evaluation.perceptual_scores`.
:mod:`restora.evaluation.perceptual_folders` writes the pictures, so that anybody who has that
toolbox can fill in its columns.

Beside the looks stand PSNR, SSIM and PSNR-B, and for every result how much of it the file allows: a
restorer may invent, and these say how far it went from the file to do so.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from restora.errors import InputError, UsageError
from restora.evaluation.checks import find_pictures, load_rgb
from restora.evaluation.metrics import psnr
from restora.evaluation.perceptual_folders import PictureFolders
from restora.evaluation.perceptual_scores import Column, Scorer
from restora.evaluation.protocols import decode, encode
from restora.evaluation.published.perceptual import PERCEPTUAL_QUALITIES
from restora.evaluation.report import PLAIN_JPEG, Environment
from restora.evaluation.settings import at_qualities, check_settings
from restora.jpeg import inspect
from restora.jpeg.constraint import Bins, NoBins, inside_share, read_bins

__all__ = [
    "EVIDENCE",
    "FOLDERS",
    "PerceptualReport",
    "PerceptualRow",
    "find_set",
    "measure_perceptual",
    "to_eights",
]

FOLDERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "live1": ("live1_color", "live1"),
        "urban100": ("urban100",),
        "div2k": ("div2k_valid_hr", "div2k_val", "div2k"),
    }
)
"""The published sets and the folders they come in, whatever the case of the folder's name."""

EVIDENCE = (
    Column(
        name="inside_bins", label="in the bins", better="higher", digits=4, group="fidelity",
        meaning="share of the file's coefficients, luma and chroma, that the result would be "
        "saved as again",
    ),
    Column(
        name="psnr_to_jpeg", label="PSNR to JPEG", better=None, digits=2, group="fidelity",
        meaning="the result against the plain JPEG: how far it went, good or bad",
    ),
)  # fmt: skip
"""What is told of every result beside what the scorers say."""

Restore = Callable[[bytes], NDArray[np.uint8]]
"""A JPEG file in, its restored pixels out: ``(H, W, 3)`` RGB, 0-255."""


class _Record(BaseModel):
    # A picture that comes back perfect has an infinite PSNR, which JSON cannot hold as a number.
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


class PerceptualRow(_Record):
    """One method at one quality: means over the pictures.

    Attributes:
        method: ``"JPEG"`` for the plain files, else the restorer's name.
        quality: JPEG quality, 1-100.
        n: How many pictures.
        scores: By the names of the report's columns; what was not measured is not there.
        seconds_per_megapixel: Seconds of all pictures over megapixels of all; ``None`` for JPEG.
    """

    method: str
    quality: int = Field(ge=1, le=100)
    n: int = Field(ge=1)
    scores: dict[str, float]
    seconds_per_megapixel: float | None = None


class PerceptualReport(_Record):
    """What :func:`measure_perceptual` found; ``notes`` say what the methods did."""

    protocol: Literal["perceptual"] = "perceptual"
    set: str
    columns: tuple[Column, ...]
    rows: tuple[PerceptualRow, ...]
    notes: tuple[str, ...] = ()
    environment: Environment

    @property
    def qualities(self) -> tuple[int, ...]:
        """The qualities of the rows, in order of appearance."""
        return tuple(dict.fromkeys(row.quality for row in self.rows))

    def row(self, method: str, quality: int) -> PerceptualRow | None:
        """The row of one method at one quality."""
        return next((r for r in self.rows if (r.method, r.quality) == (method, quality)), None)


class _Sums:
    """The figures of one method at one quality so far."""

    def __init__(self) -> None:
        self.scores: dict[str, list[float]] = {}
        self.seconds, self.megapixels, self.pictures = 0.0, 0.0, 0

    def add(self, figures: Mapping[str, float], seconds: float, megapixels: float) -> None:
        for name, figure in figures.items():
            self.scores.setdefault(name, []).append(figure)
        self.seconds += seconds
        self.megapixels += megapixels
        self.pictures += 1


def find_set(data: Path, test_set: str, *, limit: int | None = None) -> tuple[Path, ...]:
    """The clean pictures of a set, by name, the first ``limit`` of them.

    Args:
        data: Folder that holds the test sets.
        test_set: One of :data:`FOLDERS`, or any folder of lossless pictures under ``data``.
        limit: Only the first so many; published figures need all.

    Raises:
        UsageError: There are no such pictures, or ``limit`` is under 1.
    """
    if limit is not None and limit < 1:
        raise UsageError(f"A limit of {limit} pictures leaves none; the least is 1.")
    names = FOLDERS.get(test_set, (test_set,))
    found = {p.name.lower(): p for p in data.iterdir() if p.is_dir()} if data.is_dir() else {}
    folder = next((found[name.lower()] for name in names if name.lower() in found), None)
    if folder is None:
        raise UsageError(
            f"The clean pictures of {test_set} were not found: there is no folder "
            f"{' or '.join(str(data / name) for name in names)}."
        )
    return find_pictures(folder, limit=limit)


def to_eights(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture with sides of multiples of 8, the next ones down, by Lanczos.

    Args:
        picture: ``(H, W, 3)`` RGB, 0-255.

    Raises:
        InputError: A side is under 8 pixels.

    >>> to_eights(np.zeros((438, 634, 3), np.uint8)).shape
    (432, 632, 3)
    """
    height, width = picture.shape[:2]
    if min(height, width) < 8:
        raise InputError(f"A picture of {width}×{height} pixels has no side of 8.")
    size = width - width % 8, height - height % 8
    if size == (width, height):
        return picture
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS))


def measure_perceptual(
    pictures: Sequence[Path],
    restorers: Mapping[str, Restore],
    scorers: Sequence[Scorer],
    *,
    test_set: str,
    qualities: Sequence[int] = PERCEPTUAL_QUALITIES,
    folders: PictureFolders | None = None,
    notes: Sequence[str] = (),
    warm_up: bool = True,
    progress: Callable[[int, int], None] = lambda *_: None,
    clock: Callable[[], float] = time.perf_counter,
) -> PerceptualReport:
    """Score the plain JPEG and every restorer.

    Args:
        pictures: Clean pictures, at least one.
        restorers: What to measure beside the plain file, by the name for the table.
        scorers: What to measure with; the names of their columns all differ.
        test_set: What the pictures are called.
        qualities: JPEG qualities, 1-100, each once; 4:2:0.
        folders: Where to write the pictures, if anywhere.
        notes: Sentences about the restorers for the report.
        warm_up: Let each restorer run once, untimed, on the first file.
        progress: Told how many results of how many are scored.
        clock: Gives the time in seconds.

    Raises:
        InputError: A picture cannot be read, or came back in another shape.
        OutputError: A picture cannot be written.
        UsageError: There are no pictures, a quality makes no sense, a name is taken twice.
    """
    columns = (*(column for scorer in scorers for column in scorer.columns), *EVIDENCE)
    _check(pictures, restorers, qualities, columns)
    if folders is not None:
        folders.check(pictures)
    sums = {(m, q): _Sums() for q in qualities for m in (PLAIN_JPEG, *restorers)}
    cold = set(restorers) if warm_up else set()
    done, total = 0, len(pictures) * len(sums)
    progress(done, total)
    for path in pictures:
        clean = to_eights(load_rgb(path))
        megapixels = clean.shape[0] * clean.shape[1] / 1e6
        scores = [(scorer.columns, scorer.against(clean)) for scorer in scorers]
        if folders is not None:
            folders.put_clean(path.stem, clean)
        for quality in qualities:
            file = encode(clean, quality)
            plain, bins = decode(file), _bins(file)
            for method, restored, seconds in _versions(file, plain, restorers, cold, clock):
                _check_restored(restored, clean, method, path.stem)
                figures = {
                    column.name: figure
                    for group, score in scores
                    for column, figure in zip(group, score(restored), strict=True)
                }
                if bins is not None:
                    shown = restored.astype(np.float32) / np.float32(255)
                    figures["inside_bins"] = inside_share(shown, bins)
                if method != PLAIN_JPEG:
                    figures["psnr_to_jpeg"] = psnr(plain, restored)
                sums[method, quality].add(figures, seconds, megapixels)
                if folders is not None:
                    folders.put(path.stem, method, quality, restored)
                done += 1
                progress(done, total)
    rows = tuple(
        PerceptualRow(
            method=method,
            quality=quality,
            n=sum_.pictures,
            scores={name: float(np.mean(figures)) for name, figures in sum_.scores.items()},
            seconds_per_megapixel=None if method == PLAIN_JPEG else sum_.seconds / sum_.megapixels,
        )
        for (method, quality), sum_ in sums.items()
    )
    return PerceptualReport(
        set=test_set,
        columns=columns,
        rows=rows,
        notes=tuple(notes),
        environment=Environment.here(),
    )


def _check(
    pictures: Sequence[Path],
    restorers: Mapping[str, Restore],
    qualities: Sequence[int],
    columns: Sequence[Column],
) -> None:
    if PLAIN_JPEG in restorers:
        raise UsageError(f"A method cannot be called {PLAIN_JPEG}: that row is the plain file.")
    if not pictures:
        raise UsageError("There is no picture to measure.")
    check_settings(at_qualities(qualities))
    names = [column.name for column in columns]
    if len(set(names)) < len(names):
        raise UsageError(f"A score is asked for twice: {', '.join(names)}.")


def _check_restored(
    restored: NDArray[np.uint8], clean: NDArray[np.uint8], method: str, picture: str
) -> None:
    if restored.dtype != clean.dtype or restored.shape != clean.shape:
        raise InputError(
            f"{method} turned {picture} into {restored.dtype} of the shape {restored.shape}; "
            f"expected is uint8 of the shape {clean.shape}."
        )


def _versions(
    file: bytes,
    plain: NDArray[np.uint8],
    restorers: Mapping[str, Restore],
    cold: set[str],
    clock: Callable[[], float],
) -> Iterator[tuple[str, NDArray[np.uint8], float]]:
    """The plain picture, then what each restorer makes of the file and in how many seconds."""
    yield PLAIN_JPEG, plain, 0.0
    for method, restore in restorers.items():
        if method in cold:
            restore(file)
            cold.remove(method)
        start = clock()
        restored = restore(file)
        yield method, restored, clock() - start


def _bins(file: bytes) -> Bins | None:
    try:
        return read_bins(file, inspect(file, name="bench"))
    except NoBins:
        return None
