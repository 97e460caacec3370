"""Found things against found things: boxes matched, and the F-measure that follows.

As the detection benchmarks do it (PASCAL VOC, COCO): two boxes are of one thing if they have one
label and overlap by half at least, intersection over union. The tested detections take their
partners in turn, the surest first; each takes the free partner it overlaps most.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["LEAST_OVERLAP", "LEAST_SCORE", "Detections", "Tally", "match", "overlaps"]

LEAST_OVERLAP = 0.5
LEAST_SCORE = 0.5


@dataclass(frozen=True, slots=True)
class Detections:
    """What a detector found in one picture, N things.

    Attributes:
        boxes: (N, 4) left, top, right and bottom edge in pixels.
        scores: (N,) how sure it is, 0-1.
        labels: (N,) what it is, a number of the detector's own.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.scores)

    def sure(self, least: float = LEAST_SCORE) -> Detections:
        """Those with a score of ``least`` and more."""
        kept = self.scores >= least
        return Detections(self.boxes[kept], self.scores[kept], self.labels[kept])


@dataclass(frozen=True, slots=True)
class Tally:
    """Things that both pictures have, that only the tested one has, that only the clean one has.

    >>> (Tally(1, 0, 1) + Tally(1, 1, 0)).f_measure
    0.6666666666666666
    """

    both: int = 0
    invented: int = 0
    lost: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.both + other.both, self.invented + other.invented, self.lost + other.lost)

    @property
    def f_measure(self) -> float:
        """Harmonic mean of precision and recall, 0-1; nothing in either picture is 1."""
        found = 2 * self.both + self.invented + self.lost
        return 2 * self.both / found if found else 1.0


def match(tested: Detections, clean: Detections, *, least: float = LEAST_OVERLAP) -> Tally:
    """Match the detections of a tested picture with those of the clean one.

    Args:
        tested: All of them count: see :meth:`Detections.sure`.
        clean: Likewise.
        least: Overlap from which two boxes are of one thing, 0-1.
    """
    overlap = overlaps(tested.boxes, clean.boxes)
    overlap[tested.labels[:, None] != clean.labels] = 0
    both = 0
    for number in np.argsort(-tested.scores, kind="stable"):
        partner = int(overlap[number].argmax()) if len(clean) else -1
        if partner >= 0 and overlap[number, partner] >= least:
            overlap[:, partner] = 0  # taken
            both += 1
    return Tally(both, len(tested) - both, len(clean) - both)


def overlaps(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    """Intersection over union of boxes (N, 4) and (M, 4): (N, M), 0-1; empty boxes overlap none."""
    one, other = a[:, None].astype(np.float64), b[None].astype(np.float64)
    low, high = np.maximum(one[..., :2], other[..., :2]), np.minimum(one[..., 2:], other[..., 2:])
    inside = (high - low).clip(min=0).prod(axis=2)
    areas = [(box[..., 2:] - box[..., :2]).clip(min=0).prod(axis=2) for box in (one, other)]
    union = areas[0] + areas[1] - inside
    shared: NDArray[np.float64] = np.divide(
        inside, union, out=np.zeros_like(inside), where=union > 0
    )
    return shared
