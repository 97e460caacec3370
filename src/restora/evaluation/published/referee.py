"""The plain JPEG beyond the published rows, measured with another program, as a referee.

OpenCV's encoder and decoder and metrics written apart from this package's, on the same pictures:
what a measurement here must give too, to the digits below. Not published figures.
"""

from __future__ import annotations

from collections.abc import Sequence

from restora.evaluation.published.record import Cell, ProtocolName, Published, SetName, by_setting
from restora.evaluation.settings import FBCNN_DOUBLE, OAPT_DOUBLE, Setting, at_qualities

_SOURCE = "an independent script of this project (OpenCV, its own metrics)"

_LADDER = at_qualities((5, 15, 25, 35, 50, 60, 70, 75, 80, 90, 95))


def _row(
    protocol: ProtocolName, test_set: SetName, settings: Sequence[Setting], *cells: Cell
) -> Published:
    figures = by_setting(settings, cells)
    return Published(protocol, test_set, "JPEG", figures, _SOURCE, measured=True)


# fmt: off
REFEREE = (
    _row("jpeg-gray", "live1", _LADDER,
        (25.2913, 0.6712, 23.0795), (29.1345, 0.8222, 26.6473), (30.8085, 0.8710, 28.2932),
        (31.9308, 0.8962, 29.4782), (33.1618, 0.9178, 30.8648), (33.9841, 0.9293, 31.7930),
        (35.1287, 0.9425, 33.1378), (35.8492, 0.9493, 33.9948), (36.8728, 0.9576, 35.2577),
        (40.3861, 0.9769, 39.4107), (44.3934, 0.9884, 43.4104)),
    _row("jpeg-gray", "classic5", _LADDER,
        (25.3650, 0.6576, 23.0017), (29.1713, 0.8065, 26.5291), (30.8657, 0.8528, 28.3015),
        (32.0102, 0.8772, 29.5022), (33.1992, 0.8982, 30.7552), (33.9617, 0.9095, 31.5657),
        (34.9782, 0.9227, 32.7066), (35.5940, 0.9297, 33.3753), (36.4426, 0.9384, 34.4323),
        (39.3710, 0.9629, 38.0672), (43.2414, 0.9827, 41.9501)),
    _row("jpeg-color", "live1", _LADDER,
        (23.1032, 0.6380, 21.7882), (27.1137, 0.7951, 25.5607), (28.7801, 0.8464, 27.2226),
        (29.8723, 0.8733, 28.3834), (31.0267, 0.8967, 29.6667), (31.7651, 0.9093, 30.5026),
        (32.7690, 0.9238, 31.6790), (33.3809, 0.9314, 32.4112), (34.2281, 0.9407, 33.4326),
        (36.8640, 0.9627, 36.4366), (39.3273, 0.9767, 38.8745)),
    _row("jpeg-double", "live1", FBCNN_DOUBLE,
        (27.4909, 0.7623, 25.1165), (27.6521, 0.7690, 25.1680), (30.6172, 0.8656, 28.3599),
        (26.4817, 0.7153, 24.6800), (29.9808, 0.8475, 28.1110), (31.5824, 0.8879, 29.7739),
        (27.5505, 0.7604, 26.7377), (27.6949, 0.7682, 27.3206), (30.6086, 0.8648, 29.2985)),
    _row("jpeg-oapt", "live1", OAPT_DOUBLE,
        (29.9808, 0.8475, 28.1110), (31.5824, 0.8879, 29.7739), (30.6086, 0.8648, 29.2985),
        (30.6172, 0.8656, 28.3599), (29.9069, 0.8471, 27.8715), (31.5239, 0.8875, 29.6199),
        (30.5737, 0.8664, 28.8644), (30.6445, 0.8679, 28.3254)),
    _row("jpeg-oapt", "classic5", OAPT_DOUBLE,
        (30.0767, 0.8308, 28.1342), (31.7290, 0.8698, 29.8519), (30.7363, 0.8477, 29.3442),
        (30.7403, 0.8488, 28.4577), (29.9553, 0.8304, 27.8421), (31.6020, 0.8686, 29.5322),
        (30.6625, 0.8487, 28.7388), (30.7227, 0.8502, 28.3338)),
)
# fmt: on
