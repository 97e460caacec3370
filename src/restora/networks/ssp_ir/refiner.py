"""The refine layer: image tokens of a damaged picture, brought near those of a clean one.

Source: SSP-IR, its code (TPBNet). Shapes: B pictures, T tokens of F numbers, of D behind.
"""

from __future__ import annotations

from torch import Tensor, nn

from restora.networks.ssp_ir.config import RefinerConfig

SLOPE = 0.01


class RefineLayer(nn.Module):
    """Each token by itself."""

    def __init__(self, config: RefinerConfig, token_dim: int) -> None:
        """
        Args:
            config: Its numbers.
            token_dim: F.
        """
        super().__init__()
        layers: list[nn.Module] = []
        width = token_dim
        for _ in range(config.layers):
            layers += [
                nn.Linear(width, config.hidden),
                nn.LayerNorm(config.hidden),
                nn.LeakyReLU(SLOPE),
            ]
            width = config.hidden
        self.layers = nn.Sequential(*layers, nn.Linear(width, config.dim))

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, T, F) to (B, T, D)."""
        found: Tensor = self.layers(tokens)
        return found
