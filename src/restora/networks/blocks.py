"""Blocks that more than one network is built from.

Shapes: B pictures, C channels, H×W pixels.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


def batch_norm(channels: int, *, used: bool) -> nn.Module:
    """Batch normalisation with the constants of the released DAGN, or nothing."""
    return nn.BatchNorm2d(channels, eps=1e-4, momentum=0.9) if used else nn.Identity()


class ResidualBlock(nn.Module):
    """``x + conv(relu(conv(x)))``, 3x3. Source: FBCNN, section 3.

    With ``norm`` the first convolution is normalised over the batch, as in DAGN.
    """

    def __init__(self, channels: int, *, norm: bool = False) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm = batch_norm(channels, used=norm)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def branch(self, x: Tensor) -> Tensor:
        """What is added to ``x``: (B, C, H, W) to the same shape."""
        return self.conv2(functional.relu(self.norm(self.conv1(x))))  # type: ignore[no-any-return]

    def forward(self, x: Tensor) -> Tensor:
        return self.plain(x)

    def plain(self, x: Tensor) -> Tensor:
        """``x`` and its branch: (B, C, H, W) to the same shape."""
        return x + self.branch(x)


class ModulatedBlock(ResidualBlock):
    """A residual block whose branch is gated and shifted per channel.

    ``x + gamma * branch(x) + beta`` with gamma and beta of shape (B, C, 1, 1).
    Source: FBCNN, the QF attention block.
    """

    def forward(self, x: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:  # type: ignore[override]
        return x + gamma * self.branch(x) + beta
