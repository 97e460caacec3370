"""The Semantic Refinement Module: what a degraded picture's tokens would say, were it clean.

Source: SR-Diff, its code; the residual form is that of an older state of it. Shapes: B pictures, N
tokens (one, as published: then attention is a projection and the module an MLP) of F numbers as
the encoder gives them, D as the U-Net reads them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from restora.networks.sr_diff.config import RefinerConfig

FEED_RATIO = 4  # a transformer layer is this much wider inside
DROPOUT = 0.1  # of the residual form, as published
NORM_EPSILON = 1e-12  # BERT's
LEAST_SCALE = 1e-3  # of the largest: along directions that hardly differ there is but noise


class SelfAttention(nn.Module):
    """Multi-head attention of tokens (B, N, W) to each other."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = (
            part.unflatten(2, (self.heads, -1)).transpose(1, 2)
            for part in self.qkv(x).chunk(3, dim=2)
        )
        found = functional.scaled_dot_product_attention(query, key, value)
        return cast(Tensor, self.out(found.transpose(1, 2).flatten(2)))


class Encoder(nn.Module):
    """The published "SR encoder", (B, N, W) to the same: no norm, and no way around it."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.enter = nn.Linear(width, width)
        self.attention = SelfAttention(width, heads)
        self.join = nn.Sequential(nn.Linear(2 * width, width), nn.GELU(), nn.Linear(width, width))

    def forward(self, x: Tensor) -> Tensor:
        seen = self.attention(self.enter(x))
        return cast(Tensor, self.join(torch.cat([x, seen], dim=2)))


class DualPath(nn.Module):
    """Tokens (B, N, D) through a narrow and a deep path, added."""

    def __init__(self, config: RefinerConfig, dim: int) -> None:
        super().__init__()
        hidden = config.hidden
        self.upper = nn.Sequential(nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, dim))
        self.lower = nn.Sequential(
            nn.Linear(dim, hidden),
            *(Encoder(hidden, config.heads) for _ in range(config.layers)),
            nn.Linear(hidden, dim),
        )

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.upper(x) + self.lower(x))


class TransformerLayer(nn.Module):
    """A layer of BERT, (B, N, W) to the same; its norms come last."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = SelfAttention(width, heads)
        self.feed = nn.Sequential(
            nn.Linear(width, FEED_RATIO * width), nn.GELU(), nn.Linear(FEED_RATIO * width, width)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width, eps=NORM_EPSILON) for _ in range(2))
        self.drop = nn.Dropout(DROPOUT)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norms[0](x + self.drop(self.attention(x)))
        return cast(Tensor, self.norms[1](x + self.drop(self.feed(x))))


class Residual(nn.Module):
    """Tokens (B, N, D) plus a change, which starts as nothing."""

    def __init__(self, config: RefinerConfig, dim: int) -> None:
        super().__init__()
        hidden, narrow = config.hidden, max(1, dim // 2)
        self.body = nn.Sequential(
            *(nn.Linear(dim, hidden), nn.GELU(), nn.Dropout(DROPOUT)),
            *(TransformerLayer(hidden, config.heads) for _ in range(config.layers)),
            *(nn.Linear(hidden, dim), nn.Dropout(DROPOUT)),
        )
        last = nn.Linear(narrow, dim)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.gain = nn.Sequential(nn.Linear(dim, narrow), nn.Tanh(), last)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, x + self.gain(self.body(x)))


class Refiner(nn.Module):
    """Tokens of a degraded picture to those of the clean one, as far as can be known.

    With ``config.projected`` the encoder's tokens are first written along the directions in which
    those of clean pictures differ most, each in units of how much they do. Like the units of the
    loss these are measured once, by :meth:`fit`, and travel with the weights.
    """

    mean: Tensor  # (F,)
    basis: Tensor | None  # (F, D)
    scale: Tensor  # (D,)

    def __init__(self, config: RefinerConfig, token_dim: int) -> None:
        """
        Args:
            config: Its form and sizes.
            token_dim: F.

        Raises:
            ValueError: The projection is wider than F.
        """
        super().__init__()
        dim = config.projected or token_dim
        if dim > token_dim:
            raise ValueError(f"tokens of {token_dim} numbers are not projected to {dim}")
        self.config = config
        self.register_buffer("mean", torch.zeros(token_dim))
        self.register_buffer("basis", torch.eye(token_dim, dim) if config.projected else None)
        self.register_buffer("scale", torch.ones(dim))
        form = DualPath if config.form == "dual-path" else Residual
        self.body = form(config, dim)
        self.eval()  # frozen for every stage but its own, it must not drop numbers in those

    @property
    def fitted(self) -> bool:
        """Whether :meth:`fit` was here, or the weights of one that was fitted."""
        return bool(self.mean.any()) or not bool((self.scale == 1).all())

    @torch.no_grad()
    def fit(self, chunks: Iterable[Tensor]) -> None:
        """Measure mean, directions and units.

        Args:
            chunks: Tokens of clean pictures, (..., F) each; not all have to be there at once.

        Raises:
            ValueError: There are none.
        """
        width, count = len(self.mean), 0
        total = torch.zeros(width, dtype=torch.float64)
        squares = torch.zeros(width, width, dtype=torch.float64)
        for chunk in chunks:
            rows = chunk.detach().cpu().double().reshape(-1, width)
            count += len(rows)
            total += rows.sum(dim=0)
            squares += rows.T @ rows
        if count == 0:
            raise ValueError("there are no tokens to fit to")
        mean = total / count
        covariance = squares / count - mean.outer(mean)
        if self.basis is None:
            variance = covariance.diagonal()
        else:
            variance, directions = torch.linalg.eigh(covariance)
            variance = variance.flip(0)[: len(self.scale)]
            directions = directions.flip(1)[:, : len(self.scale)]
            # Either sign is right; the same one everywhere makes runs comparable.
            largest = directions.abs().argmax(dim=0, keepdim=True)
            self.basis.copy_(directions * directions.gather(0, largest).sign())
        spread = variance.clamp_min(0).sqrt()
        self.mean.copy_(mean)
        self.scale.copy_(spread.clamp_min(max(LEAST_SCALE * float(spread.max()), 1e-6)))

    def project(self, tokens: Tensor) -> Tensor:
        """(B, N, F) as the encoder gives them to (B, N, D)."""
        if self.basis is None:
            return tokens
        return (tokens - self.mean) @ self.basis / self.scale

    def standardised(self, projected: Tensor) -> Tensor:
        """(B, N, D) in units in which numbers of clean pictures' tokens differ alike."""
        return projected if self.basis is not None else (projected - self.mean) / self.scale

    def refine(self, projected: Tensor) -> Tensor:
        """(B, N, D) of a degraded picture to (B, N, D) of a clean one."""
        return cast(Tensor, self.body(projected))

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, N, F) of a degraded picture to the context (B, N, D)."""
        return self.refine(self.project(tokens))
