"""The published figures our own stand beside, each with its source and its convention.

Literal tables, nothing computed. A figure is here only if it was read from the source named; what
a source does not print is ``None``. Averages of per-image PSNR (dB), SSIM and PSNR-B (dB).
"""

from __future__ import annotations

from restora.evaluation.published.color import COLOR
from restora.evaluation.published.double import DOUBLE
from restora.evaluation.published.gray import GRAY
from restora.evaluation.published.oapt import OAPT
from restora.evaluation.published.record import (
    SET_SIZES,
    Figures,
    ProtocolName,
    Published,
    SetName,
)
from restora.evaluation.published.referee import REFEREE

__all__ = [
    "PUBLISHED",
    "REFEREE",
    "SET_SIZES",
    "Figures",
    "ProtocolName",
    "Published",
    "SetName",
    "plain_rows",
    "published",
]

PUBLISHED: tuple[Published, ...] = (*GRAY, *COLOR, *DOUBLE, *OAPT)
"""Every published row; of a protocol and a set the plain JPEG comes first."""


def published(protocol: ProtocolName, test_set: SetName) -> tuple[Published, ...]:
    """The published rows of one protocol on one test set, plain JPEG first where there is one.

    >>> [row.label for row in published("jpeg-color", "bsds500")]
    ['JPEG', 'QGAC', 'FBCNN', 'GRL-S*']
    """
    return tuple(row for row in PUBLISHED if (row.protocol, row.set) == (protocol, test_set))


def plain_rows(protocol: ProtocolName, test_set: SetName) -> tuple[Published, ...]:
    """The rows of the plain JPEG that a measurement must reproduce: the published, the referee's.

    >>> from restora.evaluation.settings import Setting
    >>> plain_rows("jpeg-gray", "live1")[0].figures[Setting(10)]
    Figures(psnr=27.77, ssim=0.773, psnr_b=25.33)
    """
    return tuple(
        row
        for row in (*PUBLISHED, *REFEREE)
        if (row.protocol, row.set, row.method) == (protocol, test_set, "JPEG")
    )
