"""What the published networks cost, each figure with its source.

Literal tables, nothing computed but a division by the pixels of the picture a source measured on.
Multiply-adds are one sum of products each, for one gray pixel.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["COSTS", "Cost", "cost_of"]

_OAPT = "OAPT repository, README, complexity table (gray, 160×160 pixels)"
_OAPT_PIXELS = 160 * 160


@dataclass(frozen=True, slots=True)
class Cost:
    """The size of one published network.

    Attributes:
        method: As :class:`restora.evaluation.published.Published` calls it.
        parameters: How many weights.
        macs_per_pixel: Multiply-adds for each pixel; ``None`` is what no source states.
        source: Where the figures were read.
        note: What else to know, as a sentence, or ``""``.
    """

    method: str
    parameters: float
    macs_per_pixel: float | None
    source: str
    note: str = ""


def cost_of(method: str) -> Cost | None:
    """The cost of a method; ``None`` where it is not known.

    >>> cost_of("DnCNN").parameters
    670000.0
    """
    return next((cost for cost in COSTS if cost.method == method), None)


COSTS: tuple[Cost, ...] = (
    Cost(
        "ARCNN",
        106_448,
        106_448,
        "counted from the layers of the paper: 9×9×64, 7×7×32, 1×1×16, 5×5×1",
        note="Without the 113 biases.",
    ),
    Cost("DnCNN", 0.67e6, 17.08e9 / _OAPT_PIXELS, _OAPT),
    Cost("RNAN", 8.96e6, 193.98e9 / _OAPT_PIXELS, _OAPT),
    Cost(
        "FBCNN",
        71.92e6,
        1420.78235e9 / 2 / 512**2,
        "OpenVINO open_model_zoo, page of fbcnn (colour, 512×512 pixels; its GFLOPs halved)",
        note="OAPT lists 71.21 G at 160×160 pixels, 2.78 M a pixel.",
    ),
    Cost("HAT-S", 9.24e6, 227.14e9 / _OAPT_PIXELS, _OAPT),
    Cost("SwinIR", 11.49e6, 293.42e9 / _OAPT_PIXELS, _OAPT),
    Cost(
        "ART",
        16.14e6,
        415.51e9 / _OAPT_PIXELS,
        _OAPT,
        note="ART's own README says 469 GFLOP for that size.",
    ),
    Cost("OAPT", 12.96e6, 293.60e9 / _OAPT_PIXELS, _OAPT),
    Cost("GRL-S", 3.12e6, None, "GRL repository, figure task5.png"),
    Cost("DRUNet", 32.7e6, None, "SwinIR repository, jepg_compress_artfact_reduction.png"),
    Cost("QGAC", 259.4e6, None, "comparison in JPNeO (ICCV 2025)"),
    Cost("JDEC", 38.9e6, None, "comparison in JPNeO (ICCV 2025)"),
)
