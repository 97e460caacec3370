"""Window attention and the residual Swin transformer block (RSTB).

Source: Liu et al., Swin Transformer, ICCV 2021 (windows, shift, relative positions) and Liang et
al., SwinIR, ICCV workshops 2021 (the residual block); SODiff (arXiv 2508.07346) builds its image
prompt extractor from them.

Shapes: B pictures, C channels, a square map of S×S places in N windows of w×w places. The side is
fixed when a block is made, so that masks are constants of an exported graph.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

FORBIDDEN = -100.0  # added to a match that may not be; what is left of it is below 1e-40


def to_windows(x: Tensor, window: int) -> Tensor:
    """(B, S, S, C) to (B, N, w*w, C)."""
    x = torch.unflatten(torch.unflatten(x, 2, (-1, window)), 1, (-1, window))
    return x.transpose(2, 3).flatten(3, 4).flatten(1, 2)


def from_windows(x: Tensor, window: int) -> Tensor:
    """(B, N, w*w, C) back to (B, S, S, C)."""
    count = round(x.shape[1] ** 0.5)
    x = torch.unflatten(torch.unflatten(x, 2, (window, window)), 1, (count, count))
    return x.transpose(2, 3).flatten(3, 4).flatten(1, 2)


def relative_index(window: int) -> Tensor:
    """Which of (2w-1)² displacements lies between each two places of a window, (w*w, w*w)."""
    place = torch.arange(window * window, device="cpu")
    row, column = place // window, place % window
    down, right = row[:, None] - row[None], column[:, None] - column[None]
    return (down + window - 1) * (2 * window - 1) + right + window - 1


def shift_mask(side: int, window: int, shift: int) -> Tensor:
    """What is added to the matches of a map rolled by ``shift``, (N, 1, w*w, w*w).

    A rolled map brings its opposite borders into one window; they must not see each other.
    """
    place = torch.arange(side, device="cpu")
    band = (place >= side - window).long() + (place >= side - shift).long()
    region = (3 * band[:, None] + band[None])[None, :, :, None]
    windows = to_windows(region, window)[0, :, :, 0]  # (N, w*w)
    apart = windows[:, :, None] != windows[:, None, :]
    return FORBIDDEN * apart.float()[:, None]


class WindowAttention(nn.Module):
    """Multi-head attention inside windows, (B, S, S, C) to the same; see the module."""

    index: Tensor
    mask: Tensor

    def __init__(self, channels: int, heads: int, *, side: int, window: int, shift: int) -> None:
        super().__init__()
        self.heads, self.window, self.shift = heads, window, shift
        self.scale = (channels // heads) ** -0.5
        self.qkv = nn.Linear(channels, 3 * channels)
        self.out = nn.Linear(channels, channels)
        self.bias = nn.Parameter(torch.zeros(heads, (2 * window - 1) ** 2))
        nn.init.trunc_normal_(self.bias, std=0.02)
        self.register_buffer("index", relative_index(window).flatten(), persistent=False)
        mask = shift_mask(side, window, shift) if shift else torch.zeros(1, 1, 1, 1)
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        if self.shift:
            x = torch.roll(x, (-self.shift, -self.shift), dims=(1, 2))
        windows = to_windows(x, self.window)
        qkv = torch.unflatten(self.qkv(windows), 3, (3, self.heads, -1))
        query, key, value = qkv.permute(3, 0, 1, 4, 2, 5).unbind(0)  # (B, N, heads, w*w, c)
        places = self.window**2
        bias = torch.unflatten(self.bias[:, self.index], 1, (places, places))
        # Bias and mask meet first: both are small beside the matches.
        match = (query * self.scale) @ key.transpose(-2, -1) + (bias + self.mask)
        found = torch.softmax(match, dim=-1) @ value
        x = from_windows(self.out(found.transpose(2, 3).flatten(3)), self.window)
        return torch.roll(x, (self.shift, self.shift), dims=(1, 2)) if self.shift else x


class SwinLayer(nn.Module):
    """Window attention and an MLP, each normalised before and added to what came in."""

    def __init__(
        self, channels: int, heads: int, *, side: int, window: int, shift: int, mlp_ratio: float
    ) -> None:
        super().__init__()
        hidden = int(channels * mlp_ratio)
        self.norm1 = nn.LayerNorm(channels)
        self.attention = WindowAttention(channels, heads, side=side, window=window, shift=shift)
        self.norm2 = nn.LayerNorm(channels)
        self.mlp = nn.Sequential(
            nn.Linear(channels, hidden), nn.GELU(), nn.Linear(hidden, channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, S, S, C) to the same."""
        x = x + self.attention(self.norm1(x))
        return cast(Tensor, x + self.mlp(self.norm2(x)))


class RSTB(nn.Module):
    """Swin layers and a 3x3 convolution inside a skip. Source: SwinIR, section 3.2.

    Every second layer sees windows shifted by half a window, unless one window is the whole map.

    Args:
        channels: A multiple of ``heads``.
        layers: Swin layers.
        heads: Attention heads.
        side: S, a multiple of ``window``.
        window: w.
        mlp_ratio: Hidden channels of an MLP over ``channels``.
    """

    def __init__(
        self, channels: int, *, layers: int, heads: int, side: int, window: int, mlp_ratio: float
    ) -> None:
        super().__init__()
        half = window // 2 if side > window else 0
        self.layers = nn.Sequential(
            *(
                SwinLayer(
                    channels,
                    heads,
                    side=side,
                    window=window,
                    shift=half * (k % 2),
                    mlp_ratio=mlp_ratio,
                )
                for k in range(layers)
            )
        )
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, S, S, C) to the same."""
        return x + convolve(self.conv, self.layers(x))


def convolve(convolution: nn.Module, x: Tensor) -> Tensor:
    """A convolution on a map whose channels come last, (B, S, S, C) to (B, S, S, C)."""
    return cast(Tensor, convolution(x.permute(0, 3, 1, 2))).permute(0, 2, 3, 1)


def upscale(x: Tensor) -> Tensor:
    """Each place twice in both directions: (B, C, S, S) to (B, C, 2S, 2S)."""
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")
