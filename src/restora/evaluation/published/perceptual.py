"""What diffusion papers print for JPEG repair: LPIPS, DISTS, MUSIQ, MANIQA and CLIPIQA at QF 5-20.

Literal tables, nothing computed. Whole colour pictures, sides brought to multiples of 8 by Lanczos,
OpenCV's JPEG, scores by pyiqa 0.1.13 as it comes, means over the pictures: the protocol of CODiff's
test script. SODiff's own script is not public; its baseline rows equal CODiff's, so the same
protocol is likely. LPIPS there is the AlexNet one, version 0.1: a figure of the VGG one does not
belong in its column.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

__all__ = [
    "PERCEPTUAL",
    "PERCEPTUAL_QUALITIES",
    "PERCEPTUAL_SIZES",
    "Perceptual",
    "PublishedPerceptual",
    "published_perceptual",
]

PERCEPTUAL_QUALITIES = (5, 10, 20)

PERCEPTUAL_SIZES: Mapping[str, int] = MappingProxyType({"live1": 29, "urban100": 100, "div2k": 100})
"""How many pictures each set has; a published figure is the mean over all of them."""


class Perceptual(NamedTuple):
    """The five figures of one method at one quality; the last three look at no clean picture.

    LPIPS and DISTS are distances, lower is better; of the others higher is better. MUSIQ runs to
    100, MANIQA and CLIPIQA to 1.
    """

    lpips: float
    dists: float
    musiq: float
    maniqa: float
    clipiqa: float


@dataclass(frozen=True, slots=True)
class PublishedPerceptual:
    """One method on one test set.

    Attributes:
        set: ``"live1"``, ``"urban100"`` or ``"div2k"`` (its validation pictures).
        method: As the table calls it; a star marks a model that the table's authors retrained on
            this task. ``"JPEG"`` is the plain file.
        figures: By JPEG quality.
        source: Where the figures were read.
        note: What else to know before comparing, as a sentence, or ``""``.
    """

    set: str
    method: str
    figures: Mapping[int, Perceptual]
    source: str
    note: str = ""


_SODIFF = "SODiff repository (frakenation/SODiff), README, results table"
_CODIFF = "CODiff (ICCV 2025), result tables"

_SHIFTED = (
    "At QF 5 the SODiff table prints LPIPS 0.3459, DISTS 0.2570 and MUSIQ 25.95, which are the "
    "row's MUSIQ / 100, MANIQA and 100 CLIPIQA, slipped by columns; here stand CODiff's."
)
_SUPIR = "MUSIQ at QF 10 is 72.57 in CODiff's table."

_Three = tuple[float, float, float]


def _row(
    test_set: str, method: str, *metrics: _Three, source: str = _SODIFF, note: str = ""
) -> PublishedPerceptual:
    """Each metric comes with its figures at QF 5, 10 and 20, as the tables print them."""
    cells = zip(*metrics, strict=True)
    pairs = zip(PERCEPTUAL_QUALITIES, cells, strict=True)
    figures = {quality: Perceptual(*cell) for quality, cell in pairs}
    return PublishedPerceptual(test_set, method, MappingProxyType(figures), source, note)


# fmt: off
PERCEPTUAL = (
    _row("live1", "JPEG",
        (0.4384, 0.3013, 0.1799), (0.3242, 0.2387, 0.1653), (40.33, 53.88, 64.12),
        (0.2294, 0.3509, 0.4411), (0.1716, 0.2737, 0.5542)),
    _row("live1", "FBCNN",
        (0.3736, 0.2503, 0.1583), (0.2353, 0.1785, 0.1319), (63.56, 71.00, 73.96),
        (0.3425, 0.4207, 0.4551), (0.2763, 0.4767, 0.5535)),
    _row("live1", "JDEC",
        (0.4113, 0.2450, 0.1555), (0.2364, 0.1740, 0.1282), (55.66, 70.80, 73.81),
        (0.2002, 0.4065, 0.4433), (0.1539, 0.4811, 0.5512)),
    _row("live1", "PromptCIR",
        (0.3797, 0.2290, 0.1450), (0.2334, 0.1658, 0.1223), (60.34, 72.39, 74.12),
        (0.2790, 0.4500, 0.4713), (0.2655, 0.5176, 0.5847)),
    _row("live1", "DiffBIR*",
        (0.3509, 0.2160, 0.1500), (0.2035, 0.1319, 0.0988), (58.09, 67.38, 71.08),
        (0.2812, 0.3789, 0.4371), (0.3776, 0.5789, 0.6814)),
    _row("live1", "SUPIR",
        (0.4856, 0.2770, 0.1683), (0.2720, 0.1558, 0.1121), (52.69, 68.77, 73.02),
        (0.3229, 0.5183, 0.6237), (0.3149, 0.6115, 0.7364)),
    _row("live1", "SODiff",
        (0.2229, 0.1605, 0.1237), (0.1173, 0.0938, 0.0763), (72.88, 73.84, 74.11),
        (0.4957, 0.5192, 0.5272), (0.7087, 0.7323, 0.7587)),
    _row("live1", "OSEDiff*",
        (0.2675, 0.1749, 0.1270), (0.1653, 0.1164, 0.0856), (65.51, 71.23, 72.70),
        (0.3417, 0.3963, 0.4219), (0.5623, 0.7022, 0.7260), source=_CODIFF),
    _row("live1", "CODiff",
        (0.2062, 0.1428, 0.1101), (0.1121, 0.0867, 0.0692), (73.16, 74.39, 74.34),
        (0.5321, 0.5438, 0.5323), (0.7212, 0.7559, 0.7565), source=_CODIFF),
    _row("urban100", "JPEG",
        (0.3481, 0.2254, 0.1244), (0.2834, 0.2145, 0.1521), (50.46, 60.87, 67.60),
        (0.3656, 0.4401, 0.4967), (0.2806, 0.3517, 0.5343)),
    _row("urban100", "FBCNN",
        (0.2341, 0.1462, 0.0896), (0.2162, 0.1648, 0.1249), (69.03, 72.55, 73.39),
        (0.4263, 0.5033, 0.5288), (0.3800, 0.5014, 0.5437)),
    _row("urban100", "JDEC",
        (0.2794, 0.1382, 0.0846), (0.2309, 0.1570, 0.1175), (62.97, 72.52, 73.30),
        (0.3386, 0.5001, 0.5230), (0.2518, 0.4959, 0.5369)),
    _row("urban100", "PromptCIR",
        (0.2389, 0.1183, 0.0739), (0.2037, 0.1431, 0.1083), (66.08, 73.01, 73.47),
        (0.3946, 0.5380, 0.5489), (0.3619, 0.5337, 0.5662)),
    _row("urban100", "DiffBIR*",
        (0.2018, 0.1344, 0.1005), (0.1657, 0.1207, 0.0939), (69.63, 71.77, 72.51),
        (0.4285, 0.4813, 0.5105), (0.5470, 0.5966, 0.6306)),
    _row("urban100", "SUPIR",
        (0.3279, 0.2489, 0.2125), (0.2018, 0.1659, 0.1518), (69.94, 72.37, 73.01),
        (0.5546, 0.5995, 0.6105), (0.5536, 0.6178, 0.6397), note=_SUPIR),
    _row("urban100", "SODiff",
        (0.1579, 0.1098, 0.0846), (0.1196, 0.0914, 0.0734), (71.33, 72.23, 72.63),
        (0.5598, 0.5451, 0.5561), (0.6392, 0.6558, 0.6733)),
    _row("urban100", "OSEDiff*",
        (0.1959, 0.1262, 0.0911), (0.1690, 0.1168, 0.0860), (68.60, 71.55, 72.43),
        (0.4491, 0.4927, 0.5082), (0.5710, 0.6364, 0.6591), source=_CODIFF),
    _row("urban100", "CODiff",
        (0.1407, 0.0974, 0.0753), (0.1101, 0.0842, 0.0667), (72.16, 72.61, 72.63),
        (0.5693, 0.5725, 0.5694), (0.6741, 0.6824, 0.6830), source=_CODIFF),
    _row("div2k", "JPEG",
        (0.4466, 0.3234, 0.2072), (0.3183, 0.2255, 0.1465), (34.59, 47.53, 57.45),
        (0.2570, 0.3120, 0.3557), (0.2595, 0.3303, 0.5072), note=_SHIFTED),
    _row("div2k", "FBCNN",
        (0.3445, 0.2448, 0.1733), (0.2078, 0.1581, 0.1168), (56.52, 61.79, 65.20),
        (0.3025, 0.3593, 0.3775), (0.3004, 0.4561, 0.5221)),
    _row("div2k", "JDEC",
        (0.3811, 0.2313, 0.1565), (0.2234, 0.1574, 0.1152), (53.88, 67.48, 69.90),
        (0.2118, 0.3689, 0.3927), (0.1841, 0.4675, 0.5319)),
    _row("div2k", "PromptCIR",
        (0.3549, 0.2240, 0.1581), (0.2067, 0.1459, 0.1061), (52.21, 62.63, 65.62),
        (0.2705, 0.3758, 0.3871), (0.3041, 0.4956, 0.5483)),
    _row("div2k", "DiffBIR*",
        (0.2788, 0.1953, 0.1542), (0.1533, 0.1072, 0.0856), (60.21, 65.22, 67.06),
        (0.3220, 0.3754, 0.4033), (0.4975, 0.5912, 0.6355)),
    _row("div2k", "SUPIR",
        (0.4372, 0.3121, 0.2295), (0.2148, 0.1410, 0.1161), (54.07, 61.93, 64.87),
        (0.3438, 0.3570, 0.3723), (0.4219, 0.5186, 0.5535)),
    _row("div2k", "SODiff",
        (0.2425, 0.1732, 0.1295), (0.1126, 0.0816, 0.0622), (64.42, 65.90, 66.49),
        (0.3733, 0.3924, 0.3984), (0.5851, 0.6193, 0.6398)),
    _row("div2k", "OSEDiff*",
        (0.2624, 0.1823, 0.1341), (0.1474, 0.0996, 0.0721), (60.83, 64.88, 66.10),
        (0.3252, 0.3640, 0.3689), (0.4974, 0.6208, 0.6323), source=_CODIFF),
    _row("div2k", "CODiff",
        (0.2086, 0.1436, 0.1020), (0.0994, 0.0714, 0.0511), (66.28, 66.97, 66.66),
        (0.4069, 0.4113, 0.4042), (0.6413, 0.6498, 0.6443), source=_CODIFF),
)
# fmt: on


def published_perceptual(test_set: str) -> tuple[PublishedPerceptual, ...]:
    """The published rows of a test set, plain JPEG first; none where nobody published any.

    >>> [row.method for row in published_perceptual("live1")][:3]
    ['JPEG', 'FBCNN', 'JDEC']
    >>> published_perceptual("live1")[6].figures[5].lpips
    0.2229
    """
    return tuple(row for row in PERCEPTUAL if row.set == test_set)
