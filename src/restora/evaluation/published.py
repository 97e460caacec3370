"""The published figures our own stand beside, each with its source and its convention.

Literal tables, nothing computed. A figure is here only if it was read from the source named; what
a source does not print is ``None``. Averages of per-image PSNR (dB), SSIM and PSNR-B (dB).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, NamedTuple

__all__ = [
    "PUBLISHED",
    "SET_SIZES",
    "Figures",
    "ProtocolName",
    "Published",
    "SetName",
    "published",
    "published_jpeg",
]

ProtocolName = Literal["jpeg-gray", "jpeg-color"]
SetName = Literal["live1", "classic5", "bsds500"]

SET_SIZES: Mapping[SetName, int] = MappingProxyType({"live1": 29, "classic5": 5, "bsds500": 200})
"""How many pictures each set has; a published figure is the mean over all of them."""


class Figures(NamedTuple):
    """PSNR in dB, SSIM, PSNR-B in dB; ``None`` is what the source does not print."""

    psnr: float | None
    ssim: float | None
    psnr_b: float | None


@dataclass(frozen=True, slots=True)
class Published:
    """One method on one test set.

    Attributes:
        protocol: ``"jpeg-gray"`` or ``"jpeg-color"``.
        set: The test set.
        method: As the literature calls it; ``"JPEG"`` is the plain file.
        figures: By JPEG quality.
        source: Where the figures were read.
        per_quality: One model for each quality, told which: an easier task than blind repair.
        note: What else to know before comparing, as a sentence, or ``""``.
    """

    protocol: ProtocolName
    set: SetName
    method: str
    figures: Mapping[int, Figures]
    source: str
    per_quality: bool = False
    note: str = ""

    @property
    def label(self) -> str:
        """The method's name in a table; a star marks one model for each quality."""
        return f"{self.method}*" if self.per_quality else self.method


def published(protocol: ProtocolName, test_set: SetName) -> tuple[Published, ...]:
    """All published rows of one protocol on one test set, plain JPEG first.

    >>> [row.label for row in published("jpeg-color", "bsds500")]
    ['JPEG', 'QGAC', 'FBCNN']
    """
    return tuple(row for row in PUBLISHED if (row.protocol, row.set) == (protocol, test_set))


def published_jpeg(protocol: ProtocolName, test_set: SetName) -> Published | None:
    """The row of the plain JPEG, which a measurement must reproduce; ``None`` if there is none.

    >>> published_jpeg("jpeg-gray", "live1").figures[10]
    Figures(psnr=27.77, ssim=0.773, psnr_b=25.33)
    """
    rows = published(protocol, test_set)
    return next((row for row in rows if row.method == "JPEG"), None)


_FBCNN = "FBCNN repository (jiaxi-jiang/FBCNN), figs/single_table.png"
_SWINIR = "SwinIR repository (JingyunLiang/SwinIR), figure jepg_compress_artfact_reduction.png"
_SWINIR_COLOR = "SwinIR repository (JingyunLiang/SwinIR), README, colour table"
_GRL = "GRL repository, figure task5.png (the paper's table 7)"
_GRL_JPNEO = f"{_GRL}; PSNR-B from the comparison in JPNeO (ICCV 2025)"

_ARCNN_LIVE1 = (
    "SwinIR's table has other figures for LIVE1: 28.96/.8076/28.77, 31.29/.8733/30.79, "
    "32.67/.9043/32.22, 33.63/.9198/33.14."
)
_QGAC_GRAY = "SSIM as FBCNN evaluated it again; QGAC's own SSIM is on another scale."
_SWINIR_GRAY = (
    "Trained on WED and the BSD pictures too. Its PSNR-B rounds block counts down, which takes "
    "less than 0.01 dB where sides are no multiples of 8."
)


def _by_quality(*figures: tuple[float | None, float | None, float | None]) -> Mapping[int, Figures]:
    """Figures at the four qualities of the literature: 10, 20, 30 and 40."""
    return MappingProxyType(
        {quality: Figures(*row) for quality, row in zip((10, 20, 30, 40), figures, strict=True)}
    )


# fmt: off
PUBLISHED: tuple[Published, ...] = (
    # gray, Classic5
    Published("jpeg-gray", "classic5", "JPEG", _by_quality(
        (27.82, 0.760, 25.21), (30.12, 0.834, 27.50), (31.48, 0.867, 28.94), (32.43, 0.885, 29.92),
    ), _FBCNN),
    Published("jpeg-gray", "classic5", "ARCNN", _by_quality(
        (29.03, 0.793, 28.76), (31.15, 0.852, 30.59), (32.51, 0.881, 31.98), (33.32, 0.895, 32.79),
    ), _FBCNN, per_quality=True),
    Published("jpeg-gray", "classic5", "DnCNN", _by_quality(
        (29.40, 0.803, 29.13), (31.63, 0.861, 31.19), (32.91, 0.886, 32.38), (33.77, 0.900, 33.23),
    ), _FBCNN),
    Published("jpeg-gray", "classic5", "QGAC", _by_quality(
        (29.84, 0.812, 29.43), (31.98, 0.869, 31.37), (33.22, 0.892, 32.42), (34.05, 0.905, 33.12),
    ), _FBCNN, note=_QGAC_GRAY),
    Published("jpeg-gray", "classic5", "FBCNN", _by_quality(
        (30.12, 0.822, 29.80), (32.31, 0.872, 31.74), (33.54, 0.894, 32.78), (34.35, 0.907, 33.48),
    ), _FBCNN),
    Published("jpeg-gray", "classic5", "SwinIR", _by_quality(
        (30.27, 0.8249, 29.95), (32.52, 0.8748, 31.99),
        (33.73, 0.8961, 33.03), (34.52, 0.9082, 33.66),
    ), _SWINIR, per_quality=True, note=_SWINIR_GRAY),
    # gray, LIVE1
    Published("jpeg-gray", "live1", "JPEG", _by_quality(
        (27.77, 0.773, 25.33), (30.07, 0.851, 27.57), (31.41, 0.885, 28.92), (32.35, 0.904, 29.96),
    ), _FBCNN),
    Published("jpeg-gray", "live1", "ARCNN", _by_quality(
        (28.96, 0.808, 28.68), (31.29, 0.873, 30.76), (32.67, 0.904, 32.14), (33.61, 0.920, 33.11),
    ), _FBCNN, per_quality=True, note=_ARCNN_LIVE1),
    Published("jpeg-gray", "live1", "DnCNN", _by_quality(
        (29.19, 0.812, 28.90), (31.59, 0.880, 31.07), (32.98, 0.909, 32.34), (33.96, 0.925, 33.28),
    ), _FBCNN),
    Published("jpeg-gray", "live1", "QGAC", _by_quality(
        (29.51, 0.825, 29.13), (31.83, 0.888, 31.25), (33.20, 0.914, 32.47), (34.16, 0.929, 33.36),
    ), _FBCNN, note=_QGAC_GRAY),
    Published("jpeg-gray", "live1", "FBCNN", _by_quality(
        (29.75, 0.827, 29.40), (32.13, 0.889, 31.57), (33.54, 0.916, 32.83), (34.53, 0.931, 33.74),
    ), _FBCNN),
    Published("jpeg-gray", "live1", "SwinIR", _by_quality(
        (29.86, 0.8287, 29.50), (32.25, 0.8909, 31.70),
        (33.69, 0.9174, 33.01), (34.67, 0.9317, 33.88),
    ), _SWINIR, per_quality=True, note=_SWINIR_GRAY),
    # gray, BSDS500 test
    Published("jpeg-gray", "bsds500", "JPEG", _by_quality(
        (27.80, 0.768, 25.10), (30.05, 0.849, 27.22), (31.37, 0.884, 28.53), (32.30, 0.903, 29.49),
    ), _FBCNN),
    Published("jpeg-gray", "bsds500", "ARCNN", _by_quality(
        (29.10, 0.804, 28.73), (31.28, 0.870, 30.55), (32.67, 0.902, 31.94), (33.55, 0.918, 32.78),
    ), _FBCNN, per_quality=True),
    Published("jpeg-gray", "bsds500", "DnCNN", _by_quality(
        (29.21, 0.809, 28.80), (31.53, 0.878, 30.79), (32.90, 0.907, 31.97), (33.85, 0.923, 32.80),
    ), _FBCNN),
    Published("jpeg-gray", "bsds500", "QGAC", _by_quality(
        (29.46, 0.821, 28.97), (31.73, 0.884, 30.93), (33.07, 0.912, 32.04), (34.01, 0.927, 32.81),
    ), _FBCNN, note=_QGAC_GRAY),
    Published("jpeg-gray", "bsds500", "FBCNN", _by_quality(
        (29.67, 0.821, 29.22), (32.00, 0.885, 31.19), (33.37, 0.913, 32.32), (34.33, 0.928, 33.10),
    ), _FBCNN),
    # colour, LIVE1
    Published("jpeg-color", "live1", "JPEG", _by_quality(
        (25.69, 0.743, 24.20), (28.06, 0.826, 26.49), (29.37, 0.861, 27.84), (30.28, 0.882, 28.83),
    ), _GRL, note=(
        "PSNR-B is not printed there: it was measured with an independent script of this project."
    )),
    Published("jpeg-color", "live1", "QGAC", _by_quality(
        (27.62, 0.804, None), (29.88, 0.868, None), (31.17, 0.896, None), (32.05, 0.912, None),
    ), _GRL, note=(
        "JPNeO lists 27.65 dB with PSNR-B 27.43 at quality 10, 32.08 dB with 31.64 at 40."
    )),
    Published("jpeg-color", "live1", "FBCNN", _by_quality(
        (27.77, 0.803, 27.51), (30.11, 0.868, None), (31.43, 0.897, None), (32.34, 0.913, 31.80),
    ), _GRL_JPNEO),
    Published("jpeg-color", "live1", "SwinIR", _by_quality(
        (28.06, 0.8089, None), (30.45, 0.8741, None), (31.82, 0.9018, None), (32.75, 0.9174, None),
    ), _SWINIR_COLOR, per_quality=True, note=(
        "Its training data hold the BSD pictures and WED; its PSNR-B is the mean over R, G and B "
        "and does not belong in this column."
    )),
    # colour, BSDS500 test
    Published("jpeg-color", "bsds500", "JPEG", _by_quality(
        (25.84, 0.741, None), (28.21, 0.827, None), (29.57, 0.865, None), (30.52, 0.887, None),
    ), _GRL),
    Published("jpeg-color", "bsds500", "QGAC", _by_quality(
        (27.74, 0.802, None), (30.01, 0.869, None), (31.33, 0.898, None), (32.25, 0.915, None),
    ), _GRL),
    Published("jpeg-color", "bsds500", "FBCNN", _by_quality(
        (27.85, 0.799, None), (30.14, 0.867, None), (31.45, 0.897, None), (32.36, 0.913, None),
    ), _GRL),
)
# fmt: on
