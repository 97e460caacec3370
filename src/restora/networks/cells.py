"""The cells that maps of a picture are pooled into. Knows nothing of PyTorch.

Source: DAGN's fusion pools as Zhu et al., Asymmetric Non-local Neural Networks for Semantic
Segmentation, ICCV 2019; the bounds are those of PyTorch's adaptive pooling.
"""

from __future__ import annotations

from typing import Any

LEVELS = (1, 2, 4, 8)  # cells a side of each grid of the pyramid
ANCHORS = sum(level**2 for level in LEVELS)


def cell_bounds(cell: Any, length: int, cells: int) -> tuple[Any, Any]:
    """Where cells start and end among ``length`` places.

    Cell n reaches from floor(n L / N) to ceil((n + 1) L / N): cells may overlap, none is empty.

    Args:
        cell: Numbers of cells, 0 to ``cells`` - 1, in any kind of whole numbers or array of them.
        length: L.
        cells: N.
    """
    return cell * length // cells, ((cell + 1) * length + cells - 1) // cells
