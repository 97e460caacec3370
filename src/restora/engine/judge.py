"""Which task a picture needs, and how sure that is; ONNX Runtime and NumPy alone.

A small network of an SR-Diff weight sees the whole picture squeezed and some crops of it at its own
pixels; see :func:`views`. It would rather miss damage than see some where there is none.

Shapes: V views of S×S pixels, the first of the whole; K tasks.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image

from restora.engine.backend import Floats
from restora.engine.backend_ort import load_session
from restora.errors import WeightsError
from restora.images import Picture
from restora.images.cmyk import rgb_from_cmyk
from restora.images.orientation import apply_orientation
from restora.networks.sr_diff.tasks import TASKS
from restora.weights.registry import load_card, load_weight

__all__ = ["NOTHING", "PART", "SURE", "WEIGHT", "Judgement", "TaskJudge", "judge", "views"]

WEIGHT = "sr-diff-compact"
PART = "judge"
NOTHING = "nothing"
SURE = 0.8  # share a task needs to be named
CROPS = 8
FINE = 8  # samples to a pixel of the squeezed whole, a side: more change nothing


@dataclass(frozen=True)
class Judgement:
    """What a picture needs.

    Attributes:
        task: One of SR-Diff's tasks; None where none is sure enough.
        confidence: Share of the task, or of "nothing" where there is none, 0-1.
        shares: Of "nothing" and of every task; their sum is 1.
    """

    task: str | None
    confidence: float
    shares: dict[str, float]

    @property
    def perhaps(self) -> str | None:
        """Where no task is named: the one that is likelier than nothing, if any."""
        best = max(self.shares, key=self.shares.__getitem__)
        return None if self.task is not None or best == NOTHING else best


class TaskJudge:
    """Judges pictures. One object serves many threads."""

    def __init__(self, weight: str = WEIGHT, *, threads: int = 1) -> None:
        """Load the network.

        Args:
            weight: The name of an SR-Diff that ships, or the path of its card.
            threads: Threads inside the network; 0 takes every core.

        Raises:
            WeightsError: The weight is missing or damaged, or has no judge.
        """
        card = load_card(weight)
        if PART not in card.files:
            raise WeightsError(f"The weight {card.name} cannot judge what a picture needs.")
        tasks = card.training.recipe.get("network", {}).get("tasks", TASKS)
        self._names = (NOTHING, *tasks)
        self._session = load_session(load_weight(weight, PART), threads)
        told = self._session.get_inputs()[0]
        self._input, self._side_px = told.name, int(told.shape[2])
        if self._session.get_outputs()[0].shape[-1] != len(self._names):
            raise WeightsError(f"The judge of {card.name} knows other tasks than its card names.")

    def __call__(self, picture: Picture) -> Judgement:
        """Judge a picture, upright as people see it."""
        pixels = apply_orientation(_rgb(picture), picture.metadata.orientation)
        feeds = {self._input: views(pixels, self._side_px)}
        logits = self._session.run(None, feeds)[0][0].astype(np.float64)
        shares = np.exp(logits - logits.max())
        shares /= shares.sum()
        named = dict(zip(self._names, shares.tolist(), strict=True))
        task = max(self._names[1:], key=named.__getitem__)
        if named[task] < SURE:
            return Judgement(None, named[NOTHING], named)
        return Judgement(task, named[task], named)


def judge(picture: Picture, weight: str = WEIGHT, *, threads: int = 1) -> Judgement:
    """Judge a picture with a network that is loaded once a process; see :class:`TaskJudge`.

    Raises:
        WeightsError: The weight is missing or damaged, or has no judge.
    """
    return _loaded(weight, threads)(picture)


@lru_cache(maxsize=2)
def _loaded(weight: str, threads: int) -> TaskJudge:
    return TaskJudge(weight, threads=threads)


def views(pixels: Floats, side_px: int, *, crops: int = CROPS) -> Floats:
    """What a judge is shown of a picture.

    Args:
        pixels: (H, W, 3) in 0-1, at least 1x1.
        side_px: S.
        crops: How many crops at most; they lie on a grid that is spread over the picture.

    Returns:
        (V, 3, S, S): the whole squeezed, then V - 1 crops. A picture smaller than a crop is
        reflected up to its size.
    """
    height, width = pixels.shape[:2]
    seen = [_squeezed(pixels, side_px)]
    rows, columns = _grid(height, width, side_px, crops)
    for row in range(rows):
        y = _origin(row, rows, height, side_px)
        for column in range(columns):
            x = _origin(column, columns, width, side_px)
            seen.append(_filled(pixels[y : y + side_px, x : x + side_px], side_px))
    return np.ascontiguousarray(np.stack(seen).transpose(0, 3, 1, 2))


def _squeezed(pixels: Floats, side_px: int) -> Floats:
    """The whole picture as (S, S, 3), antialiased."""
    step = max(1, min(pixels.shape[:2]) // (FINE * side_px))
    sampled = pixels[::step, ::step]
    whole = (np.clip(sampled, 0, 1) * np.float32(255) + np.float32(0.5)).astype(np.uint8)
    image = Image.fromarray(whole).resize((side_px, side_px), Image.Resampling.BILINEAR)
    return np.asarray(image, np.float32) / np.float32(255)


def _grid(height_px: int, width_px: int, side_px: int, crops: int) -> tuple[int, int]:
    """Rows and columns of crops: as many as fit, in about the shape of the picture."""
    most_rows, most_columns = (max(1, -(-px // side_px)) for px in (height_px, width_px))
    fitting = [
        (rows, min(most_columns, crops // rows)) for rows in range(1, min(most_rows, crops) + 1)
    ]

    def rank(grid: tuple[int, int]) -> tuple[int, float]:
        rows, columns = grid
        return rows * columns, -abs(np.log(columns * height_px / (rows * width_px)))

    return max(fitting, key=rank)


def _origin(number: int, count: int, length_px: int, side_px: int) -> int:
    """Where a crop begins: first and last at the edges, one alone in the middle."""
    room = max(0, length_px - side_px)
    return room // 2 if count == 1 else round(room * number / (count - 1))


def _filled(crop: Floats, side_px: int) -> Floats:
    """A crop (h, w, 3) of a small picture, reflected to (S, S, 3)."""
    missing = [(0, side_px - length) for length in crop.shape[:2]]
    return np.pad(crop, (*missing, (0, 0)), "symmetric") if any(b for _, b in missing) else crop


def _rgb(picture: Picture) -> Floats:
    """A picture's pixels as (H, W, 3), whatever its channels."""
    if picture.space == "cmyk":
        return rgb_from_cmyk(picture.pixels, icc=picture.metadata.icc)
    if picture.space == "gray":
        return np.broadcast_to(picture.pixels, (*picture.pixels.shape[:2], 3))
    return picture.pixels
