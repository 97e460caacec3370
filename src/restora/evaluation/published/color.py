"""Colour, one save at 4:2:0: PSNR over R, G and B at once, SSIM the mean of the three."""

from __future__ import annotations

from restora.evaluation.published.record import Cell, Published, SetName, by_setting
from restora.evaluation.settings import LITERATURE, Setting

_GRL = "GRL repository (ofsoundof/GRL-Image-Restoration), figs/task5.png"
_GRL_JPNEO = f"{_GRL}; PSNR-B from the comparison in JPNeO (ICCV 2025)"
_JPNEO = "the comparison in JPNeO (ICCV 2025)"
_SWINIR = "SwinIR repository (JingyunLiang/SwinIR), README, colour table"

_PLAIN = (
    "PSNR-B is not printed there: it was measured with an independent script of this project. "
    "Quality 1 is JPNeO's quality 0, of which libjpeg makes the same file."
)
_QGAC = (
    "Is told the quantisation table. Quality 1 is JPNeO's; at 10 and 40 it lists other PSNRs than "
    "this row, 27.65 and 32.08 dB, so that its PSNR-B there, 27.43 and 31.64, are left out."
)
_SWINIR_NOTE = (
    "Its training data hold the BSD pictures and WED; its PSNR-B is the mean over R, G and B "
    "and does not belong in this column."
)
_GRL_NOTE = "One model a quality is inferred from an issue of its repository."
_DECODER = "Decodes the file's coefficients itself; not a repair of decoded pixels."


# JPNeO prints a column of quality 0; libjpeg makes the same file of 0 and 1, and the plain row
# there is that of quality 1 to the digit.
_WITH_WORST = (Setting(1), *LITERATURE)


def _row(
    test_set: SetName,
    method: str,
    *cells: Cell,
    source: str = _GRL,
    per_quality: bool = False,
    note: str = "",
) -> Published:
    settings = LITERATURE if len(cells) == len(LITERATURE) else _WITH_WORST
    figures = by_setting(settings, cells)
    return Published(
        "jpeg-color", test_set, method, figures, source, per_quality=per_quality, note=note
    )


# fmt: off
COLOR = (
    _row("live1", "JPEG",
        (20.89, None, 19.73),
        (25.69, 0.743, 24.20), (28.06, 0.826, 26.49), (29.37, 0.861, 27.84), (30.28, 0.882, 28.83),
        note=_PLAIN),
    _row("live1", "QGAC",
        (16.33, None, 15.99),
        (27.62, 0.804, None), (29.88, 0.868, None), (31.17, 0.896, None), (32.05, 0.912, None),
        source=_GRL_JPNEO, note=_QGAC),
    _row("live1", "FBCNN",
        (21.70, None, 21.19),
        (27.77, 0.803, 27.51), (30.11, 0.868, None), (31.43, 0.897, None), (32.34, 0.913, 31.80),
        source=_GRL_JPNEO),
    _row("live1", "JDEC",
        (20.76, None, 20.07), (27.95, None, 27.71), None, None, (32.50, None, 31.98),
        source=_JPNEO, note=_DECODER),
    _row("live1", "SwinIR",
        (28.06, 0.8089, None), (30.45, 0.8741, None), (31.82, 0.9018, None), (32.75, 0.9174, None),
        source=_SWINIR, per_quality=True, note=_SWINIR_NOTE),
    _row("live1", "GRL-S",
        (28.13, 0.814, None), (30.49, 0.878, None), (31.85, 0.905, None), (32.79, 0.920, None),
        per_quality=True, note=_GRL_NOTE),
    _row("live1", "JPNeO",
        (23.15, None, 22.64), (28.15, None, 27.55), None, None, (32.83, None, 31.91),
        source=_JPNEO, note=_DECODER),
    _row("bsds500", "JPEG",
        (25.84, 0.741, None), (28.21, 0.827, None), (29.57, 0.865, None), (30.52, 0.887, None)),
    _row("bsds500", "QGAC",
        (27.74, 0.802, None), (30.01, 0.869, None), (31.33, 0.898, None), (32.25, 0.915, None),
        note="Is told the quantisation table."),
    _row("bsds500", "FBCNN",
        (27.85, 0.799, None), (30.14, 0.867, None), (31.45, 0.897, None), (32.36, 0.913, None)),
    _row("bsds500", "GRL-S",
        (28.26, 0.808, None), (30.57, 0.875, None), (31.92, 0.903, None), (32.86, 0.919, None),
        per_quality=True, note=_GRL_NOTE),
)
# fmt: on
