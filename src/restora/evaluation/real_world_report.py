"""What a measurement of real-world restoration says: every picture, and how sure differences are.

An interval is paired: a picture's differences are taken first, then the pictures are drawn anew
with replacement.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from restora.evaluation.context_ablation import bootstrap
from restora.evaluation.perceptual_scores import Column
from restora.evaluation.real_world_sets import SETTINGS
from restora.evaluation.report import Environment

__all__ = ["INPUT", "SYNTHETIC", "RealWorldDifference", "RealWorldReport", "RealWorldRow"]

INPUT = "input"
"""The method name of the rows that hold the degraded pictures, bicubic where they are smaller."""

SYNTHETIC = tuple(map(str, SETTINGS))


class _Record(BaseModel):
    # A picture that comes back perfect has an infinite PSNR, which JSON cannot hold as a number.
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


class RealWorldRow(_Record):
    """One picture in one damage, by one method; scores by the names of the report's columns."""

    setting: str
    picture: str
    method: str
    scores: dict[str, float]
    megapixels: float
    seconds: float | None = Field(description="None: the degraded picture")


class RealWorldDifference(_Record):
    """How much higher a score of one method is than another's: the mean over the pictures.

    Attributes:
        setting: Of the damage; None: a picture's mean over all of the synthetic protocol.
        method, base: Whose, and less whose.
        score: Name of the column.
        mean: Of the differences.
        low, high: Its 95 % interval.
        n: Pictures; those that came back perfect have no PSNR to subtract and are left out.
    """

    setting: str | None
    method: str
    base: str
    score: str
    mean: float
    low: float
    high: float
    n: int


class RealWorldReport(_Record):
    """What was found; ``notes`` say what the methods did.

    Attributes:
        protocol: ``real-world`` compares methods, ``priors`` one network without its parts.
        set: What the clean pictures are called.
        model: What the measurement is about; it is a method of ``real-world``.
        seed: Of the noise, the same for every picture; None: as every model has it.
        damage: By setting: the first digits of the SHA-256 of all degraded pictures. Where they
            differ, two reports do not compare.
    """

    protocol: Literal["real-world", "priors"]
    set: str
    model: str
    seed: int | None = None
    columns: tuple[Column, ...]
    rows: tuple[RealWorldRow, ...]
    differences: tuple[RealWorldDifference, ...]
    damage: dict[str, str]
    notes: tuple[str, ...] = ()
    environment: Environment

    @property
    def settings(self) -> tuple[str, ...]:
        """Those of the rows, in order of appearance."""
        return tuple(dict.fromkeys(row.setting for row in self.rows))

    @property
    def methods(self) -> tuple[str, ...]:
        """Those of the rows, in order of appearance."""
        return tuple(dict.fromkeys(row.method for row in self.rows))

    def rows_of(self, setting: str, method: str) -> list[RealWorldRow]:
        """One method's rows at one damage."""
        return [row for row in self.rows if (row.setting, row.method) == (setting, method)]

    def mean(self, setting: str, method: str, score: str) -> float:
        """Of a score over the pictures."""
        return float(np.mean([row.scores[score] for row in self.rows_of(setting, method)]))


def differences(
    rows: Sequence[RealWorldRow], columns: Sequence[Column], bases: Sequence[str]
) -> Iterator[RealWorldDifference]:
    """Every method less every base, by damage, then over the whole synthetic protocol."""
    scores = {(row.setting, row.picture, row.method): row.scores for row in rows}
    settings = tuple(dict.fromkeys(row.setting for row in rows))
    methods = tuple(dict.fromkeys(row.method for row in rows))
    every = tuple(setting for setting in settings if setting in SYNTHETIC)
    groups: list[tuple[str | None, tuple[str, ...]]] = [(each, (each,)) for each in settings]
    if len(every) > 1:
        groups.append((None, every))
    for setting, among in groups:
        pictures = dict.fromkeys(row.picture for row in rows if row.setting in among)
        for base in bases:
            for method in (name for name in methods if name not in (INPUT, base)):
                for column in columns:
                    steps = [
                        float(
                            np.mean(
                                [
                                    _step(scores[s, picture, method], scores[s, picture, base],
                                          column.name)
                                    for s in among
                                ]
                            )
                        )
                        for picture in pictures
                    ]  # fmt: skip
                    known = [step for step in steps if math.isfinite(step)]
                    if known:
                        low, high = bootstrap(known)
                        yield RealWorldDifference(
                            setting=setting, method=method, base=base, score=column.name,
                            mean=float(np.mean(known)), low=low, high=high, n=len(known),
                        )  # fmt: skip


def _step(one: dict[str, float], base: dict[str, float], score: str) -> float:
    """NaN where both are infinite."""
    if math.isinf(one[score]) and math.isinf(base[score]):
        return math.nan
    return one[score] - base[score]
