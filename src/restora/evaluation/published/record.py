"""What a published row is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, NamedTuple

from restora.evaluation.settings import Setting

ProtocolName = Literal["jpeg-gray", "jpeg-color", "jpeg-double", "jpeg-oapt"]
SetName = Literal["live1", "classic5", "bsds500"]

SET_SIZES: Mapping[SetName, int] = MappingProxyType({"live1": 29, "classic5": 5, "bsds500": 200})
"""How many pictures each set has; a published figure is the mean over all of them."""

Cell = tuple[float | None, float | None, float | None] | None


class Figures(NamedTuple):
    """PSNR in dB, SSIM, PSNR-B in dB; ``None`` is what the source does not print."""

    psnr: float | None
    ssim: float | None
    psnr_b: float | None


@dataclass(frozen=True, slots=True)
class Published:
    """One method on one test set.

    Attributes:
        protocol: The protocol's name, such as ``"jpeg-gray"``.
        set: The test set.
        method: As the literature calls it; ``"JPEG"`` is the plain file.
        figures: By setting; settings the source does not have are not there.
        source: Where the figures were read.
        per_quality: One model for each quality, told which: an easier task than blind repair.
        measured: Not published: measured by this project with another program, as a referee.
        unchecked: Metrics by name which a measurement of the plain JPEG is known not to reproduce.
        note: What else to know before comparing, as a sentence, or ``""``.
    """

    protocol: ProtocolName
    set: SetName
    method: str
    figures: Mapping[Setting, Figures]
    source: str
    per_quality: bool = False
    measured: bool = False
    unchecked: tuple[str, ...] = ()
    note: str = ""

    @property
    def label(self) -> str:
        """The method's name in a table; a star marks one model for each quality."""
        return f"{self.method}*" if self.per_quality else self.method


def by_setting(settings: Sequence[Setting], cells: Sequence[Cell]) -> Mapping[Setting, Figures]:
    """Figures by setting, in the order of both; ``None`` is a cell the source does not have."""
    pairs = zip(settings, cells, strict=True)
    return MappingProxyType({s: Figures(*cell) for s, cell in pairs if cell is not None})
