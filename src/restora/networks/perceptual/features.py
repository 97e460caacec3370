"""What a perceptual distance compares: stages of features, from fine to coarse.

Shapes: B pictures, C channels of a stage, H×W pixels.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from restora.semantics.efficientnet_lite import Classifier, load_classifier


class Features(Protocol):
    """Gives stages of features; gradients pass to the pictures and to nothing else.

    Means are compared as ratios, so a channel should not be negative: one that goes both ways may
    have a mean near 0, whose ratio says nothing.
    """

    @property
    def channels(self) -> tuple[int, ...]:
        """C of every stage."""

    def __call__(self, pictures: Tensor) -> list[Tensor]:
        """The stages, each (B, C, h, w).

        Args:
            pictures: (B, 3, H, W), RGB, 0-1; normalising them is the features' own business.
        """


class LiteFeatures(nn.Module):
    """EfficientNet-Lite at H/2, H/4, H/8 and H/16.

    What ends a block has no ReLU: its positive and its negative part become channels of their own.
    The level at H/32 is left out. Its 1280 channels would outweigh all others, and of the crops a
    network is trained on it sees a few places only.
    """

    LEVELS = 4

    def __init__(self, classifier: Classifier | str = "lite0") -> None:
        """Take a classifier, or load one.

        Args:
            classifier: One, or the name of one: ``"lite0"`` or ``"lite2"``.

        Raises:
            MissingExtra: The package of its weights is not installed.
            UsageError: There is no classifier of this name.
        """
        super().__init__()
        loaded = load_classifier(classifier) if isinstance(classifier, str) else classifier
        self._classifier = loaded
        self._device = torch.device("cpu")
        with torch.no_grad():
            stages = self(torch.zeros(1, 3, 32, 32))
        self._channels = tuple(stage.shape[1] for stage in stages)

    @property
    def channels(self) -> tuple[int, ...]:
        """C of every stage, of both signs."""
        return self._channels

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """The stages, each (B, C, h, w), not negative, of pictures (B, 3, H, W), 0-1."""
        if pictures.device != self._device:  # the classifier is no module: it follows the pictures
            self._classifier.to(str(pictures.device))
            self._device = pictures.device
        levels: list[Tensor] = self._classifier.levels(pictures)[: self.LEVELS]
        return [functional.relu(torch.cat([level, -level], dim=1)) for level in levels]
