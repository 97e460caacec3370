"""The blockwise discrete cosine transform, for NumPy arrays and PyTorch tensors alike.

Everything here is plain arithmetic and ``@``, so whatever array comes in comes out.
Source: ITU-T T.81, A.3.3 (orthonormal 8x8 DCT-II).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK_PX = 8


def dct_matrix() -> NDArray[np.float64]:
    """The orthonormal DCT-II matrix ``(8, 8)``: ``coefficients = D @ block @ D.T``."""
    k = np.arange(BLOCK_PX)[:, None]
    n = np.arange(BLOCK_PX)[None, :]
    matrix: NDArray[np.float64] = np.sqrt(2 / BLOCK_PX) * np.cos(
        np.pi * (2 * n + 1) * k / (2 * BLOCK_PX)
    )
    matrix[0] /= np.sqrt(2)
    return matrix


def to_blocks(plane: Any) -> Any:
    """Cut ``(..., H, W)`` with H and W multiples of 8 into ``(..., H/8, W/8, 8, 8)``."""
    *lead, height, width = plane.shape
    cut = plane.reshape(*lead, height // BLOCK_PX, BLOCK_PX, width // BLOCK_PX, BLOCK_PX)
    return cut.swapaxes(-3, -2)


def from_blocks(blocks: Any) -> Any:
    """Put ``(..., H/8, W/8, 8, 8)`` together again as ``(..., H, W)``."""
    *lead, rows, columns, _, _ = blocks.shape
    return blocks.swapaxes(-3, -2).reshape(*lead, rows * BLOCK_PX, columns * BLOCK_PX)


def forward(blocks: Any, matrix: Any) -> Any:
    """DCT of ``(..., 8, 8)`` blocks; ``matrix`` is :func:`dct_matrix` in the array's own kind."""
    return matrix @ blocks @ matrix.T


def inverse(coefficients: Any, matrix: Any) -> Any:
    """Inverse of :func:`forward`."""
    return matrix.T @ coefficients @ matrix
