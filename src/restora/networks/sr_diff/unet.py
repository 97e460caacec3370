"""SR-Diff's conditional U-Net.

Source: SR-Diff's ConditionalUNet, that of DA-CLIP. Shapes: B pictures, C channels, H×W pixels, E
numbers of a time, N tokens of D numbers.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from restora.networks.sr_diff.attention import ContextAttention, LinearAttention
from restora.networks.sr_diff.config import UNetConfig

PLANES = 3
LARGEST_EXPONENT = 3.0  # of the gain: 20 times as light, or as dark
LONGEST = 10_000  # period of the slowest sinusoid, in steps


class TimedBlock(nn.Module):
    """Two 3x3 convolutions; the time scales and shifts what is between them."""

    def __init__(self, channels: int, out: int, time_dim: int) -> None:
        super().__init__()
        self.time = nn.Linear(time_dim, 2 * out)
        self.conv1 = nn.Conv2d(channels, out, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1, bias=False)
        self.skip = nn.Identity() if channels == out else nn.Conv2d(channels, out, 1, bias=False)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """(B, C, H, W) and (B, E) to (B, out, H, W)."""
        scale, shift = self.time(functional.silu(time))[..., None, None].chunk(2, dim=1)
        inside = functional.silu(self.conv1(x) * (scale + 1) + shift)
        return cast(Tensor, functional.silu(self.conv2(inside)) + self.skip(x))


class Scale(nn.Module):
    """Blocks and attention of one scale; on the way up each block also gets a skip."""

    def __init__(
        self, channels: int, joined: int, time_dim: int, blocks: int, attention: nn.Module | None
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            TimedBlock(channels + joined, channels, time_dim) for _ in range(blocks)
        )
        self.attention = attention

    def attend(self, x: Tensor, context: Tensor | None) -> Tensor:
        """Its attention, if it has any."""
        if isinstance(self.attention, ContextAttention):
            return cast(Tensor, self.attention(x, context))
        return x if self.attention is None else cast(Tensor, self.attention(x))


class ConditionalUNet(nn.Module):
    """State, degraded picture, time, task and context to three planes.

    The last convolution starts as nothing where ``quiet`` is asked for.
    """

    def __init__(
        self, config: UNetConfig, *, token_dim: int, tasks: int = 1, quiet: bool = False
    ) -> None:
        """
        Args:
            config: Its sizes.
            token_dim: D of the context.
            tasks: How many it is told apart.
            quiet: It starts by giving zeros.
        """
        super().__init__()
        self.config = config
        width, time_dim = config.width, 4 * config.width
        inner, outer = 3 * config.unshuffle**2, [width, *(width * m for m in config.multipliers)]
        self.frequencies = width // 2
        self.time = nn.Sequential(
            nn.Linear(2 * self.frequencies, time_dim), nn.GELU(), nn.Linear(time_dim, time_dim)
        )
        self.task = nn.Linear(tasks, time_dim, bias=False) if tasks > 1 else None
        self.tone = nn.Linear(token_dim, time_dim) if config.modulated else None
        self.stem = nn.Conv2d(
            2 * inner, width, config.stem_px, padding=config.stem_px // 2, bias=False
        )
        pairs = list(pairwise(outer))
        last = len(pairs) - 1

        def attention(channels: int, level: int) -> nn.Module | None:
            if level == last:
                return self._context_attention(channels, token_dim)
            if not config.linear_attention:
                return None
            return LinearAttention(channels, config.head_dim)

        self.down = nn.ModuleList(
            Scale(few, 0, time_dim, config.blocks, attention(few, level))
            for level, (few, _) in enumerate(pairs)
        )
        self.shrink = nn.ModuleList(
            nn.Conv2d(few, many, 3, padding=1)
            if level == last
            else nn.Conv2d(few, many, 4, stride=2, padding=1)
            for level, (few, many) in enumerate(pairs)
        )
        deepest = outer[-1]
        self.middle = nn.ModuleList(TimedBlock(deepest, deepest, time_dim) for _ in range(2))
        self.middle_attention = self._context_attention(deepest, token_dim)
        self.up = nn.ModuleList(
            Scale(many, few, time_dim, config.blocks, attention(many, level))
            for level, (few, many) in enumerate(pairs)
        )
        self.grow = nn.ModuleList(nn.Conv2d(many, few, 3, padding=1) for few, many in pairs)
        self.final = TimedBlock(2 * width, width, time_dim)
        self.out = nn.Conv2d(width, inner + (PLANES if config.gain else 0), 3, padding=1)
        if quiet:
            nn.init.zeros_(self.out.weight)
            nn.init.zeros_(self.out.bias)  # type: ignore[arg-type] # there is one

    def forward(
        self,
        state: Tensor,
        degraded: Tensor,
        time: Tensor,
        task: Tensor,
        context: Tensor | None,
    ) -> Tensor:
        """Three planes for each picture.

        Args:
            state: (B, 3, H, W) x_t, 0-1 and noise; H and W multiples of ``multiple_px``.
            degraded: (B, 3, H, W) mu, 0-1.
            time: (B,) t, 0 to the steps of the SDE.
            task: (B, K) one-hot; a network of one task does not look at it.
            context: (B, N, D); None: nothing guides it, and what would look at it is left out.

        Returns:
            (B, 3, H, W).
        """
        config, last = self.config, len(self.down) - 1
        told = self.time(self._sinusoids(time).to(state.dtype))
        if self.task is not None:
            told = told + self.task(task)
        if self.tone is not None and context is not None:
            told = told + self.tone(context[:, 0])
        x = torch.cat([state - degraded, degraded], dim=1)
        x = stem = self.stem(functional.pixel_unshuffle(x, config.unshuffle))
        skips: list[Tensor] = []
        for scale, shrink in zip(self.down, self.shrink, strict=True):
            for number, block in enumerate(scale.blocks):  # type: ignore[arg-type] # a list
                x = block(x, told)
                if number == len(scale.blocks) - 1:  # type: ignore[arg-type]
                    x = scale.attend(x, context)  # type: ignore[operator]
                skips.append(x)
            x = shrink(x)
        x = self.middle[0](x, told)
        x = self.middle[1](self.middle_attention(x, context), told)
        for level in range(last, -1, -1):
            scale = self.up[level]
            for block in scale.blocks:  # type: ignore[union-attr]
                x = block(torch.cat([x, skips.pop()], dim=1), told)
            x = scale.attend(x, context)  # type: ignore[operator]
            if level > 0:
                x = functional.interpolate(x, scale_factor=2.0, mode="nearest")
            x = self.grow[level](x)
        x = self.final(torch.cat([x, stem], dim=1), told)
        told = self.out(x)
        if not config.gain:
            return functional.pixel_shuffle(told, config.unshuffle)
        change, exponent = told[:, :-PLANES], told[:, -PLANES:]
        smooth = functional.interpolate(
            exponent, scale_factor=float(config.unshuffle), mode="bilinear", align_corners=False
        )
        gain = torch.exp(LARGEST_EXPONENT * torch.tanh(smooth / LARGEST_EXPONENT))
        return functional.pixel_shuffle(change, config.unshuffle) + (gain - 1) * degraded

    def _context_attention(self, channels: int, token_dim: int) -> ContextAttention:
        config = self.config
        return ContextAttention(
            channels,
            token_dim,
            config.head_dim,
            self_attention=config.self_attention,
            norm=config.norm,
        )

    def _sinusoids(self, time: Tensor) -> Tensor:
        """(B,) to (B, E). Source: Ho et al., NeurIPS 2020, as in Vaswani et al."""
        places = torch.arange(self.frequencies, device=time.device, dtype=torch.float32)
        angles = time.float()[:, None] * torch.exp(
            -math.log(LONGEST) / (self.frequencies - 1) * places
        )
        return torch.cat([angles.sin(), angles.cos()], dim=1)
