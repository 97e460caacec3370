"""The structure prior: a clean picture at several sizes, and features for the ControlNet.

Source: SSP-IR, its Processor: ControlNet's condition encoder with an RGB head behind each halving,
and an optional residual network (MSRResNet, without batch norm) at full size in front.

Shapes: B pictures of H×W pixels. Inside, pixels are -1 to 1, as the codec has them.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

from restora.networks.ssp_ir.config import FrontConfig, ProcessorConfig

SLOPE = 0.1  # of MSRResNet's leaky ReLU


@dataclass(frozen=True)
class Processed:
    """What the Processor makes of pictures.

    Attributes:
        features: (B, C, h, w) for the ControlNet.
        picture: (B, 3, H, W), 0-1, not clipped: what the front end restored, or the input.
        heads: (B, 3, h_l, w_l), -1 to 1: the front end's result if there is one, then one for each
            halving.
    """

    features: Tensor
    picture: Tensor
    heads: tuple[Tensor, ...]


class Processor(nn.Module):
    """Cleans what ControlNet is shown."""

    def __init__(self, config: ProcessorConfig, *, channels: int, factor: int) -> None:
        """
        Args:
            config: Its numbers.
            channels: C of the features.
            factor: Pixels to each side of a place in them; divides that of its last map.
        """
        super().__init__()
        self.front = None if config.front is None else Front(config.front)
        self.head = nn.Conv2d(3, config.widths[0], 3, padding=1)
        self.stages = nn.ModuleList(_Stage(*pair) for pair in pairwise(config.widths))
        self.to_rgb = nn.ModuleList(nn.Conv2d(c, 3, 3, padding=1) for c in config.widths[1:])
        self.grow = config.factor // factor
        self.tail = nn.Conv2d(config.widths[-1], channels * self.grow**2, 3, padding=1)
        for parameter in self.tail.parameters():  # as ControlNet starts: nothing is told at first
            nn.init.zeros_(parameter)

    def forward(self, picture: Tensor) -> Processed:
        """(B, 3, H, W), 0-1, H and W multiples of all factors."""
        x = picture * 2 - 1
        heads = []
        if self.front is not None:
            x = self.front(x)
            heads.append(x)
            picture = x / 2 + 0.5
        x = functional.silu(self.head(x))
        for stage, to_rgb in zip(self.stages, self.to_rgb, strict=True):
            x = stage(x)
            heads.append(to_rgb(x))
        features = functional.pixel_shuffle(self.tail(x), self.grow)
        return Processed(features, picture, tuple(heads))


class _Stage(nn.Module):
    """Two convolutions, of which the second halves."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.same = nn.Conv2d(channels, channels, 3, padding=1)
        self.halve = nn.Conv2d(channels, out, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return functional.silu(self.halve(functional.silu(self.same(x))))


class Front(nn.Module):
    """A residual network at full size, which at first changes nothing."""

    def __init__(self, config: FrontConfig) -> None:
        super().__init__()
        self.fold = config.unshuffle
        folded = 3 * config.unshuffle**2
        widths = config.widths
        self.head = nn.Conv2d(folded, widths[0], 3, padding=1)
        self.down = nn.ModuleList(_blocks(width, config.blocks) for width in widths)
        self.shrink = nn.ModuleList(nn.Conv2d(*pair, 2, stride=2) for pair in pairwise(widths))
        self.grow = nn.ModuleList(
            nn.ConvTranspose2d(large, small, 2, stride=2) for small, large in pairwise(widths)
        )
        self.up = nn.ModuleList(_blocks(width, config.blocks) for width in widths[:-1])
        self.last = nn.Conv2d(widths[0], widths[0], 3, padding=1)
        self.gain = config.gain
        self.tail = nn.Conv2d(widths[0], folded * (1 + self.gain), 3, padding=1)
        for parameter in self.tail.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) to the same."""
        seen = functional.pixel_unshuffle(x, self.fold)
        deep = functional.leaky_relu(self.head(seen), SLOPE)
        skips = []
        for blocks, shrink in zip(self.down[:-1], self.shrink, strict=True):
            skips.append(blocks(deep))
            deep = shrink(skips[-1])
        deep = self.down[-1](deep)
        for place in reversed(range(len(skips))):
            deep = self.up[place](skips[place] + self.grow[place](deep))
        told = self.tail(functional.leaky_relu(self.last(deep), SLOPE))
        if self.gain:
            told, stays = told.chunk(2, dim=1)
            told = told + seen * stays
        return x + functional.pixel_shuffle(told, self.fold)


def _blocks(channels: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(_Residual(channels) for _ in range(count)))


class _Residual(nn.Module):
    """Convolution, ReLU, convolution, plus the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        for conv in (self.first, self.second):
            nn.init.kaiming_normal_(conv.weight)
        self.second.weight.data.mul_(0.1)  # so that many blocks add up to little at first

    def forward(self, x: Tensor) -> Tensor:
        changed: Tensor = self.second(functional.relu(self.first(x)))
        return x + changed
