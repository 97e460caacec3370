"""Qualities to timesteps by rule, for every kind of array. Knows nothing of PyTorch.

Source: the pseudo-labels of SODiff's time predictor (Yang et al., arXiv 2508.07346); equal slices
were chosen here.
"""

from __future__ import annotations

from typing import Any

CANDIDATES = (99, 199, 299, 399, 499, 599)  # timesteps, weakest first


def slice_of(strength: Any, slices: int) -> Any:
    """Which of so many equal slices of 0-1 a strength lies in, weakest first.

    ``min(floor(slices * s), slices - 1)``; what lies outside 0-1 counts to the nearest slice.

    Args:
        strength: A NumPy array or a tensor of any shape, ``(100 - quality) / 100``.
        slices: How many.

    Returns:
        Whole numbers of the same shape and kind, so floats where it holds floats.
    """
    return (slices * strength // 1).clip(0, slices - 1)
