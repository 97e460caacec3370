"""Runs a protocol: scores the plain JPEG and any restorers, picture by picture, into a report."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from restora.errors import InputError, UsageError
from restora.evaluation.metrics import Scores, measure
from restora.evaluation.protocols import JpegProtocol, decode, degrade, encode
from restora.evaluation.report import PLAIN_JPEG, Environment, QualityError, Report, Row
from restora.evaluation.settings import Setting, at_qualities, check_settings

__all__ = [
    "Estimate",
    "PictureEstimate",
    "PictureScore",
    "Progress",
    "Restore",
    "estimate_pictures",
    "measure_pictures",
    "run",
]

Restore = Callable[[bytes], NDArray[np.uint8]]
"""JPEG file in, picture out: ``(H, W)`` gray or ``(H, W, 3)`` RGB, 0-255, of the file's size."""

Estimate = Callable[[bytes], float]
"""JPEG file in, the quality it seems to be saved at out, 1-100."""

Progress = Callable[[int, int], None]
"""Called with how many figures are done and how many there will be."""

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class PictureScore:
    """One method on one picture at one setting.

    Attributes:
        method: ``"JPEG"`` for the plain file, else the restorer's name.
        setting: How the picture was made bad.
        picture: File name of the clean picture, without its suffix.
        scores: The three figures.
        megapixels: Size of the picture.
        seconds: Time the restorer took; ``None`` for the plain file.
    """

    method: str
    setting: Setting
    picture: str
    scores: Scores
    megapixels: float
    seconds: float | None


@dataclass(frozen=True, slots=True)
class PictureEstimate:
    """The quality, 1-100, one picture was saved at and the one estimated from the file."""

    quality: int
    picture: str
    estimate: float


def measure_pictures(
    protocol: JpegProtocol,
    data: Path,
    *,
    restorers: Mapping[str, Restore] | None = None,
    limit: int | None = None,
    warm_up: bool = True,
    clock: Clock = time.perf_counter,
) -> Iterator[PictureScore]:
    """Score the plain JPEG and every restorer, one figure after the other.

    For each picture and setting comes the plain file, then each restorer in the order given, all
    on the same bytes.

    Args:
        protocol: What to measure.
        data: Folder that holds the test sets.
        restorers: What to measure beside the plain file, by the name for the table.
        limit: Only the first so many pictures; published figures need all.
        warm_up: Let each restorer run once, untimed, on the first file.
        clock: Gives the time in seconds.

    Raises:
        UsageError: The pictures are not there, or a restorer is called ``"JPEG"``.
        InputError: A picture cannot be read, or a restorer gave back something else than a uint8
            picture of the size of its input.
    """
    restorers = restorers or {}
    if PLAIN_JPEG in restorers:
        raise UsageError(f"A method cannot be called {PLAIN_JPEG}: that row is the plain file.")
    paths = protocol.find(data, limit=limit)
    return _scores(protocol, paths, restorers=restorers, warm_up=warm_up, clock=clock)


def estimate_pictures(
    protocol: JpegProtocol,
    data: Path,
    estimate: Estimate,
    *,
    qualities: Sequence[int] | None = None,
    limit: int | None = None,
) -> Iterator[PictureEstimate]:
    """Let ``estimate`` guess the quality of every picture at every quality.

    Args:
        protocol: Says which pictures, gray or colour.
        data: Folder that holds the test sets.
        estimate: The estimator.
        qualities: JPEG qualities, 1-100, each once; the last of each setting unless given.
        limit: Only the first so many pictures.

    Raises:
        UsageError: The pictures are not there, or a quality makes no sense.
        InputError: A picture cannot be read.
    """
    chosen = _qualities(protocol, qualities)
    check_settings(at_qualities(chosen))
    paths = protocol.find(data, limit=limit)
    return _estimates(protocol, paths, estimate=estimate, qualities=chosen)


def run(
    protocol: JpegProtocol,
    data: Path,
    *,
    restorers: Mapping[str, Restore] | None = None,
    estimate: Estimate | None = None,
    estimate_qualities: Sequence[int] | None = None,
    limit: int | None = None,
    warm_up: bool = True,
    notes: Sequence[str] = (),
    progress: Progress | None = None,
    clock: Clock = time.perf_counter,
) -> Report:
    """Measure a protocol and make the report.

    Args:
        protocol: What to measure.
        data: Folder that holds the test sets.
        restorers: What to measure beside the plain file, by the name for the table.
        estimate: An estimator of quality to measure too.
        estimate_qualities: The qualities for it; the last of each setting unless given.
        limit: Only the first so many pictures; published figures need all.
        warm_up: Let each restorer run once, untimed, on the first file.
        notes: Sentences about the restorers for the report.
        progress: Told after each figure how many of how many are done.
        clock: Gives the time in seconds.

    Raises:
        UsageError: As :func:`measure_pictures` and :func:`estimate_pictures`.
        InputError: As :func:`measure_pictures`.
    """
    pictures = len(protocol.find(data, limit=limit))
    scored = measure_pictures(
        protocol, data, restorers=restorers, limit=limit, warm_up=warm_up, clock=clock
    )
    total = pictures * len(protocol.settings) * (1 + len(restorers or {}))
    estimated: Iterator[PictureEstimate] = iter(())
    if estimate is not None:
        estimated = estimate_pictures(
            protocol, data, estimate, qualities=estimate_qualities, limit=limit
        )
        total += pictures * len(_qualities(protocol, estimate_qualities))

    scores: list[PictureScore] = []
    estimates: list[PictureEstimate] = []
    tell = progress or _tell_nobody
    tell(0, total)
    for score in scored:
        scores.append(score)
        tell(len(scores), total)
    for guess in estimated:
        estimates.append(guess)
        tell(len(scores) + len(estimates), total)
    return Report(
        protocol=protocol.name,
        set=protocol.set,
        rows=_rows(scores),
        quality_errors=_quality_errors(estimates),
        notes=tuple(notes),
        environment=Environment.here(),
    )


def _scores(
    protocol: JpegProtocol,
    paths: Sequence[Path],
    *,
    restorers: Mapping[str, Restore],
    warm_up: bool,
    clock: Clock,
) -> Iterator[PictureScore]:
    cold = set(restorers) if warm_up else set()
    for path in paths:
        clean = protocol.load(path)
        for setting in protocol.settings:
            reference, data = degrade(clean, setting)
            megapixels = reference.shape[0] * reference.shape[1] / 1e6
            plain = measure(reference, decode(data))
            yield PictureScore(PLAIN_JPEG, setting, path.stem, plain, megapixels, None)
            for method, restore in restorers.items():
                if method in cold:
                    restore(data)
                    cold.remove(method)
                start = clock()
                restored = restore(data)
                seconds = clock() - start
                _check_restored(restored, clean=reference, method=method, picture=path.stem)
                scores = measure(reference, restored)
                yield PictureScore(method, setting, path.stem, scores, megapixels, seconds)


def _qualities(protocol: JpegProtocol, qualities: Sequence[int] | None) -> tuple[int, ...]:
    if qualities is not None:
        return tuple(qualities)
    return tuple(dict.fromkeys(setting.quality for setting in protocol.settings))


def _estimates(
    protocol: JpegProtocol, paths: Sequence[Path], *, estimate: Estimate, qualities: Sequence[int]
) -> Iterator[PictureEstimate]:
    for path in paths:
        clean = protocol.load(path)
        for quality in qualities:
            guess = float(estimate(encode(clean, quality)))
            yield PictureEstimate(quality, path.stem, guess)


def _rows(scores: Sequence[PictureScore]) -> tuple[Row, ...]:
    groups: dict[tuple[str, Setting], list[PictureScore]] = {}
    for score in scores:
        groups.setdefault((score.method, score.setting), []).append(score)
    methods = list(dict.fromkeys(method for method, _ in groups))
    rows = []
    for (method, setting), group in sorted(groups.items(), key=lambda g: methods.index(g[0][0])):
        seconds = [score.seconds for score in group if score.seconds is not None]
        megapixels = sum(score.megapixels for score in group)
        rows.append(
            Row(
                method=method,
                quality=setting.quality,
                earlier=setting.earlier,
                shift_px=setting.shift_px,
                psnr=_mean([score.scores.psnr for score in group]),
                ssim=_mean([score.scores.ssim for score in group]),
                psnr_b=_mean([score.scores.psnr_b for score in group]),
                n=len(group),
                seconds_per_megapixel=sum(seconds) / megapixels if seconds else None,
            )
        )
    return tuple(rows)


def _quality_errors(estimates: Sequence[PictureEstimate]) -> tuple[QualityError, ...]:
    groups: dict[int, list[float]] = {}
    for guess in estimates:
        groups.setdefault(guess.quality, []).append(guess.estimate - guess.quality)
    return tuple(
        QualityError(
            quality=quality,
            mean_absolute_error=_mean([abs(error) for error in errors]),
            bias=_mean(errors),
            n=len(errors),
        )
        for quality, errors in groups.items()
    )


def _check_restored(
    restored: NDArray[np.uint8], *, clean: NDArray[np.uint8], method: str, picture: str
) -> None:
    if restored.dtype != clean.dtype or restored.shape != clean.shape:
        raise InputError(
            f"{method} turned {picture} into {restored.dtype} of the shape {restored.shape}; "
            f"expected is uint8 of the shape {clean.shape}."
        )


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))


def _tell_nobody(_done: int, _total: int) -> None:
    pass
