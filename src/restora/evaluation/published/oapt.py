"""Gray, two saves, the second on a grid shifted by (4, 4) or (0, 4): OAPT's eight settings.

The shift is (h, w): rows and columns dropped at the top and at the left between the saves, so that
(0, 4) moves the block edges sideways only. OAPT prints no row of the plain JPEG; the one here is
FBCNN's, for the four settings both tables have.
"""

from __future__ import annotations

from restora.evaluation.published.double import DOUBLE
from restora.evaluation.published.record import Cell, Published, SetName, by_setting
from restora.evaluation.settings import OAPT_DOUBLE

_SOURCE = "OAPT repository (QMoQ/OAPT), figure gray_results.png"
_FBCNN = (
    "FBCNN-A: trained on pictures saved twice, as every network of this table. Its LIVE1 figures "
    "are those of FBCNN's own table, whose PSNR-B of the plain JPEG is not reproduced from the "
    "pictures: published and own PSNR-B may be on different scales."
)
_PLAIN = (
    "OAPT's table has no such row; this one is of FBCNN's, for the settings both have. PSNR-B is "
    "left out of the check, as there."
)


def _row(test_set: SetName, method: str, *cells: Cell, note: str = "") -> Published:
    figures = by_setting(OAPT_DOUBLE, cells)
    return Published("jpeg-oapt", test_set, method, figures, _SOURCE, note=note)


def _plain() -> Published:
    row = next(row for row in DOUBLE if row.method == "JPEG")
    shared = {setting: row.figures[setting] for setting in OAPT_DOUBLE if setting in row.figures}
    return Published(
        "jpeg-oapt", "live1", "JPEG", shared, row.source, unchecked=row.unchecked, note=_PLAIN
    )


# fmt: off
OAPT = (
    _plain(),
    _row("live1", "DnCNN",
        (31.58, 0.8789, 31.30), (33.28, 0.9120, 32.91),
        (32.26, 0.8939, 32.04), (32.26, 0.8927, 31.88),
        (31.80, 0.8849, 31.51), (33.51, 0.9168, 33.17),
        (32.46, 0.8994, 32.23), (32.45, 0.8976, 32.09)),
    _row("live1", "RNAN",
        (31.78, 0.8836, 31.47), (33.51, 0.9161, 33.06),
        (32.42, 0.8976, 32.18), (32.50, 0.8980, 32.05),
        (31.97, 0.8892, 31.62), (33.72, 0.9205, 33.29),
        (32.64, 0.9032, 32.37), (32.69, 0.9028, 32.23)),
    _row("live1", "FBCNN",
        (31.94, 0.8859, 31.73), (33.70, 0.9188, 33.34),
        (32.64, 0.9004, 32.49), (32.69, 0.9012, 32.24),
        (32.16, 0.8914, 31.76), (33.94, 0.9229, 33.37),
        (32.88, 0.9061, 32.51), (32.88, 0.9061, 32.29),
        note=_FBCNN),
    _row("live1", "HAT-S",
        (32.05, 0.8875, 31.79), (33.81, 0.9199, 33.40),
        (32.74, 0.9018, 32.56), (32.77, 0.9019, 32.27),
        (32.26, 0.8930, 31.86), (34.05, 0.9239, 33.51),
        (32.97, 0.9073, 32.65), (32.98, 0.9065, 32.38)),
    _row("live1", "ART",
        (32.07, 0.8885, 31.76), (33.83, 0.9204, 33.33),
        (32.76, 0.9023, 32.51), (32.83, 0.9033, 32.30),
        (32.28, 0.8939, 31.84), (34.06, 0.9245, 33.43),
        (33.02, 0.9082, 32.69), (33.03, 0.9078, 32.40)),
    _row("live1", "SwinIR",
        (32.04, 0.8871, 31.76), (33.80, 0.9195, 33.38),
        (32.77, 0.9023, 32.59), (32.78, 0.9016, 32.25),
        (32.25, 0.8930, 31.84), (34.04, 0.9238, 33.48),
        (32.99, 0.9077, 32.70), (32.98, 0.9062, 32.37)),
    _row("live1", "OAPT",
        (32.10, 0.8889, 31.88), (33.88, 0.9210, 33.52),
        (32.86, 0.9043, 32.70), (32.80, 0.9025, 32.34),
        (32.35, 0.8946, 31.97), (34.13, 0.9252, 33.60),
        (33.08, 0.9095, 32.77), (33.00, 0.9071, 32.45)),
    _row("classic5", "DnCNN",
        (31.68, 0.8603, 31.41), (33.22, 0.8903, 32.90),
        (32.30, 0.8737, 32.08), (32.31, 0.8731, 31.99),
        (31.83, 0.8652, 31.55), (33.34, 0.8937, 33.03),
        (32.44, 0.8776, 32.18), (32.44, 0.8769, 32.10)),
    _row("classic5", "RNAN",
        (31.89, 0.8652, 31.59), (33.46, 0.8943, 33.09),
        (32.51, 0.8777, 32.25), (32.57, 0.8784, 32.21),
        (32.05, 0.8703, 31.74), (33.57, 0.8975, 33.22),
        (32.65, 0.8819, 32.37), (32.69, 0.8821, 32.32)),
    _row("classic5", "FBCNN",
        (32.12, 0.8686, 31.89), (33.70, 0.8974, 33.33),
        (32.74, 0.8810, 32.56), (32.81, 0.8822, 32.38),
        (32.30, 0.8736, 31.99), (33.85, 0.9007, 33.38),
        (32.93, 0.8855, 32.64), (32.94, 0.8860, 32.38),
        note=_FBCNN),
    _row("classic5", "HAT-S",
        (32.28, 0.8707, 31.99), (33.85, 0.8985, 33.44),
        (32.91, 0.8827, 32.67), (32.96, 0.8835, 32.52),
        (32.46, 0.8754, 32.13), (33.99, 0.9017, 33.52),
        (33.07, 0.8870, 32.80), (33.11, 0.8872, 32.61)),
    _row("classic5", "ART",
        (32.29, 0.8716, 31.96), (33.86, 0.8990, 33.37),
        (32.93, 0.8834, 32.69), (33.02, 0.8850, 32.55),
        (32.47, 0.8764, 32.08), (33.98, 0.9020, 33.43),
        (33.10, 0.8878, 32.82), (33.14, 0.8883, 32.62)),
    _row("classic5", "SwinIR",
        (32.26, 0.8703, 31.95), (33.80, 0.8980, 33.40),
        (32.90, 0.8830, 32.68), (32.95, 0.8833, 32.46),
        (32.43, 0.8753, 32.05), (33.94, 0.9014, 33.43),
        (33.06, 0.8872, 32.81), (33.09, 0.8869, 32.53)),
    _row("classic5", "OAPT",
        (32.32, 0.8718, 32.07), (33.87, 0.8992, 33.51),
        (33.02, 0.8851, 32.77), (32.97, 0.8840, 32.54),
        (32.50, 0.8768, 32.18), (34.02, 0.9026, 33.57),
        (33.16, 0.8889, 32.89), (33.11, 0.8874, 32.61)),
    _row("bsds500", "FBCNN",
        (31.81, None, None), (33.54, None, None), (32.49, None, None), (32.53, None, None),
        (32.03, None, None), (33.78, None, None), (32.74, None, None), (32.74, None, None),
        note=_FBCNN),
    _row("bsds500", "SwinIR",
        (31.87, None, None), (33.62, None, None), (32.59, None, None), (32.59, None, None),
        (32.08, None, None), (33.85, None, None), (32.82, None, None), (32.81, None, None)),
    _row("bsds500", "OAPT",
        (31.93, None, None), (33.68, None, None), (32.67, None, None), (32.61, None, None),
        (32.17, None, None), (33.93, None, None), (32.91, None, None), (32.82, None, None)),
)
# fmt: on
