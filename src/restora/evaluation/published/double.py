"""Gray, two saves on grids shifted by (4, 4), LIVE1: FBCNN's nine settings."""

from __future__ import annotations

from restora.evaluation.published.record import Cell, Published, by_setting
from restora.evaluation.settings import FBCNN_DOUBLE

_SOURCE = "FBCNN repository (jiaxi-jiang/FBCNN), figs/double_table.png"
_PLAIN = (
    "Its PSNR-B is left out of the check: the printed column is not reproduced from the pictures "
    "(25.62 printed and 25.12 measured at QF 30, 10; the blocking effect is about three quarters "
    "in every row), while PSNR and SSIM are. Published and own PSNR-B may therefore be on "
    "different scales in this table."
)
_FBCNN_D = "FBCNN told the dominant of the two qualities, found by compressing again."
_FBCNN_A = "FBCNN trained on pictures saved twice."


def _row(method: str, *cells: Cell, note: str = "", unchecked: tuple[str, ...] = ()) -> Published:
    figures = by_setting(FBCNN_DOUBLE, cells)
    return Published(
        "jpeg-double", "live1", method, figures, _SOURCE, note=note, unchecked=unchecked
    )


# fmt: off
DOUBLE = (
    _row("JPEG",
        (27.49, 0.762, 25.62), (27.65, 0.769, 25.69), (30.62, 0.866, 28.85),
        (26.48, 0.715, 25.08), (29.98, 0.847, 28.53), (31.58, 0.888, 30.18),
        (27.55, 0.760, 26.94), (27.69, 0.768, 27.41), (30.61, 0.865, 29.60),
        note=_PLAIN, unchecked=("psnr_b",)),
    _row("DnCNN",
        (28.95, 0.805, 28.61), (29.13, 0.810, 28.76), (32.20, 0.895, 31.50),
        (27.73, 0.765, 27.49), (31.40, 0.878, 30.86), (33.12, 0.912, 32.44),
        (28.33, 0.790, 28.17), (28.30, 0.791, 28.24), (31.89, 0.890, 31.46)),
    _row("DCSC",
        (29.08, 0.810, 28.81), (29.25, 0.815, 28.96), (32.30, 0.897, 31.78),
        (27.76, 0.768, 27.59), (31.48, 0.880, 31.10), (33.28, 0.914, 32.80),
        (28.31, 0.789, 28.19), (28.40, 0.794, 28.35), (32.08, 0.893, 31.78)),
    _row("QGAC",
        (29.24, 0.818, 28.94), (29.42, 0.823, 29.08), (32.32, 0.899, 31.72),
        (27.78, 0.771, 27.59), (31.43, 0.881, 30.99), (33.12, 0.914, 32.50),
        (28.30, 0.791, 28.18), (28.23, 0.791, 28.18), (31.81, 0.891, 31.43)),
    _row("FBCNN",
        (29.46, 0.820, 29.11), (29.64, 0.825, 29.23), (32.61, 0.902, 31.88),
        (27.96, 0.774, 27.75), (31.64, 0.884, 31.14), (33.38, 0.917, 32.61),
        (28.29, 0.791, 28.15), (28.20, 0.789, 28.14), (31.96, 0.893, 31.50)),
    _row("FBCNN-D",
        (29.46, 0.820, 29.10), (29.65, 0.825, 29.22), (32.61, 0.902, 31.89),
        (27.95, 0.774, 27.74), (31.65, 0.884, 31.14), (33.45, 0.914, 32.85),
        (28.94, 0.802, 28.82), (28.96, 0.801, 28.88), (32.31, 0.895, 31.94),
        note=_FBCNN_D),
    _row("FBCNN-A",
        (29.44, 0.818, 29.12), (29.61, 0.823, 29.20), (32.69, 0.901, 32.24),
        (28.25, 0.777, 28.14), (31.94, 0.886, 31.73), (33.70, 0.919, 33.34),
        (29.38, 0.816, 29.30), (29.52, 0.820, 29.45), (32.64, 0.900, 32.49),
        note=_FBCNN_A),
)
# fmt: on
