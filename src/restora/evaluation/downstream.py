"""What restoring does for machines: classification and edges, against the clean picture.

DAGN (IEEE TIP 2024) asks whether detectors work better on restored pictures. Here, without labels
and without a download: does a classifier see in the restored picture what it sees in the clean one?

The classifier looks at crops of 224×224 pixels of the picture as it is, side by side from a centred
grid: scaling a whole picture down would remove most of what JPEG did. Agreement is the share of
crops whose likeliest class is that of the same crop of the clean picture. Edges: see
:mod:`restora.evaluation.edges`; they are scored on whole pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from restora.errors import InputError, UsageError
from restora.evaluation.checks import load_rgb
from restora.evaluation.classifier import SIDE_PX, Classifier, Seen
from restora.evaluation.edges import Edges
from restora.evaluation.protocols import decode, encode
from restora.evaluation.report import PLAIN_JPEG, Environment

__all__ = ["DownstreamReport", "DownstreamRow", "crops", "markdown", "measure_downstream"]

QUALITIES = (10, 20, 30, 40)

Restore = Callable[[bytes], NDArray[np.uint8]]
"""A JPEG file in, its restored pixels out: ``(H, W, 3)`` RGB, 0-255."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DownstreamRow(_Record):
    """One method at one quality, against the clean pictures."""

    method: str
    quality: int = Field(ge=1, le=100)
    edges: float = Field(description="mean F-measure of the edges over the pictures, 0-1")
    agreement: float | None = Field(
        description="share of crops that keep their class, 0-1; None without a classifier"
    )
    feature_distance: float | None = Field(
        description="mean cosine distance of the classifier's features, 0-2"
    )
    pictures: int
    crops: int


class DownstreamReport(_Record):
    """What :func:`measure_downstream` found."""

    rows: tuple[DownstreamRow, ...]
    environment: Environment

    def row(self, method: str, quality: int) -> DownstreamRow | None:
        """The row of one method at one quality."""
        return next((r for r in self.rows if (r.method, r.quality) == (method, quality)), None)

    def recovered(self, row: DownstreamRow) -> float | None:
        """The share of the agreement that JPEG lost which a method gives back.

        1 is all of it, below 0 is further loss; ``None`` where nothing was lost or measured.
        """
        plain = self.row(PLAIN_JPEG, row.quality)
        if plain is None or plain.agreement is None or row.agreement is None:
            return None
        lost = 1 - plain.agreement
        return (row.agreement - plain.agreement) / lost if lost > 0 else None


class _Sums:
    """The figures of one method at one quality so far."""

    def __init__(self) -> None:
        self.edges, self.agreed, self.distance = 0.0, 0, 0.0


def measure_downstream(
    pictures: Sequence[Path],
    restorers: Mapping[str, Restore],
    *,
    classifier: Classifier | None,
    qualities: Sequence[int] = QUALITIES,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> DownstreamReport:
    """Score the plain JPEG and every restorer by what machines see.

    Args:
        pictures: Clean pictures; sides of 224 px at least where there is a classifier.
        restorers: What to measure beside the plain file, by the name for the table.
        classifier: :func:`restora.evaluation.classifier.load_classifier`; ``None`` measures edges
            only, which needs no extra.
        qualities: JPEG qualities, 1-100; 4:2:0.
        progress: Told how many pictures of how many are done.

    Raises:
        InputError: A picture cannot be read, or came back in another shape.
        UsageError: There are no pictures, or none is large enough for the classifier.
    """
    if PLAIN_JPEG in restorers:
        raise UsageError(f"A method cannot be called {PLAIN_JPEG}: that row is the plain file.")
    sums = {(m, q): _Sums() for m in (PLAIN_JPEG, *restorers) for q in qualities}
    seen_crops = 0
    for done, path in enumerate(pictures):
        progress(done, len(pictures))
        clean = load_rgb(path)
        edges, places = Edges(clean), list(crops(clean)) if classifier is not None else []
        seen = classifier.see(places) if classifier is not None and places else None
        seen_crops += len(places)
        for quality in qualities:
            file = encode(clean, quality)
            for method, picture in _versions(file, restorers):
                if picture.shape != clean.shape:
                    raise InputError(f"{method} turned {path.stem} into {picture.shape}.")
                sum_ = sums[method, quality]
                sum_.edges += edges.f_measure(picture)
                if classifier is not None and seen is not None:
                    now = classifier.see(list(crops(picture)))
                    sum_.agreed += int((now.labels == seen.labels).sum())
                    sum_.distance += float(_cosine_distance(now, seen).sum())
    progress(len(pictures), len(pictures))
    if not pictures or (classifier is not None and not seen_crops):
        raise UsageError(f"There is no picture of {SIDE_PX}×{SIDE_PX} pixels or more to measure.")
    rows = tuple(
        DownstreamRow(
            method=method,
            quality=quality,
            edges=sum_.edges / len(pictures),
            agreement=sum_.agreed / seen_crops if seen_crops else None,
            feature_distance=sum_.distance / seen_crops if seen_crops else None,
            pictures=len(pictures),
            crops=seen_crops,
        )
        for (method, quality), sum_ in sums.items()
    )
    return DownstreamReport(rows=rows, environment=Environment.here())


def crops(picture: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """The crops of 224×224 pixels of (H, W, 3), side by side; the rest is left out evenly."""
    height, width = picture.shape[:2]
    down, across = height // SIDE_PX, width // SIDE_PX
    top, left = (height - down * SIDE_PX) // 2, (width - across * SIDE_PX) // 2
    for y in range(top, top + down * SIDE_PX, SIDE_PX):
        for x in range(left, left + across * SIDE_PX, SIDE_PX):
            yield picture[y : y + SIDE_PX, x : x + SIDE_PX]


def markdown(report: DownstreamReport) -> str:
    """The report as a Markdown table, one row a method and quality."""
    lines = [
        "| method | QF | same class | of the lost, recovered | feature distance | edges, F |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for row in report.rows:
        agreement = "-" if row.agreement is None else f"{100 * row.agreement:.1f} %"
        share = None if row.method == PLAIN_JPEG else report.recovered(row)
        recovered = "-" if share is None else f"{100 * share:.0f} %"
        distance = "-" if row.feature_distance is None else f"{row.feature_distance:.4f}"
        lines.append(
            f"| {row.method} | {row.quality} | {agreement} | {recovered} | {distance} "
            f"| {row.edges:.3f} |"
        )
    first = report.rows[0]
    looked = f", {first.crops} crops of {SIDE_PX}×{SIDE_PX}" if first.crops else ""
    return "\n".join([*lines, "", f"- {first.pictures} pictures{looked}."]) + "\n"


def _versions(
    file: bytes, restorers: Mapping[str, Restore]
) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """The plain picture of a file, then what each restorer makes of it."""
    yield PLAIN_JPEG, decode(file)
    for method, restore in restorers.items():
        yield method, restore(file)


def _cosine_distance(one: Seen, other: Seen) -> NDArray[np.float32]:
    """(N,), 0 for features of one direction."""
    a, b = one.features, other.features
    products = (a * b).sum(axis=1)
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    distance: NDArray[np.float32] = 1 - products / np.maximum(lengths, 1e-12)
    return distance
