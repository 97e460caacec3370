"""DAGN's ablation: what each of its three parts adds to the U-Net, trained and scored alike.

Five networks: none of the parts, cross-feature fusion (CFF) alone, compression-sensitive guidance
(CSG) alone, compression-insensitive guidance (CIG) alone, all three. A guided block that is
switched off is a plain residual block, x + res(x): the depth stays, only the guidance goes. (The
released code drops the identity path there, which handicaps the variants.)

All start from the same random weights, see the same patches in the same order for the same number
of steps, and are scored on the same pictures with the weights' average; see ``restora bench
ablation``. Trained weights are no start: they know a guidance that most variants lack.
Source of the variants: Ma et al., DAGN, IEEE TIP 2024, switches of its test script.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from pydantic import BaseModel, ConfigDict, Field

from restora.errors import InputError
from restora.evaluation.report import Environment

__all__ = ["VARIANTS", "AblationReport", "AblationRow", "Score", "markdown", "read_scores"]

VARIANTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "none": (),
        "fusion": ("fusion",),
        "CSG": ("sensitive",),
        "CIG": ("insensitive",),
        "all": ("fusion", "sensitive", "insensitive"),
    }
)
"""The variants by their names, with the switches of the network that are on."""

SWITCHES = VARIANTS["all"]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Score(_Record):
    """PSNR at one setting of the validation, in dB, mean over its pictures.

    ``setting`` holds the qualities of the saves: ``10``, or ``10_50`` for one after the other on
    another grid.
    """

    setting: str
    psnr: float
    jpeg: float

    @property
    def gain(self) -> float:
        """What the network adds to the plain JPEG, in dB."""
        return self.psnr - self.jpeg

    @property
    def heading(self) -> str:
        """The setting as the tables of the benchmarks have it."""
        return f"QF {self.setting.replace('_', ', ')}"


class AblationRow(_Record):
    """One variant."""

    variant: str
    parameters: int = Field(description="on which its output depends")
    steps: int
    scores: tuple[Score, ...]


class AblationReport(_Record):
    """The variants of one recipe."""

    recipe: str
    steps: int
    rows: tuple[AblationRow, ...]
    environment: Environment


def read_scores(log: Path) -> tuple[Score, ...]:
    """The scores of the last validation in the log of a training.

    Raises:
        InputError: The log cannot be read, or holds no validation.
    """
    try:
        rows = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError) as error:
        raise InputError(f"{log} cannot be read as the log of a training: {error}.") from error
    for row in reversed(rows):
        settings = [key.removeprefix("psnr_") for key in row if key.startswith("psnr_")]
        if settings:
            return tuple(
                Score(setting=at, psnr=row[f"psnr_{at}"], jpeg=row[f"jpeg_{at}"]) for at in settings
            )
    raise InputError(f"{log} holds no validation.")


def markdown(report: AblationReport) -> str:
    """The report as a Markdown table, one row a variant."""
    heads = [f"{score.heading} |" for score in report.rows[0].scores]
    lines = [
        f"Gain over JPEG in dB of PSNR, {report.recipe} after {report.steps:,} steps:",
        "",
        " ".join(["| variant | parameters |", *heads]),
        "|---|---:|" + "---:|" * len(heads),
    ]
    for row in report.rows:
        gains = (f"{score.gain:+.3f} |" for score in row.scores)
        lines.append(" ".join([f"| {row.variant} | {row.parameters / 1e6:.2f} M |", *gains]))
    return "\n".join(lines) + "\n"
