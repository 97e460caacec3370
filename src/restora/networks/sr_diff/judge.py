"""The judge: which task a picture needs, if any; ours.

It sees a picture whole, where haze and darkness show, and crops of it at its own pixels, where
blur and streaks show. A trunk looks at each view alone, and the mean of each scale's features goes
on: fine ones tell textures, coarse ones places. A head reads what was seen in the whole, what the
crops have in common, and the strongest of them, since damage may lie in one corner.

Shapes: B pictures, V views of each, the first of the whole, S×S pixels, 0-1; K tasks; C features.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from restora.networks.sr_diff.config import JudgeConfig

HIDDEN = 64
DROPPED = 0.2  # of the features, while it learns


class Stage(nn.Module):
    """Half the size, and with ``deep`` a residual: (N, c, H, W) to (N, c', H/2, W/2)."""

    def __init__(self, before: int, after: int, *, deep: bool) -> None:
        super().__init__()
        self.down = nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(after)
        self.deeper = nn.Conv2d(after, after, 3, padding=1, bias=False) if deep else None
        self.deeper_norm = nn.BatchNorm2d(after) if deep else None

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.norm(self.down(x)))
        if self.deeper is None or self.deeper_norm is None:
            return x
        return x + functional.relu(self.deeper_norm(self.deeper(x)))


class Judge(nn.Module):
    """The network; see the module's docstring. Normalises over the views of a batch."""

    temperature: Tensor

    def __init__(self, config: JudgeConfig, tasks: Sequence[str]) -> None:
        """
        Args:
            config: Its sizes.
            tasks: K names; their order is that of the logits behind "nothing".
        """
        super().__init__()
        self.config = config
        last = len(config.widths) - 1
        # Convolutions of large maps cost most and see least.
        self.trunk = nn.ModuleList(
            Stage(before, after, deep=number == last - 1)
            for number, (before, after) in enumerate(pairwise((3, *config.widths)))
        )
        told = 3 * sum(config.widths)
        self.head = nn.Sequential(
            nn.BatchNorm1d(told),
            nn.Linear(told, HIDDEN),
            nn.ReLU(),
            nn.Dropout(DROPPED),
            nn.Linear(HIDDEN, 1 + len(tasks)),
        )
        # Fitted when all is learned, so that the shares of a softmax are as often right as they say.
        self.register_buffer("temperature", torch.ones(()))

    def scores(self, views: Tensor) -> Tensor:
        """Logits (B, 1 + K) before the temperature, of views (B, V, 3, S, S); V is 2 or more."""
        features = self._look(views.flatten(0, 1))
        return self._read(features.unflatten(0, views.shape[:2]))

    def forward(self, views: Tensor) -> Tensor:
        """Look at one picture.

        Args:
            views: (V, 3, S, S), the first of the whole; V is 2 or more.

        Returns:
            Logits (1, 1 + K): nothing, then the tasks. Their softmax is how sure it is.
        """
        return self._read(self._look(views)[None]) / self.temperature

    def _look(self, views: Tensor) -> Tensor:
        """Views (N, 3, S, S) to features (N, C)."""
        x, means = views, []
        for stage in self.trunk:
            x = stage(x)
            means.append(x.mean(dim=(2, 3)))
        return torch.cat(means, dim=1)

    def _read(self, features: Tensor) -> Tensor:
        """Features (B, V, C) to logits (B, 1 + K)."""
        whole, crops = features[:, 0], features[:, 1:]
        told = torch.cat([whole, crops.mean(dim=1), crops.amax(dim=1)], dim=1)
        return cast(Tensor, self.head(told))
