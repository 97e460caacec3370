"""Gray, one save: Classic5, LIVE1 and the test part of BSDS500.

FBCNN's figure is the base; rows it does not have come from SwinIR's, ART's and GRL's. Where two
sources differ on a method, FBCNN's copy stands here and a note gives the other.
"""

from __future__ import annotations

from restora.evaluation.published.record import Cell, Published, SetName, by_setting
from restora.evaluation.settings import LITERATURE

_FBCNN = "FBCNN repository (jiaxi-jiang/FBCNN), figs/single_table.png"
_SWINIR = "SwinIR repository (JingyunLiang/SwinIR), figure jepg_compress_artfact_reduction.png"
_ART = "ART repository (gladzhang/ART), figs/CAR.png"
_GRL = "GRL repository (ofsoundof/GRL-Image-Restoration), figs/task5.png"

_ARCNN_LIVE1 = (
    "SwinIR's table has other figures for LIVE1: 28.96/.8076/28.77, 31.29/.8733/30.79, "
    "32.67/.9043/32.22, 33.63/.9198/33.14."
)
_QGAC = (
    "Is told the quantisation table. SSIM as FBCNN evaluated it again; QGAC's own SSIM is on "
    "another scale."
)
_DRUNET = "Takes the quality as an input; that it was told the true one is assumed."
_SWINIR_NOTE = (
    "Trained on WED and the BSD pictures too. Its PSNR-B rounds block counts down, which takes "
    "less than 0.01 dB where sides are no multiples of 8."
)
_SWINIR_TABLE = "From SwinIR's table; its PSNR-B rounds block counts down."
_ART_NOTE = "Trained on WED and the BSD pictures too."
_ART_PLUS = "ART with the mean of eight turned and mirrored runs."
_GRL_NOTE = (
    "One model a quality is inferred from an issue of its repository; its SSIM does not sit on the "
    "scale of SwinIR's."
)


def _row(
    test_set: SetName,
    method: str,
    *cells: Cell,
    source: str = _FBCNN,
    per_quality: bool = False,
    note: str = "",
) -> Published:
    figures = by_setting(LITERATURE, cells)
    return Published(
        "jpeg-gray", test_set, method, figures, source, per_quality=per_quality, note=note
    )


# fmt: off
_CLASSIC5 = (
    _row("classic5", "JPEG",
        (27.82, 0.760, 25.21), (30.12, 0.834, 27.50), (31.48, 0.867, 28.94), (32.43, 0.885, 29.92)),
    _row("classic5", "ARCNN",
        (29.03, 0.793, 28.76), (31.15, 0.852, 30.59), (32.51, 0.881, 31.98), (33.32, 0.895, 32.79),
        per_quality=True),
    _row("classic5", "DnCNN",
        (29.40, 0.803, 29.13), (31.63, 0.861, 31.19), (32.91, 0.886, 32.38), (33.77, 0.900, 33.23),
        note="SwinIR's copy has PSNR-B 33.20 on Classic5 at quality 40."),
    _row("classic5", "DCSC",
        (29.62, 0.810, 29.30), (31.81, 0.864, 31.34), (33.06, 0.888, 32.49), (33.87, 0.902, 33.30)),
    _row("classic5", "QGAC",
        (29.84, 0.812, 29.43), (31.98, 0.869, 31.37), (33.22, 0.892, 32.42), (34.05, 0.905, 33.12),
        note=_QGAC),
    _row("classic5", "MWCNN",
        (30.01, 0.820, 29.59), (32.16, 0.870, 31.52), (33.43, 0.893, 32.62), (34.27, 0.906, 33.35),
        per_quality=True),
    _row("classic5", "RNAN",
        (29.96, 0.8178, 29.62), (32.11, 0.8693, 31.57),
        (33.38, 0.8924, 32.68), (34.27, 0.9061, 33.4),
        source=_SWINIR, per_quality=True, note=_SWINIR_TABLE),
    _row("classic5", "RDN",
        (30.00, 0.8188, None), (32.15, 0.8699, None), (33.43, 0.8930, None), (34.27, 0.9061, None),
        source=_SWINIR, per_quality=True),
    _row("classic5", "FBCNN",
        (30.12, 0.822, 29.80), (32.31, 0.872, 31.74), (33.54, 0.894, 32.78), (34.35, 0.907, 33.48)),
    _row("classic5", "DRUNet",
        (30.16, 0.8234, 29.81), (32.39, 0.8734, 31.80),
        (33.59, 0.8949, 32.82), (34.41, 0.9075, 33.51),
        source=_SWINIR, note=_DRUNET),
    _row("classic5", "GRL-S",
        (30.20, 0.829, None), (32.49, 0.878, None), (33.72, 0.899, None), (34.53, 0.911, None),
        source=_GRL, per_quality=True, note=_GRL_NOTE),
    _row("classic5", "SwinIR",
        (30.27, 0.8249, 29.95), (32.52, 0.8748, 31.99),
        (33.73, 0.8961, 33.03), (34.52, 0.9082, 33.66),
        source=_SWINIR, per_quality=True, note=_SWINIR_NOTE),
    _row("classic5", "ART",
        (30.27, 0.8258, None), None, (33.74, 0.8964, None), (34.55, 0.9086, None),
        source=_ART, per_quality=True, note=_ART_NOTE),
    _row("classic5", "ART+",
        (30.32, 0.8263, None), None, (33.78, 0.8967, None), (34.58, 0.9089, None),
        source=_ART, per_quality=True, note=_ART_PLUS),
)

_LIVE1 = (
    _row("live1", "JPEG",
        (27.77, 0.773, 25.33), (30.07, 0.851, 27.57), (31.41, 0.885, 28.92), (32.35, 0.904, 29.96)),
    _row("live1", "ARCNN",
        (28.96, 0.808, 28.68), (31.29, 0.873, 30.76), (32.67, 0.904, 32.14), (33.61, 0.920, 33.11),
        per_quality=True, note=_ARCNN_LIVE1),
    _row("live1", "DnCNN",
        (29.19, 0.812, 28.90), (31.59, 0.880, 31.07), (32.98, 0.909, 32.34), (33.96, 0.925, 33.28)),
    _row("live1", "DCSC",
        (29.34, 0.818, 29.01), (31.70, 0.883, 31.18), (33.07, 0.911, 32.43), (34.02, 0.926, 33.36)),
    _row("live1", "QGAC",
        (29.51, 0.825, 29.13), (31.83, 0.888, 31.25), (33.20, 0.914, 32.47), (34.16, 0.929, 33.36),
        note=_QGAC),
    _row("live1", "MWCNN",
        (29.69, 0.825, 29.32), (32.04, 0.889, 31.51), (33.45, 0.915, 32.80), (34.45, 0.930, 33.78),
        per_quality=True),
    _row("live1", "RNAN",
        (29.63, 0.8239, 29.25), (32.03, 0.8877, 31.44),
        (33.45, 0.9149, 32.71), (34.47, 0.9299, 33.66),
        source=_SWINIR, per_quality=True, note=_SWINIR_TABLE),
    _row("live1", "RDN",
        (29.67, 0.8247, None), (32.07, 0.8882, None), (33.51, 0.9153, None), (34.51, 0.9302, None),
        source=_SWINIR, per_quality=True),
    _row("live1", "FBCNN",
        (29.75, 0.827, 29.40), (32.13, 0.889, 31.57), (33.54, 0.916, 32.83), (34.53, 0.931, 33.74)),
    _row("live1", "DRUNet",
        (29.79, 0.8278, 29.48), (32.17, 0.8899, 31.69),
        (33.59, 0.9166, 32.99), (34.58, 0.9312, 33.93),
        source=_SWINIR, note=_DRUNET),
    _row("live1", "SwinIR",
        (29.86, 0.8287, 29.50), (32.25, 0.8909, 31.70),
        (33.69, 0.9174, 33.01), (34.67, 0.9317, 33.88),
        source=_SWINIR, per_quality=True, note=_SWINIR_NOTE),
    _row("live1", "ART",
        (29.89, 0.8300, None), None, (33.71, 0.9178, None), (34.70, 0.9322, None),
        source=_ART, per_quality=True, note=_ART_NOTE),
    _row("live1", "ART+",
        (29.92, 0.8305, None), None, (33.74, 0.9181, None), (34.73, 0.9324, None),
        source=_ART, per_quality=True, note=_ART_PLUS),
)

_BSDS500 = (
    _row("bsds500", "JPEG",
        (27.80, 0.768, 25.10), (30.05, 0.849, 27.22), (31.37, 0.884, 28.53), (32.30, 0.903, 29.49)),
    _row("bsds500", "ARCNN",
        (29.10, 0.804, 28.73), (31.28, 0.870, 30.55), (32.67, 0.902, 31.94), (33.55, 0.918, 32.78),
        per_quality=True),
    _row("bsds500", "DnCNN",
        (29.21, 0.809, 28.80), (31.53, 0.878, 30.79), (32.90, 0.907, 31.97), (33.85, 0.923, 32.80)),
    _row("bsds500", "DCSC",
        (29.32, 0.813, 28.91), (31.63, 0.880, 30.92), (32.99, 0.908, 32.08), (33.92, 0.924, 32.92)),
    _row("bsds500", "QGAC",
        (29.46, 0.821, 28.97), (31.73, 0.884, 30.93), (33.07, 0.912, 32.04), (34.01, 0.927, 32.81),
        note=_QGAC),
    _row("bsds500", "MWCNN",
        (29.61, 0.820, 29.14), (31.92, 0.885, 31.15), (33.30, 0.912, 32.34), (34.27, 0.928, 33.19),
        per_quality=True),
    _row("bsds500", "FBCNN",
        (29.67, 0.821, 29.22), (32.00, 0.885, 31.19), (33.37, 0.913, 32.32), (34.33, 0.928, 33.10)),
    _row("bsds500", "GRL-S",
        (29.74, 0.823, None), (32.05, 0.885, None), (33.43, 0.912, None), (34.38, 0.928, None),
        source=_GRL, per_quality=True, note=_GRL_NOTE),
)
# fmt: on

GRAY = (*_CLASSIC5, *_LIVE1, *_BSDS500)
