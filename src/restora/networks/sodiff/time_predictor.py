"""Which start timestep a compressed picture needs, and how hard it was compressed.

Source: SODiff (arXiv 2508.07346), the quality-factor-aware time predictor: residual blocks and one
pooled vector feed two heads. One chooses among candidate timesteps; the other tells the quality,
only so that the shared features know of it.

Shapes: B pictures, 0-1 RGB, H×W pixels, never resized: that would destroy the 8x8 grid it looks
for. C features, K candidates. Quality is the strength ``s = (100 - QF) / 100``, as in FBCNN.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Self, cast

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from restora.networks.sodiff.buckets import CANDIDATES, slice_of

TINY = 1e-6  # a share that stands for none


class TimePredictorConfig(BaseModel):
    """Every number of the architecture; the defaults are the compact network."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    widths: tuple[int, ...] = Field(
        (16, 32, 64, 64), min_length=1, description="channels of each block; all but one stride 2"
    )
    candidates: tuple[int, ...] = Field(
        CANDIDATES, min_length=2, description="timesteps to choose from, weakest first"
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if min(self.widths) < 1:
            raise ValueError(f"widths are at least 1, not {self.widths}")
        if self.candidates[0] < 0 or any(a >= b for a, b in pairwise(self.candidates)):
            raise ValueError(f"candidates rise from 0 or more, not {self.candidates}")
        return self


PUBLISHED = TimePredictorConfig(widths=(32, 64, 128, 256))
"""This project's choice at the scale of the paper, whose own widths are not public."""


class Block(nn.Module):
    """(Conv, BN, ReLU) twice inside an additive skip, projected where the shape changes."""

    def __init__(self, before: int, after: int, *, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(after)
        same = before == after and stride == 1
        self.skip = nn.Identity() if same else nn.Conv2d(before, after, 1, stride=stride)

    def forward(self, x: Tensor) -> Tensor:
        """(B, c, H, W) to (B, c', H/stride, W/stride), rounded up."""
        y = functional.relu(self.norm1(self.conv1(x)))
        y = functional.relu(self.norm2(self.conv2(y)))
        return cast(Tensor, self.skip(x)) + y


class TimePredictor(nn.Module):
    """The network; see the module's docstring. Normalises over the batch: 8 pictures and more."""

    def __init__(self, config: TimePredictorConfig) -> None:
        super().__init__()
        self.config = config
        first, last = config.widths[0], config.widths[-1]
        self.stem = nn.Conv2d(3, first, 3, padding=1)
        self.blocks = nn.Sequential(
            Block(first, first, stride=1),
            *(Block(a, b, stride=2) for a, b in pairwise(config.widths)),
        )
        self.time_head = nn.Linear(last, len(config.candidates))
        self.quality_head = nn.Sequential(
            nn.Linear(last, last), nn.ReLU(), nn.Linear(last, 1), nn.Sigmoid()
        )
        # As for FBCNN's head: what JPEG did is small against the mean of a picture. Without this
        # nothing is learned for hundreds of steps.
        stem = self.stem.weight.data
        stem -= stem.mean(dim=(2, 3), keepdim=True)
        stem *= 8

    def look(self, picture: Tensor) -> Tensor:
        """(B, 3, H, W) in 0-1, any size from 1x1, to features (B, C, h, w) before pooling."""
        return cast(Tensor, self.blocks(self.stem(picture)))

    def heads(self, pooled: Tensor) -> tuple[Tensor, Tensor]:
        """Pooled features (B, C) to what :meth:`forward` gives."""
        return self.time_head(pooled), self.quality_head(pooled)

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        """Look at pictures.

        Args:
            picture: (B, 3, H, W) in 0-1, at the pixels it was compressed at.

        Returns:
            Logits of the candidates (B, K) and the strength (B, 1) in 0-1.
        """
        return self.heads(self.look(picture).mean(dim=(2, 3)))


def choose(
    logits: Tensor,
    temperature: float,
    *,
    generator: torch.Generator | None = None,
    hard: bool = True,
) -> Tensor:
    """A random choice that passes gradients on: straight-through Gumbel-softmax, for training.

    Args:
        logits: (B, K).
        temperature: Above 0; the lower, the nearer to a hard choice.
        generator: Where the noise comes from.
        hard: One-hot forward, the gradient of the soft choice backward; else soft in both.

    Returns:
        (B, K); each row sums to 1.
    """
    noise = torch.rand(logits.shape, generator=generator, device=logits.device, dtype=logits.dtype)
    smallest = torch.finfo(logits.dtype).tiny
    gumbel = -torch.log((-torch.log(noise.clamp_min(smallest))).clamp_min(smallest))
    soft = torch.softmax((logits + gumbel) / temperature, dim=1)
    if not hard:
        return soft
    one_hot = torch.zeros_like(soft).scatter(1, soft.argmax(dim=1, keepdim=True), 1.0)
    return one_hot + (soft - soft.detach())  # in this order the sum is exactly one-hot


def pick(logits: Tensor) -> Tensor:
    """The best candidate's index without noise, for inference: (B, K) to (B,)."""
    return logits.argmax(dim=1)


def bucket(strength: Tensor, candidates: int = len(CANDIDATES)) -> Tensor:
    """The candidate to start with before anything is known of what each timestep does.

    Strength 0-1 is cut into as many equal slices as there are candidates:
    ``min(floor(candidates * s), candidates - 1)``. Low quality gets a large timestep.

    Args:
        strength: (B,) or (B, 1) in 0-1.
        candidates: How many, weakest first.

    Returns:
        Indices (B,).
    """
    indices: Tensor = slice_of(strength.flatten(), candidates).long()
    return indices


def balance_loss(choice: Tensor) -> Tensor:
    """How far a batch's choices are from using every candidate alike, 0 to ln K.

    The divergence of the mean choice from the uniform one, ``KL(mean y || uniform)``.

    Args:
        choice: (B, K) of :func:`choose`.
    """
    share = choice.mean(dim=0)
    # A candidate that nobody chose must still get a finite gradient.
    return (share * (share.clamp_min(TINY).log() + math.log(choice.shape[1]))).sum()
