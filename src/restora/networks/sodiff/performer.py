"""Performer: attention whose cost grows with the number of tokens, not with its square.

Source: Choromanski et al., Rethinking Attention with Performers, ICLR 2021: the softmax kernel as
a mean over positive random features (FAVOR+), here for all tokens at once (non-causal). SODiff
(arXiv 2508.07346) draws one skip around attention and feed-forward, then a normalisation.

Shapes: B pictures, T tokens of d channels, h heads of c channels, m random features.
"""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn

FLOOR = 1e-4  # keeps a feature, and so a sum of them, from being 0


def feature_count(head_dim: int) -> int:
    """The features a head needs, ``c ln c``; the paper's theorem 4 asks for this order."""
    return max(1, int(head_dim * math.log(head_dim)))


def random_directions(features: int, head_dim: int, seed: int) -> Tensor:
    """Rows orthogonal in groups of c, as long as rows of Gaussian noise: (m, c).

    The same for the same arguments, on every device.
    """
    generator = torch.Generator(device="cpu").manual_seed(seed)

    def noise(rows: int) -> Tensor:
        return torch.randn(rows, head_dim, generator=generator, device="cpu", dtype=torch.float64)

    groups = [torch.linalg.qr(noise(head_dim)).Q.T for _ in range(-(-features // head_dim))]
    lengths = noise(features).norm(dim=1, keepdim=True)
    directions: Tensor = torch.cat(groups)[:features] * lengths
    return directions.float()


def query_features(query: Tensor, directions: Tensor) -> Tensor:
    """(B, h, T, c) to (B, h, T, m); with :func:`key_features`, products tell ``exp(q·k/sqrt(c))``.

    Up to a factor for each query and one for all keys, which fall out when attention is
    normalised. They are chosen such that nothing overflows.
    """
    exponent = (query * query.shape[-1] ** -0.25) @ directions.transpose(0, 1)
    largest = exponent.detach().amax(dim=-1, keepdim=True)
    features: Tensor = torch.exp(exponent - largest) + FLOOR
    return features


def key_features(key: Tensor, directions: Tensor) -> Tensor:
    """(B, h, T, c) to (B, h, T, m); see :func:`query_features`."""
    key = key * key.shape[-1] ** -0.25
    exponent = key @ directions.transpose(0, 1)
    length = key.square().sum(dim=-1, keepdim=True) / 2
    largest = (exponent.amax(dim=-1, keepdim=True) - length).detach().amax(dim=-2, keepdim=True)
    features: Tensor = torch.exp(exponent - (length + largest)) + FLOOR
    return features


def linear_attention(query: Tensor, key: Tensor, value: Tensor, directions: Tensor) -> Tensor:
    """What each token finds among all tokens; each (B, h, T, c), ``directions`` (m, c)."""
    query = query_features(query, directions)
    key = key_features(key, directions)
    # The means keep numbers of the order of 1 for any T; they cancel.
    context = key.transpose(-2, -1) @ value / value.shape[-2]  # (B, h, m, c)
    total = query @ key.mean(dim=-2).unsqueeze(-1)  # (B, h, T, 1)
    return (query @ context) / total


class PerformerAttention(nn.Module):
    """Multi-head linear attention, (B, T, d) to the same."""

    directions: Tensor

    def __init__(self, dim: int, *, heads: int, head_dim: int, features: int, seed: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * heads * head_dim)
        self.out = nn.Linear(heads * head_dim, dim)
        # Saved with the weights: they were trained for these directions and no others.
        self.register_buffer("directions", random_directions(features, head_dim, seed))

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = (
            self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
        )
        found = linear_attention(query, key, value, self.directions)
        return cast(Tensor, self.out(found.transpose(1, 2).flatten(2)))


class PerformerBlock(nn.Module):
    """Linear attention and feed-forward, (B, T, d) to the same.

    ``single`` is the block as SODiff draws it: one skip around both, normalised after. Else each
    is normalised before and has its own skip, without which a deep stack does not learn.
    """

    def __init__(
        self,
        dim: int,
        *,
        heads: int,
        head_dim: int,
        features: int,
        mlp_ratio: float,
        single: bool,
        seed: int,
    ) -> None:
        super().__init__()
        hidden = int(dim * mlp_ratio)
        self.single = single
        self.attention = PerformerAttention(
            dim, heads=heads, head_dim=head_dim, features=features, seed=seed
        )
        self.mlp = nn.Sequential(nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, dim))
        self.norm1 = nn.LayerNorm(dim)
        self.norm2 = nn.Identity() if single else nn.LayerNorm(dim)

    def forward(self, x: Tensor) -> Tensor:
        if self.single:
            return cast(Tensor, self.norm1(x + self.mlp(self.attention(x))))
        x = x + self.attention(self.norm1(x))
        return cast(Tensor, x + self.mlp(self.norm2(x)))


class Performer(nn.Module):
    """A stack of blocks, (B, T, d) to the same; see :class:`PerformerBlock` for what depth does.

    It knows nothing of order: who needs places adds them to the tokens.

    Args:
        dim: d.
        depth: Blocks.
        heads, head_dim: h and c; h times c need not be d.
        features: m.
        mlp_ratio: Hidden channels of a feed-forward over ``dim``.
    """

    def __init__(
        self,
        dim: int,
        *,
        depth: int,
        heads: int,
        head_dim: int,
        features: int,
        mlp_ratio: float,
    ) -> None:
        super().__init__()
        self.blocks = nn.Sequential(
            *(
                PerformerBlock(
                    dim,
                    heads=heads,
                    head_dim=head_dim,
                    features=features,
                    mlp_ratio=mlp_ratio,
                    single=depth == 1,
                    seed=k,
                )
                for k in range(depth)
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.blocks(x))
