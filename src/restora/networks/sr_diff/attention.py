"""Attention of SR-Diff's U-Net: over pixels in the upper scales, to the context in the lowest.

Source: SR-Diff's code, whose blocks are those of DA-CLIP. Shapes: B pictures, C channels, H×W
places, N tokens of D numbers.
"""

from __future__ import annotations

import math
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

LINEAR_HEADS = 4
NORM_EPSILON = 1e-5


class PlaceNorm(nn.Module):
    """Normalises the channels (B, C, H, W) of each place alone, then scales them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        variance, mean = torch.var_mean(x, dim=1, correction=0, keepdim=True)
        return (x - mean) * (variance + NORM_EPSILON).rsqrt() * self.scale


class LinearAttention(nn.Module):
    """Attention whose cost is linear in the pixels: every place reads one summary of all places.

    Source: Shen et al., Efficient Attention, WACV 2021.
    """

    def __init__(self, channels: int, head_dim: int) -> None:
        super().__init__()
        self.head_dim = head_dim
        inner = LINEAR_HEADS * head_dim
        self.norm = PlaceNorm(channels)
        self.qkv = nn.Conv2d(channels, 3 * inner, 1, bias=False)
        self.out = nn.Conv2d(inner, channels, 1)
        self.out_norm = PlaceNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        qkv = self.qkv(self.norm(x)).unflatten(1, (3 * LINEAR_HEADS, self.head_dim)).flatten(3)
        query, key, value = qkv.chunk(3, dim=1)  # (B, heads, head_dim, H·W)
        query = query.softmax(dim=2) * self.head_dim**-0.5
        # The sum over places of the published code grows with the picture; the mean does not.
        summary = key.softmax(dim=3) @ (value / (height * width)).transpose(2, 3)
        found = (summary.transpose(2, 3) @ query).flatten(1, 2).unflatten(2, (height, width))
        return cast(Tensor, x + self.out_norm(self.out(found)))


class Attention(nn.Module):
    """Multi-head attention of places (B, L, C) to tokens (B, N, D)."""

    def __init__(self, channels: int, token_dim: int, head_dim: int) -> None:
        super().__init__()
        self.heads = max(1, channels // head_dim)
        self.query = nn.Linear(channels, channels, bias=False)
        self.key = nn.Linear(token_dim, channels, bias=False)
        self.value = nn.Linear(token_dim, channels, bias=False)
        self.out = nn.Linear(channels, channels)

    def forward(self, x: Tensor, tokens: Tensor) -> Tensor:
        query, key, value = (
            part.unflatten(2, (self.heads, -1)).transpose(1, 2)
            for part in (self.query(x), self.key(tokens), self.value(tokens))
        )
        found = functional.scaled_dot_product_attention(query, key, value)
        return cast(Tensor, self.out(found.transpose(1, 2).flatten(2)))


class GatedFeedForward(nn.Module):
    """GEGLU, four times as wide inside. Source: Shazeer, arXiv 2002.05202."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.widen = nn.Linear(channels, 8 * channels)
        self.narrow = nn.Linear(4 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        value, gate = self.widen(x).chunk(2, dim=-1)
        return cast(Tensor, self.narrow(value * functional.gelu(gate)))


class ContextAttention(nn.Module):
    """A transformer block at the lowest scale: places look at each other, then at the context.

    With one token the softmax over it is 1, and every place gets the same projection of it.
    Without a context the block's second attention is left out.
    """

    def __init__(
        self,
        channels: int,
        token_dim: int,
        head_dim: int,
        *,
        self_attention: bool,
        norm: Literal["group", "layer"],
    ) -> None:
        super().__init__()
        self.before = PlaceNorm(channels)
        self.norm: nn.Module = (
            nn.GroupNorm(math.gcd(32, channels), channels, eps=1e-6)
            if norm == "group"
            else nn.Identity()
        )
        self.enter = nn.Conv2d(channels, channels, 1)
        self.norms = nn.ModuleList(
            nn.LayerNorm(channels) if used else nn.Identity()
            for used in (self_attention, True, True)
        )
        self.to_self = Attention(channels, channels, head_dim) if self_attention else None
        self.to_context = Attention(channels, token_dim, head_dim)
        self.feed = GatedFeedForward(channels)
        self.leave = nn.Conv2d(channels, channels, 1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type] # there is one

    def forward(self, x: Tensor, context: Tensor | None) -> Tensor:
        height, width = x.shape[-2:]
        given = self.before(x)
        places = self.enter(self.norm(given)).flatten(2).transpose(1, 2)
        if self.to_self is not None:
            normed = self.norms[0](places)
            places = places + self.to_self(normed, normed)
        if context is not None:
            places = places + self.to_context(self.norms[1](places), context)
        places = places + self.feed(self.norms[2](places))
        changed = self.leave(places.transpose(1, 2).unflatten(2, (height, width)))
        # Two residuals, as published: the block's own, around what its norm gives, and one outside.
        return cast(Tensor, x + given + changed)
