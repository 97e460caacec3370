"""What prior-guided attention adds to a U-Net: layers that read image tokens, or pixels.

Source: SSP-IR, its framework figure (light) and its code (full). The layers are diffusers'.

Shapes: B pictures; maps (B, C, h, w); image tokens (B, T, D); a ControlNet residual (B, C', h, w).
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers.models.attention_processor import Attention
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from torch import Tensor, nn

from restora.networks.ssp_ir.config import AttentionConfig


class Guide(nn.Module):
    """Adds to a map what it finds in tokens."""

    def __init__(
        self, config: AttentionConfig, *, channels: int, heads: int, dim: int, groups: int
    ) -> None:
        """
        Args:
            config: The form.
            channels: C.
            heads: Of attention.
            dim: Numbers of a token.
            groups: Of the norm.
        """
        super().__init__()
        self.full = config.form == "full"
        width = channels // heads
        if self.full:
            self.block: Any = Transformer2DModel(
                heads,
                width,
                in_channels=channels,
                cross_attention_dim=dim,
                norm_num_groups=groups,
            )
            last = self.block.proj_out
        else:
            self.norm = nn.GroupNorm(groups, channels)
            self.attention = Attention(channels, dim, heads=heads, dim_head=width)
            last = self.attention.to_out[0]
        if config.zero_init:
            for parameter in last.parameters():
                nn.init.zeros_(parameter)

    def forward(self, x: Tensor, tokens: Tensor) -> Tensor:
        """(B, C, h, w) and (B, T, D) to (B, C, h, w)."""
        if self.training and x.device.type == "cpu" and not x.requires_grad:
            # Behind a frozen block: with channels last PyTorch's group norm would crash there.
            x = x.contiguous()
        if self.full:
            found: Tensor = self.block(x, encoder_hidden_states=tokens, return_dict=False)[0]
            return found
        flat = self.norm(x).flatten(2).transpose(1, 2)
        told: Tensor = self.attention(flat, encoder_hidden_states=tokens)
        return x + told.transpose(1, 2).reshape(x.shape)


class PixelGuide(nn.Module):
    """Adds to a map what it finds in the ControlNet's residual of the same skip."""

    def __init__(
        self, config: AttentionConfig, *, channels: int, heads: int, dim: int, groups: int
    ) -> None:
        """As :class:`Guide`; ``dim`` is C'."""
        super().__init__()
        self.window = config.window
        self.guide = Guide(config, channels=channels, heads=heads, dim=dim, groups=groups)

    def forward(self, x: Tensor, residual: Tensor) -> Tensor:
        """(B, C, h, w) and (B, C', h, w) to (B, C, h, w); windows divide h and w."""
        if self.window is None:
            found: Tensor = self.guide(x, residual.flatten(2).transpose(1, 2))
            return found
        # A window is cut out of a map by its place alone, so tiles on its grid agree.
        rows, columns = x.shape[2] // self.window, x.shape[3] // self.window
        cut, told = (_windows(each, self.window) for each in (x, residual))
        made = self.guide(cut, told.flatten(2).transpose(1, 2))
        return _join(made, rows, columns)


def _windows(x: Tensor, side: int) -> Tensor:
    """(B, C, h, w) to (B·N, C, side, side)."""
    batch, channels, height, width = x.shape
    cut = x.reshape(batch, channels, height // side, side, width // side, side)
    return cut.permute(0, 2, 4, 1, 3, 5).reshape(-1, channels, side, side)


def _join(windows: Tensor, rows: int, columns: int) -> Tensor:
    """Undo :func:`_windows`."""
    _, channels, side, _ = windows.shape
    cut = windows.reshape(-1, rows, columns, channels, side, side)
    joined = cut.permute(0, 3, 1, 4, 2, 5)
    return torch.reshape(joined, (-1, channels, rows * side, columns * side))
