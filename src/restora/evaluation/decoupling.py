"""How well a network's two codes are decoupled: what a linear function reads from each.

DAGN (IEEE TIP 2024) sees a picture through two encoders: the sensitive code, S numbers a picture,
shall tell how hard the picture was compressed, the insensitive code, I numbers, shall be the same
before and after. The protocol:

1. Each clean picture is saved as JPEG at the qualities 10, 20 ... 90 (libjpeg, 4:2:0 in colour); a
   gray weight gets BT.601 studio luma, as in the literature.
2. Both codes are taken of each saved picture, as a whole, and of the clean one.
3. Quality: from each code, ridge regression to the quality over all saved pictures, see
   :mod:`restora.evaluation.linear_probe`: five folds by picture, so that a picture is never in
   training and test at once, the ridge's strength chosen inside the training folds. R² and the mean
   absolute error are those of the held-out predictions of all folds together.
4. Clean or saved: for each clean picture one of its saved forms, drawn at random with a fixed seed;
   the same regression on targets of -1 and 1, whose sign is held against the truth. Half of the
   samples are clean, so chance is 50 %.

Wanted: R² above 0.95 from the sensitive code, below 0.3 from the insensitive one, and that one must
not be dead: its effective rank over the clean pictures (Roy and Vetterli, EUSIPCO 2007) above 2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from restora.errors import UsageError
from restora.evaluation.checks import load_rgb
from restora.evaluation.linear_probe import FOLDS, held_out, r_squared
from restora.evaluation.metrics import studio_luma
from restora.evaluation.protocols import decode, encode
from restora.evaluation.report import Environment

__all__ = [
    "QUALITIES",
    "Codes",
    "DecouplingReport",
    "DecouplingRow",
    "effective_rank",
    "markdown",
    "measure_decoupling",
    "probe",
]

QUALITIES = tuple(range(10, 91, 10))
LEAST_SENSITIVE_R2 = 0.95
MOST_INSENSITIVE_R2 = 0.3
LEAST_RANK = 2.0
SEED = 0

CodeName = Literal["sensitive", "insensitive"]
CODES: tuple[CodeName, ...] = ("sensitive", "insensitive")


class Codes(NamedTuple):
    """The two codes of a picture."""

    sensitive: NDArray[np.float32]  # (S,)
    insensitive: NDArray[np.float32]  # (I,)


See = Callable[[NDArray[np.float32]], Codes]
"""A picture ``(H, W, C)`` in 0-1 to its codes."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DecouplingRow(_Record):
    """What is read from one code of one weight."""

    weight: str
    code: CodeName
    numbers: int = Field(description="how many the code has")
    r2: float = Field(description="of the quality, held out; 1 is all, 0 nothing")
    quality_error: float = Field(description="mean absolute error, points of quality")
    clean_accuracy: float = Field(description="clean or saved, share told right, 0-1")
    rank: float = Field(description="effective rank of the code over the clean pictures")
    pictures: int

    @property
    def wanted(self) -> str:
        """What R² should be."""
        if self.code == "sensitive":
            return f"> {LEAST_SENSITIVE_R2}"
        return f"< {MOST_INSENSITIVE_R2}"

    @property
    def met(self) -> bool:
        """Whether it is."""
        if self.code == "sensitive":
            return self.r2 > LEAST_SENSITIVE_R2
        return self.r2 < MOST_INSENSITIVE_R2 and self.rank > LEAST_RANK


class DecouplingReport(_Record):
    """What :func:`measure_decoupling` found."""

    rows: tuple[DecouplingRow, ...]
    qualities: tuple[int, ...] = QUALITIES
    folds: int = FOLDS
    seed: int = SEED
    environment: Environment


class Weight(NamedTuple):
    """A weight to measure."""

    channels: int  # 1 for gray, 3 for RGB
    see: See


def measure_decoupling(
    pictures: Sequence[Path],
    weights: dict[str, Weight],
    *,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> DecouplingReport:
    """Measure weights by the protocol above.

    Args:
        pictures: Clean pictures, at least as many as folds.
        weights: What to measure, by the name for the table.
        progress: Told how many pictures of how many are done.

    Raises:
        InputError: A picture cannot be read.
        UsageError: There are too few pictures.
    """
    if len(pictures) < FOLDS:
        raise UsageError(f"{FOLDS} folds by picture need {FOLDS} pictures, not {len(pictures)}.")
    rows: list[DecouplingRow] = []
    for number, (name, weight) in enumerate(weights.items()):
        seen: list[list[Codes]] = []
        for done, path in enumerate(pictures):
            progress(number * len(pictures) + done, len(weights) * len(pictures))
            clean = load_rgb(path)
            clean = clean if weight.channels == 3 else studio_luma(clean)
            saved = (decode(encode(clean, quality)) for quality in QUALITIES)
            seen.append([_seen(weight, picture) for picture in (clean, *saved)])
        for code in CODES:
            array = np.array([[getattr(codes, code) for codes in forms] for forms in seen])
            rows.append(probe(array[:, 0], array[:, 1:], weight=name, code=code))
    progress(len(weights) * len(pictures), len(weights) * len(pictures))
    return DecouplingReport(rows=tuple(rows), environment=Environment.here())


def probe(
    clean: NDArray[np.floating],
    saved: NDArray[np.floating],
    *,
    weight: str,
    code: CodeName,
) -> DecouplingRow:
    """Both probes of one code.

    Args:
        clean: (P, D) the code of each clean picture.
        saved: (P, Q, D) that of each saved at each of :data:`QUALITIES`.
        weight: Whose.
        code: Which.

    Raises:
        UsageError: There are fewer pictures than folds.
    """
    count, qualities, numbers = saved.shape
    quality = np.tile(np.array(QUALITIES, np.float64), count)
    pictures = np.arange(count)
    told = held_out(saved.reshape(-1, numbers), quality, pictures.repeat(qualities), seed=SEED)
    drawn = np.random.default_rng(SEED).integers(qualities, size=count)
    both = np.concatenate([clean, saved[pictures, drawn]])
    sign = np.repeat([-1.0, 1.0], count)
    side = held_out(both, sign, np.tile(pictures, 2), seed=SEED)
    return DecouplingRow(
        weight=weight,
        code=code,
        numbers=numbers,
        r2=r_squared(told, quality),
        quality_error=float(np.abs(told - quality).mean()),
        clean_accuracy=float(((side > 0) == (sign > 0)).mean()),
        rank=effective_rank(clean),
        pictures=count,
    )


def effective_rank(codes: NDArray[np.floating]) -> float:
    """The exponential of the entropy of the singular values of codes (P, D) less their mean.

    1: one number tells all pictures apart, or none does. The most is P - 1.
    """
    singular = np.linalg.svd(codes - codes.mean(axis=0), compute_uv=False)
    if singular.sum() == 0:
        return 1.0
    share = singular[singular > 0] / singular.sum()
    return float(np.exp(-(share * np.log(share)).sum()))


def markdown(report: DecouplingReport) -> str:
    """The report as a Markdown table, one row a weight and code."""
    lines = [
        "| weight | code | numbers | R² of quality | wanted | met | quality off by "
        "| clean or saved | chance | rank |",
        "|---|---|---:|---:|---:|---|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {row.weight} | {row.code} | {row.numbers} | {row.r2:.3f} | {row.wanted} "
        f"| {'yes' if row.met else 'no'} | {row.quality_error:.1f} "
        f"| {100 * row.clean_accuracy:.0f} % | 50 % | {row.rank:.1f} |"
        for row in report.rows
    ]
    qualities = ", ".join(map(str, report.qualities))
    pictures = "/".join(dict.fromkeys(str(row.pictures) for row in report.rows))
    lines += [
        "",
        f"- {pictures} pictures saved at {qualities}; ridge regression, {report.folds} folds by "
        "picture, all figures on pictures held out.",
    ]
    return "\n".join(lines) + "\n"


def _seen(weight: Weight, picture: NDArray[np.uint8]) -> Codes:
    pixels = picture.astype(np.float32) / np.float32(255)
    return weight.see(pixels if pixels.ndim == 3 else pixels[..., None])
