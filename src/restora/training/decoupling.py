"""What teaches DAGN's encoders and does not ship: heads, a decoder that draws, a discriminator.

Shapes: B pictures, C channels, H×W pixels; S and I channels of the encoders' maps at H/16.
Source: DAGN (Ma et al., IEEE TIP 2024) and its released code; the guard against collapse after
Bardes et al., VICReg, ICLR 2022.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

from restora.networks.blocks import ResidualBlock
from restora.networks.dagn import DAGNConfig
from restora.training.recipe import DecouplingRecipe

DECODER_WIDTHS = (128, 64, 32, 16)  # at H/16, H/8, H/4, H/2
LEAST_DEVIATION = 1.0  # of each number of the insensitive code over a batch


class Companions(nn.Module):
    """Everything beside the network that the network's own optimiser moves."""

    def __init__(self, config: DAGNConfig, code: int, recipe: DecouplingRecipe) -> None:
        super().__init__()
        self.damage = nn.Sequential(
            nn.Linear(code, config.mlp), nn.ReLU(), nn.Linear(config.mlp, 1)
        )
        self.code = nn.Sequential(nn.Conv2d(code, recipe.code_channels, 3, padding=1), nn.ReLU())
        first = DECODER_WIDTHS[0]
        layers: list[nn.Module] = [
            nn.Conv2d(recipe.code_channels, first, 3, padding=1),
            ResidualBlock(first),
        ]
        for before, after in zip(DECODER_WIDTHS, (*DECODER_WIDTHS[1:], 16), strict=True):
            layers += [nn.ConvTranspose2d(before, after, 2, stride=2), nn.ReLU()]
        self.decoder = nn.Sequential(*layers, nn.Conv2d(16, config.channels, 3, padding=1))
        nn.init.constant_(self.decoder[-1].bias, 0.5)  # type: ignore[arg-type]

    def tell_damage(self, code: Tensor) -> Tensor:
        """The sensitive code (B, S) to the mean absolute error a pixel, (B,)."""
        return self.damage(code)[:, 0]  # type: ignore[no-any-return]

    def draw(self, features: Tensor) -> Tensor:
        """The insensitive map (B, I, h, w), through its code, to the picture (B, C, 16h, 16w)."""
        return self.decoder(self.code(features))  # type: ignore[no-any-return]


class Discriminator(nn.Module):
    """Insensitive maps (B, I, h, w) to how sure it is that the picture was compressed, (B,)."""

    def __init__(self, code: int, *, normed: bool) -> None:
        super().__init__()

        def hold(layer: nn.Module) -> nn.Module:
            return spectral_norm(layer) if normed else layer

        widths = (code, max(32, code // 2), max(32, code // 4), 32)
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [hold(nn.Conv2d(before, after, 3, padding=1)), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers)
        self.last = nn.Sequential(
            hold(nn.Linear(32, 100)), nn.LeakyReLU(0.2), hold(nn.Linear(100, 1))
        )

    def forward(self, features: Tensor) -> Tensor:
        return self.last(self.layers(features).mean(dim=(2, 3)))[:, 0]  # type: ignore[no-any-return]


def discriminator_loss(compressed: Tensor, original: Tensor) -> Tensor:
    """Binary cross-entropy of the discriminator's answers, (B,) each, to the truth: 1 and 0."""
    return _bce(compressed, 1) + _bce(original, 0)


def encoder_loss(compressed: Tensor, original: Tensor, *, saturating: bool) -> Tensor:
    """What the encoder wants of the same answers: that they are wrong.

    ``saturating`` is the released form, 1 less the discriminator's loss: it falls without end as
    the discriminator fails, and says little while it wins. The other swaps the labels.
    """
    if saturating:
        return 1 - discriminator_loss(compressed, original)
    return _bce(compressed, 0) + _bce(original, 1)


def variance_loss(codes: Tensor) -> Tensor:
    """How far the deviation of each number of (B, I) falls short of 1, on the mean."""
    return functional.relu(LEAST_DEVIATION - _deviation(codes)).mean()


def correlation_loss(codes: Tensor) -> Tensor:
    """Mean squared correlation between the numbers of (B, I), 0-1: 1 where all tell the same."""
    centred = codes.float() - codes.float().mean(dim=0)
    unit = functional.normalize(centred, dim=0)
    squared = (unit.T @ unit).square()
    count = squared.shape[0]
    return (squared.sum() - squared.diagonal().sum()) / (count * (count - 1))


@torch.no_grad()
def accuracy(compressed: Tensor, original: Tensor) -> Tensor:
    """Share of the discriminator's answers, (B,) each, that are right."""
    right = torch.cat([compressed > 0, original <= 0])
    return right.float().mean()


@torch.no_grad()
def deviation(codes: Tensor) -> Tensor:
    """Mean over the numbers of a code of their standard deviation over (B, I)."""
    return _deviation(codes).mean()


@torch.no_grad()
def rank(codes: Tensor) -> Tensor:
    """Effective rank of codes (B, I): the exponential of the entropy of their singular values.

    1 is a code that tells all pictures apart by one number, or none at all; the most is B - 1.
    Source: Roy and Vetterli, The effective rank, EUSIPCO 2007.
    """
    singular = torch.linalg.svdvals(codes.float() - codes.float().mean(dim=0))
    share = singular / singular.sum().clamp_min(1e-12)
    return torch.exp(-(share * share.clamp_min(1e-12).log()).sum())


def _bce(answer: Tensor, truth: int) -> Tensor:
    return functional.binary_cross_entropy_with_logits(answer, torch.full_like(answer, truth))


def _deviation(codes: Tensor) -> Tensor:
    return torch.sqrt(codes.float().var(dim=0) + 1e-4)
