"""Features without any weights: how much texture of which direction there is, octave by octave.

Each octave of a pyramid is looked at by Gabor filters of four directions, in two phases each; the
magnitude of the two phases is kept, smoothed, beside the plain low-pass luma and chroma. A texture
and another sample of it have the same magnitudes, a texture and its blur have not.

Source: the filters after Daugman, Uncertainty relation for resolution in space, spatial frequency,
and orientation optimized by two-dimensional visual cortical filters, JOSA A 1985; the pyramid after
Burt and Adelson, The Laplacian pyramid as a compact image code, 1983. The numbers are our choice.

Shapes: B pictures, H×W pixels.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from restora.images import RGB_TO_YCBCR

SIZE = 7  # of a filter, pixels of its octave
WAVELENGTH_PX = 3.0  # of the finest octave: the finest there is without the corners of the spectrum
SIGMA_PX = 1.25  # neighbouring octaves and directions meet at about half their height
DIRECTIONS = 4
LOW = 3  # low-pass channels: luma and the two chromas
QUIET = 1e-4  # of a magnitude: far below a gray level; keeps its gradient finite where nothing is


class FilterBank(nn.Module):
    """Stages at H/2, H/4 and so on: four magnitudes, then low-pass luma and chroma.

    All are in the units of the picture: a wave of amplitude a has the magnitude a in the first
    octave and about a/2 in the others, where the pyramid has taken the rest; chroma is 0.5 where
    there is none. So the 1e-6 of DISTS is a quarter of a gray level, squared.
    """

    blur: Tensor
    gabor: Tensor
    to_ycbcr: Tensor
    chroma_zero: Tensor

    def __init__(self, octaves: int = 4) -> None:
        """Compute the filters.

        Args:
            octaves: How many; wavelengths of 3, 6, 12, 24 ... pixels.
        """
        super().__init__()
        self.octaves = octaves
        binomial = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
        self.register_buffer("blur", torch.outer(binomial, binomial)[None, None], persistent=False)
        self.register_buffer("gabor", gabor_filters(), persistent=False)
        matrix = torch.tensor(RGB_TO_YCBCR, dtype=torch.float32)
        self.register_buffer("to_ycbcr", matrix[:, :, None, None], persistent=False)
        offset = torch.tensor([0.0, 0.5, 0.5])
        self.register_buffer("chroma_zero", offset, persistent=False)

    @property
    def channels(self) -> tuple[int, ...]:
        """C of every stage, finest first."""
        return (DIRECTIONS + LOW,) * self.octaves

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """The stages, each (B, 7, h, w), of pictures (B, 3, H, W), RGB, 0-1."""
        level = functional.conv2d(pictures, self.to_ycbcr, self.chroma_zero)
        stages = []
        for _ in range(self.octaves):
            waves = functional.conv2d(_widened(level[:, :1], SIZE // 2), self.gabor)
            even, odd = waves.chunk(2, dim=1)
            magnitudes = (even * even + odd * odd + QUIET * QUIET).sqrt()
            stage = self._halved(torch.cat([magnitudes, level], dim=1))
            level = stage[:, DIRECTIONS:]
            stages.append(stage)
        return stages

    def _halved(self, x: Tensor) -> Tensor:
        """(B, C, H, W) without what half the pixels cannot hold, to (B, C, ⌈H/2⌉, ⌈W/2⌉)."""
        channels = x.shape[1]
        blur = self.blur.expand(channels, -1, -1, -1)
        return functional.conv2d(_widened(x, 2), blur, stride=2, groups=channels)


def texture_weights(bank: FilterBank) -> tuple[Tensor, Tensor]:
    """Weights of DISTS that let a texture be another sample of itself: alpha and beta.

    How much of a magnitude there is counts for more than where it is; low-pass channels, and the
    picture itself, are where structure is compared.
    """
    picture, stages = torch.tensor([1.0] * LOW), len(bank.channels)
    alpha = torch.tensor([4.0] * DIRECTIONS + [1.0] * LOW)
    beta = torch.tensor([1.0] * DIRECTIONS + [1.0] * LOW)
    return torch.cat([picture, alpha.repeat(stages)]), torch.cat([picture, beta.repeat(stages)])


def gabor_filters() -> Tensor:
    """Even filters of four directions, then odd ones: (8, 1, 7, 7).

    Neither answers to a constant; to a wave of its own direction and length with amplitude 1 each
    pair answers with the magnitude 1.
    """
    reach = torch.arange(SIZE, dtype=torch.float64) - SIZE // 2
    y, x = torch.meshgrid(reach, reach, indexing="ij")
    window = torch.exp(-(x * x + y * y) / (2 * SIGMA_PX**2))
    evens, odds = [], []
    for direction in range(DIRECTIONS):
        angle = math.pi * direction / DIRECTIONS
        phase = 2 * math.pi / WAVELENGTH_PX * (x * math.cos(angle) + y * math.sin(angle))
        even = window * torch.cos(phase)
        even = even - window * even.sum() / window.sum()
        odd = window * torch.sin(phase)
        evens.append(even / (even * torch.cos(phase)).sum())
        odds.append(odd / (odd * torch.sin(phase)).sum())
    return torch.stack([*evens, *odds])[:, None].float()


def _widened(x: Tensor, by_px: int) -> Tensor:
    """Repeat the outermost pixels, so that a border is no edge and any size will do."""
    return functional.pad(x, (by_px,) * 4, mode="replicate")
