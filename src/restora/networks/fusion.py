"""Cross-feature fusion: every place of one map asks a few pooled places of another.

Shapes: B pictures, C channels, h×w places, A anchors.
Source: DAGN's fusion, the asymmetric pyramid non-local block of Zhu et al., Asymmetric Non-local
Neural Networks for Semantic Segmentation, ICCV 2019.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from restora.networks.blocks import batch_norm
from restora.networks.cells import ANCHORS, LEVELS, cell_bounds

__all__ = ["ANCHORS", "LEVELS", "CrossFeatureFusion", "cell_means", "pyramid"]


def cell_means(length: int, cells: int, like: Tensor) -> Tensor:
    """Row n holds the weights of cell n's mean over ``length`` places, (cells, length).

    Unlike PyTorch's adaptive pooling this can be exported with the length left open.
    """
    place = torch.arange(length, device=like.device)[None]
    cell = torch.arange(cells, device=like.device)[:, None]
    bounds: tuple[Tensor, Tensor] = cell_bounds(cell, length, cells)
    start, end = bounds
    inside = ((place >= start) & (place < end)).to(like.dtype)
    return inside / inside.sum(dim=1, keepdim=True)


def pyramid(features: Tensor) -> Tensor:
    """Means over grids of 1×1, 2×2, 4×4 and 8×8 cells: (B, C, h, w) to (B, 85, C)."""
    height, width = features.shape[-2:]
    pooled = []
    for level in LEVELS:
        rows, columns = (cell_means(length, level, features) for length in (height, width))
        cells = rows @ features @ columns.transpose(0, 1)  # (B, C, level, level)
        pooled.append(cells.flatten(2))
    return torch.cat(pooled, dim=2).transpose(1, 2)


class CrossFeatureFusion(nn.Module):
    """Adds to one map what its places find in another; adds nothing before it is trained."""

    def __init__(self, channels: int, other_channels: int, *, key: int, norm: bool) -> None:
        super().__init__()
        self.query = nn.Conv2d(channels, key, 1)
        self.query_norm = batch_norm(key, used=norm)
        self.key = nn.Conv2d(other_channels, key, 1)
        self.key_norm = batch_norm(key, used=norm)
        self.value = nn.Conv2d(other_channels, key, 1)
        self.out = nn.Conv2d(key, channels, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)  # type: ignore[arg-type]

    def project(self, other: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of the other map before they are pooled, each (B, key, h, w)."""
        return functional.relu(self.key_norm(self.key(other))), self.value(other)

    def forward(self, features: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Ask.

        Args:
            features: (B, C, h, w), of any size.
            keys, values: (B, A, key), pooled from :meth:`project`.

        Returns:
            ``features`` and what was found, (B, C, h, w).
        """
        query = functional.relu(self.query_norm(self.query(features)))
        places = query.flatten(2).transpose(1, 2)  # (B, h w, key)
        match = places @ keys.transpose(1, 2) / query.shape[1] ** 0.5
        context = torch.softmax(match, dim=2) @ values
        shape = (query.shape[0], query.shape[1], *query.shape[2:])
        found: Tensor = self.out(context.transpose(1, 2).reshape(shape))
        return features + found
