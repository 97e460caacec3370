"""Where pairs come from: what every source of them offers, and how photos are drawn of it.

Shapes: P photos of H×W pixels; N tokens of F numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from restora.networks.sr_diff.tasks import Task

Bytes = NDArray[np.uint8]
Tokens = NDArray[np.float16]


class PairSource(Protocol):
    """Clean photos by number and, for each task a photo has, degraded copies by variant."""

    @property
    def tasks(self) -> tuple[Task, ...]:
        """In the order of the network's."""

    @property
    def variants(self) -> int:
        """Copies of a photo for a task it has."""

    @property
    def encoders(self) -> dict[str, str]:
        """Fingerprint of the image encoder, by its role."""

    def __len__(self) -> int:
        """P."""

    def numbers(self, task: Task) -> Sequence[int]:
        """The photos that have a task, in order."""

    def clean(self, number: int) -> Bytes:
        """Photo ``number``, (H, W, 3)."""

    def degraded(self, number: int, task: Task, variant: int = 0) -> Bytes:
        """A degraded copy of it, (H, W, 3)."""

    def strength(self, number: int, task: Task, variant: int = 0) -> float:
        """How strong its damage is within the range of the task, 0-1; NaN: not known."""

    def clean_tokens(self, number: int) -> Tokens:
        """(N, F) of the whole photo."""

    def tokens(self, number: int, task: Task, variant: int = 0) -> Tokens:
        """(N, F) of a whole degraded copy."""

    def held_out(self, number: int) -> bool:
        """Whether this photo is among those the refiner is not shown."""


class Having:
    """Which of some photos have each task."""

    def __init__(self, source: PairSource, photos: Sequence[int]) -> None:
        """
        Args:
            source: Of the photos.
            photos: The numbers of those that may be drawn.
        """
        among = set(photos)
        self._of: Mapping[Task, list[int]] = {
            task: [number for number in source.numbers(task) if number in among]
            for task in source.tasks
        }
        self._sets = {task: frozenset(numbers) for task, numbers in self._of.items()}

    def missing(self) -> list[Task]:
        """Tasks that none of the photos has."""
        return [task for task, numbers in self._of.items() if not numbers]

    def redraw(
        self, rng: np.random.Generator, numbers: Sequence[int], tasks: Sequence[Task]
    ) -> list[int]:
        """The photos that were drawn, but others for those that lack the task drawn for them.

        Every photo that has a task stays as likely as any other; where all have all, nothing more
        is drawn.

        Args:
            rng: Draws the others.
            numbers: Drawn evenly from the photos.
            tasks: One for each.
        """
        return [
            number
            if number in self._sets[task]
            else self._of[task][int(rng.integers(len(self._of[task])))]
            for number, task in zip(numbers, tasks, strict=True)
        ]
