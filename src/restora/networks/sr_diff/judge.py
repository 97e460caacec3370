"""The judge: which task a picture needs, if any; ours.

It sees a picture whole, where haze and darkness show, and crops of it at its own pixels, where
blur and streaks show. Of each view it takes statistics: how bright, how colourful and how hazy its
places are, and how strong lines and edges of every direction are at several scales. Blur and rain
change their proportions, so logarithms are taken. What is learned is the head that reads them: of
the whole, the mean over the crops and the largest, since damage may lie in one corner.

Source: He et al. 2009 (the dark channel tells haze); Field 1987 (a photo's energy at each scale).
Shapes: B pictures, V views of each, the first of the whole, S×S pixels, 0-1; K tasks; C statistics.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from restora.networks.sr_diff.config import JudgeConfig

LUMA = (0.299, 0.587, 0.114)
LEVELS = 8  # of a histogram
DARK_PX = 9  # side of the neighbourhood of the dark channel
DIRECTIONS = 8
FILTER_PX = 7
SIGMAS_PX = (1.0, 1.8)  # of a filter, across its line and along
SCALES = 4
FLOOR = 1e-3  # a quarter of a gray level: fainter lines are none
DARKEST = 0.01
DROPPED = (0.1, 0.25)  # of the statistics and of what follows, while it learns


class Statistics(nn.Module):
    """Views (N, 3, S, S) to statistics (N, C); nothing in it is learned."""

    luma: Tensor
    filters: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("luma", torch.tensor(LUMA)[:, None, None], persistent=False)
        # As half precision has them, in which a graph stores what is large.
        self.register_buffer("filters", oriented_filters().half().float(), persistent=False)

    @property
    def count(self) -> int:
        """C."""
        return 3 * LEVELS + 6 + SCALES * (5 * DIRECTIONS + 4)

    def forward(self, views: Tensor) -> Tensor:
        luma = (views * self.luma).sum(dim=1, keepdim=True)
        least, most = views.amin(dim=1, keepdim=True), views.amax(dim=1, keepdim=True)
        dark = -functional.max_pool2d(-least, DARK_PX, stride=DARK_PX // 2)
        told = [_histogram(x) for x in (luma, dark, most - least)]
        told += [views.mean(dim=(2, 3)), torch.log(luma.mean(dim=(2, 3)) + DARKEST)]
        told += [_log_energy(x - x.mean(dim=(2, 3), keepdim=True)) for x in (luma, dark)]
        for scale in range(SCALES):
            x = luma if scale == 0 else functional.avg_pool2d(luma, 2**scale)
            border = [FILTER_PX // 2] * 4
            found = functional.conv2d(functional.pad(x, border, mode="replicate"), self.filters)
            bright = functional.relu(found[:, :DIRECTIONS])  # streaks are brighter than their place
            energy = _log_energy(found)
            told += [torch.log(found.abs().mean(dim=(2, 3)) + FLOOR), energy, _log_energy(bright)]
            # How much more one direction has than another tells motion, whichever it is.
            for kind in (energy[:, :DIRECTIONS], energy[:, DIRECTIONS:]):
                told += [kind.amax(dim=1, keepdim=True), kind.amin(dim=1, keepdim=True)]
        return torch.cat(told, dim=1)


class Judge(nn.Module):
    """The network; see the module's docstring. Normalises over the pictures of a batch.

    Attributes:
        config: Its sizes.
        tasks: Names behind "nothing", in the order of the logits.
        numbers: 3C.
    """

    temperature: Tensor

    def __init__(self, config: JudgeConfig, tasks: Sequence[str]) -> None:
        """
        Args:
            config: Its sizes.
            tasks: K names; their order is that of the logits behind "nothing".
        """
        super().__init__()
        self.config = config
        self.tasks = tuple(tasks)
        self.statistics = Statistics()
        self.numbers = told = 3 * self.statistics.count
        layers: list[nn.Module] = [nn.BatchNorm1d(told), nn.Dropout(DROPPED[0])]
        for before, after in pairwise((told, *config.widths)):
            layers += [nn.Linear(before, after), nn.ReLU(), nn.Dropout(DROPPED[1])]
        self.head = nn.Sequential(*layers, nn.Linear(config.widths[-1], 1 + len(tasks)))
        # Fitted when all is learned, so that shares of a softmax are as often right as they say.
        self.register_buffer("temperature", torch.ones(()))

    def look(self, views: Tensor) -> Tensor:
        """What is seen in one picture: views (V, 3, S, S) to (1, 3C); V is 2 or more."""
        told = self.statistics(views)
        crops = told[1:]
        return torch.cat([told[:1], crops.mean(0, keepdim=True), crops.amax(0, keepdim=True)], 1)

    def scores(self, seen: Tensor) -> Tensor:
        """Logits (B, 1 + K) before the temperature, of what is seen, (B, 3C)."""
        return cast(Tensor, self.head(seen))

    def forward(self, views: Tensor) -> Tensor:
        """Judge one picture.

        Args:
            views: (V, 3, S, S), the first of the whole; V is 2 or more.

        Returns:
            Logits (1, 1 + K): nothing, then the tasks. Their softmax is how sure it is.
        """
        return self.scores(self.look(views)) / self.temperature


def oriented_filters() -> Tensor:
    """Lines, then edges, of 8 directions each: (16, 1, 7, 7); flat places give nothing."""
    across, along = SIGMAS_PX
    half = FILTER_PX // 2
    axis = torch.arange(-half, half + 1, dtype=torch.float32)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    lines, edges = [], []
    for direction in range(DIRECTIONS):
        turn = math.pi * direction / DIRECTIONS
        u, v = x * math.cos(turn) + y * math.sin(turn), y * math.cos(turn) - x * math.sin(turn)
        bump = torch.exp(-(u**2) / (2 * across**2) - v**2 / (2 * along**2))
        line, edge = (1 - u**2 / across**2) * bump, u * bump
        line = line - line.mean()
        lines.append(line / line.abs().sum())
        edges.append(edge / edge.abs().sum())
    return torch.stack(lines + edges)[:, None]


def _log_energy(x: Tensor) -> Tensor:
    """The logarithm of the mean square of maps (N, M, H, W), (N, M)."""
    return torch.log(x.square().mean(dim=(2, 3)) + FLOOR**2)


def _histogram(x: Tensor) -> Tensor:
    """Shares of a map (N, 1, H, W) at 8 levels of 0-1, as (N, 8); values between count for both."""
    steps = LEVELS - 1
    levels = [torch.relu(1 - (x - level / steps).abs() * steps) for level in range(LEVELS)]
    return torch.cat([share.mean(dim=(2, 3)) for share in levels], dim=1)
