"""Encoders that see a picture at a sixteenth of its size: ResNet-50 and narrow basic blocks.

Shapes: B pictures, C channels, H×W pixels, both multiples of 16.
Source: He et al., Deep Residual Learning, CVPR 2016, with stride 1 in the last stage as in Zamir et
al., Taskonomy, CVPR 2018.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

from restora.networks.blocks import batch_norm

Block = Literal["basic", "bottleneck"]

STRIDE = 16
STAGE_STRIDES = (1, 2, 2, 1)
EXPANSION = 4  # of a bottleneck: how much wider it ends than it works


class Stride16Encoder(nn.Module):
    """Picture (B, C, H, W) to features (B, ``out_channels``, H/16, W/16), not negative.

    ``"bottleneck"`` with blocks (3, 4, 6, 3) and width 64 is ResNet-50: 7×7 stem, 2048 channels.
    ``"basic"`` has a 5×5 stem and stages of w, 2w, 4w and 8w channels.
    """

    def __init__(
        self, channels: int, *, block: Block, width: int, blocks: tuple[int, ...], norm: bool
    ) -> None:
        super().__init__()
        kernel = 7 if block == "bottleneck" else 5
        self.stem = nn.Conv2d(channels, width, kernel, stride=2, padding=kernel // 2)
        self.norm = batch_norm(width, used=norm)
        stages, before = [], width
        for number, (count, stride) in enumerate(zip(blocks, STAGE_STRIDES, strict=True)):
            inner = width * 2**number
            after = inner * EXPANSION if block == "bottleneck" else inner
            layers: list[nn.Module] = []
            for k in range(count):
                shape = (before if k == 0 else after, inner, after)
                layers.append(_Block(*shape, stride=stride if k == 0 else 1, kind=block, norm=norm))
            stages.append(nn.Sequential(*layers))
            before = after
        self.stages = nn.ModuleList(stages)
        self.out_channels = before

    def forward(self, picture: Tensor) -> Tensor:
        x = functional.relu(self.norm(self.stem(picture)))
        x = functional.max_pool2d(x, 3, stride=2, padding=1)
        for stage in self.stages:
            x = stage(x)
        return x


class _Block(nn.Module):
    """``relu(shortcut(x) + branch(x))`` with two 3×3, or with 1×1, 3×3, 1×1 convolutions."""

    def __init__(
        self, before: int, inner: int, after: int, *, stride: int, kind: Block, norm: bool
    ) -> None:
        super().__init__()

        def conv(a: int, b: int, size: int, step: int = 1) -> nn.Sequential:
            layer = nn.Conv2d(a, b, size, stride=step, padding=size // 2, bias=not norm)
            return nn.Sequential(layer, batch_norm(b, used=norm))

        if kind == "bottleneck":
            parts = [conv(before, inner, 1), conv(inner, inner, 3, stride), conv(inner, after, 1)]
        else:
            parts = [conv(before, after, 3, stride), conv(after, after, 3)]
        self.branch = nn.ModuleList(parts)
        same = stride == 1 and before == after
        self.shortcut = nn.Identity() if same else conv(before, after, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for part in self.branch[:-1]:
            y = functional.relu(part(y))
        return functional.relu(self.shortcut(x) + self.branch[-1](y))
