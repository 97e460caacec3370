"""What restoring does for machines: classes, objects and edges, against the clean picture.

DAGN (IEEE TIP 2024) asks whether detectors work better on restored pictures. Here, without labels
and without a download: does a classifier see in the restored picture what it sees in the clean one?

The classifier looks at crops of its own size (224×224 pixels for Lite0) of the picture as it is,
side by side from a centred grid: scaling a whole picture down would remove most of what JPEG did.
Agreement is the share of crops whose likeliest class is that of the same crop of the clean picture.

The detector, where the user has one, looks at whole pictures. What it finds in the clean picture
with a score of 0.5 and more is the truth; what it finds so in the other is held against it, see
:mod:`restora.evaluation.detections`; the F-measure counts the things of all pictures together.

Edges: see :mod:`restora.evaluation.edges`; they are scored on whole pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from restora.errors import InputError, UsageError
from restora.evaluation.checks import load_rgb
from restora.evaluation.detections import Tally, match
from restora.evaluation.detector import Detector
from restora.evaluation.edges import Edges
from restora.evaluation.protocols import decode, encode
from restora.evaluation.report import PLAIN_JPEG, Environment
from restora.semantics.efficientnet_lite import Classifier, Seen

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
    objects: float | None = Field(
        None, description="F-measure of the detector's findings, 0-1; None without a detector"
    )
    pictures: int
    crops: int


class DownstreamReport(_Record):
    """What :func:`measure_downstream` found."""

    rows: tuple[DownstreamRow, ...]
    classifier: str | None = Field(None, description="what looked at the crops")
    crop_px: int = Field(224, description="side of the crops")
    detector: str | None = Field(None, description="what looked for objects")
    clean_objects: int = Field(0, description="what it found in all clean pictures")
    environment: Environment

    def row(self, method: str, quality: int) -> DownstreamRow | None:
        """The row of one method at one quality."""
        return next((r for r in self.rows if (r.method, r.quality) == (method, quality)), None)

    def recovered(self, row: DownstreamRow) -> float | None:
        """The share of the agreement that JPEG lost which a method gives back.

        1 is all of it, below 0 is further loss; ``None`` where nothing was lost or measured.
        """
        plain = self.row(PLAIN_JPEG, row.quality)
        return _recovered(plain.agreement if plain else None, row.agreement)

    def recovered_objects(self, row: DownstreamRow) -> float | None:
        """The same of the detector's F-measure."""
        plain = self.row(PLAIN_JPEG, row.quality)
        return _recovered(plain.objects if plain else None, row.objects)


def _recovered(plain: float | None, restored: float | None) -> float | None:
    """Of what ``plain`` lacks to 1, the share that ``restored`` has."""
    if plain is None or restored is None or plain >= 1:
        return None
    return (restored - plain) / (1 - plain)


class _Sums:
    """The figures of one method at one quality so far."""

    def __init__(self) -> None:
        self.edges, self.agreed, self.distance, self.objects = 0.0, 0, 0.0, Tally()


def measure_downstream(
    pictures: Sequence[Path],
    restorers: Mapping[str, Restore],
    *,
    classifier: Classifier | None,
    detector: Detector | None = None,
    qualities: Sequence[int] = QUALITIES,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> DownstreamReport:
    """Score the plain JPEG and every restorer by what machines see.

    Args:
        pictures: Clean pictures; those with a side under the classifier's have no crops.
        restorers: What to measure beside the plain file, by the name for the table.
        classifier: :func:`restora.semantics.efficientnet_lite.load_classifier`; with ``None`` here
            and as the detector only edges are measured, which needs no extra.
        detector: :func:`restora.evaluation.detector.load_detector`.
        qualities: JPEG qualities, 1-100; 4:2:0.
        progress: Told how many pictures of how many are done.

    Raises:
        InputError: A picture cannot be read, or came back in another shape.
        UsageError: There are no pictures, or none is large enough for the classifier.
        WeightsError: The detector fails.
    """
    if PLAIN_JPEG in restorers:
        raise UsageError(f"A method cannot be called {PLAIN_JPEG}: that row is the plain file.")
    sums = {(m, q): _Sums() for m in (PLAIN_JPEG, *restorers) for q in qualities}
    side_px = classifier.variant.side_px if classifier is not None else 224
    seen_crops = clean_objects = 0
    for done, path in enumerate(pictures):
        progress(done, len(pictures))
        clean = load_rgb(path)
        edges = Edges(clean)
        places = list(crops(clean, side_px)) if classifier is not None else []
        seen = classifier.see(places) if classifier is not None and places else None
        seen_crops += len(places)
        things = detector.find(clean).sure() if detector is not None else None
        clean_objects += len(things) if things is not None else 0
        for quality in qualities:
            file = encode(clean, quality)
            for method, picture in _versions(file, restorers):
                if picture.shape != clean.shape:
                    raise InputError(f"{method} turned {path.stem} into {picture.shape}.")
                sum_ = sums[method, quality]
                sum_.edges += edges.f_measure(picture)
                if classifier is not None and seen is not None:
                    now = classifier.see(list(crops(picture, side_px)))
                    sum_.agreed += int((now.labels == seen.labels).sum())
                    sum_.distance += float(_cosine_distance(now, seen).sum())
                if detector is not None and things is not None:
                    sum_.objects += match(detector.find(picture).sure(), things)
    progress(len(pictures), len(pictures))
    if not pictures or (classifier is not None and not seen_crops):
        raise UsageError(f"There is no picture of {side_px}×{side_px} pixels or more to measure.")
    rows = tuple(
        DownstreamRow(
            method=method,
            quality=quality,
            edges=sum_.edges / len(pictures),
            agreement=sum_.agreed / seen_crops if seen_crops else None,
            feature_distance=sum_.distance / seen_crops if seen_crops else None,
            # Where nothing is to be found, finding nothing is no merit.
            objects=sum_.objects.f_measure if clean_objects else None,
            pictures=len(pictures),
            crops=seen_crops,
        )
        for (method, quality), sum_ in sums.items()
    )
    return DownstreamReport(
        rows=rows,
        classifier=classifier.variant.title if classifier is not None else None,
        crop_px=side_px,
        detector=detector.name if detector is not None else None,
        clean_objects=clean_objects,
        environment=Environment.here(),
    )


def crops(picture: NDArray[np.uint8], side_px: int = 224) -> Iterator[NDArray[np.uint8]]:
    """The square crops of (H, W, 3), side by side; the rest is left out evenly."""
    height, width = picture.shape[:2]
    down, across = height // side_px, width // side_px
    top, left = (height - down * side_px) // 2, (width - across * side_px) // 2
    for y in range(top, top + down * side_px, side_px):
        for x in range(left, left + across * side_px, side_px):
            yield picture[y : y + side_px, x : x + side_px]


def markdown(report: DownstreamReport) -> str:
    """The report as a Markdown table, one row a method and quality."""
    detector = report.detector is not None
    lines = [
        "| method | QF | same class | of the lost, recovered | feature distance | edges, F |"
        + (" objects, F | of the lost, recovered |" if detector else ""),
        "|---|---:|---:|---:|---:|---:|" + ("---:|---:|" if detector else ""),
    ]
    for row in report.rows:
        plain = row.method == PLAIN_JPEG
        agreement = "-" if row.agreement is None else f"{100 * row.agreement:.1f} %"
        recovered = _percent(None if plain else report.recovered(row))
        distance = "-" if row.feature_distance is None else f"{row.feature_distance:.4f}"
        line = (
            f"| {row.method} | {row.quality} | {agreement} | {recovered} | {distance} "
            f"| {row.edges:.3f} |"
        )
        if detector:
            objects = "-" if row.objects is None else f"{row.objects:.3f}"
            line += f" {objects} | {_percent(None if plain else report.recovered_objects(row))} |"
        lines.append(line)
    return "\n".join([*lines, "", f"- {_what_was_seen(report)}."]) + "\n"


def _what_was_seen(report: DownstreamReport) -> str:
    first = report.rows[0]
    seen = f"{first.pictures} pictures"
    if first.crops:
        seen += f", {first.crops} crops of {report.crop_px}×{report.crop_px}"
        seen += f" seen by {report.classifier}" if report.classifier else ""
    if report.detector is not None:
        seen += f", {report.clean_objects} objects found in the clean ones by {report.detector}"
    return seen


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.0f} %"


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
