"""Other prompts than SAIPE's, for ablation: none, one that is learned, and CODiff's way.

Shapes: B pictures of H×W pixels, T tokens of D numbers.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from restora.networks.sodiff.saipe import SAIPE, SAIPEConfig


class EmptyPrompt(nn.Module):
    """The same tokens for every picture, all nothing, as a text encoder's padding has them."""

    def __init__(self, config: SAIPEConfig) -> None:
        super().__init__()
        self.config = config

    def forward(self, picture: Tensor) -> Tensor:
        """(B, 3, H, W) to (B, T, D)."""
        shape = (picture.shape[0], self.config.queries, self.config.token_dim)
        return picture.new_zeros(shape)


class LearnedPrompt(nn.Module):
    """The same tokens for every picture, learned with the U-Net."""

    def __init__(self, config: SAIPEConfig) -> None:
        super().__init__()
        self.tokens = nn.Parameter(torch.randn(config.queries, config.token_dim) * 0.02)

    def forward(self, picture: Tensor) -> Tensor:
        """(B, 3, H, W) to (B, T, D)."""
        return self.tokens.expand(picture.shape[0], -1, -1)


class CaVE(nn.Module):
    """Tokens of a strided convolutional encoder, without words: a token for 32×32 pixels.

    Source: CODiff's compression-aware visual embedder: four levels of residual blocks, strides 2,
    4 and 4, then one linear layer. It looks at the same small copy of the picture as SAIPE.
    """

    def __init__(self, config: SAIPEConfig, *, blocks: int = 1) -> None:
        super().__init__()
        self.config = config
        widths = [max(8, config.channels * part // 8) for part in (1, 2, 4, 8)]
        layers: list[nn.Module] = [nn.Conv2d(3, widths[0], 3, padding=1)]
        for level, width in enumerate(widths):
            if level:
                stride = (2, 4, 4)[level - 1]
                layers.append(nn.Conv2d(widths[level - 1], width, stride, stride))
            layers += [_Block(width) for _ in range(blocks)]
        self.encoder = nn.Sequential(*layers)
        self.linear = nn.Linear(widths[-1], config.token_dim)

    def forward(self, picture: Tensor) -> Tensor:
        """(B, 3, H, W) to (B, (side/32)², D)."""
        side = (self.config.side_px, self.config.side_px)
        if picture.shape[2:] != side:
            picture = functional.interpolate(picture, side, mode="bilinear", antialias=True)
        tokens: Tensor = self.linear(self.encoder(picture).flatten(2).transpose(1, 2))
        return tokens


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.inner(x)  # type: ignore[no-any-return]


PROMPTS: dict[str, type[nn.Module]] = {
    "saipe": SAIPE,
    "empty": EmptyPrompt,
    "learned": LearnedPrompt,
    "cave": CaVE,
}
