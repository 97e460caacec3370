"""FBCNN: flexible blind JPEG artifact removal (Jiang, Zhang, Timofte, ICCV 2021).

A U-Net (decoupler and reconstructor) with a head that predicts how hard the picture was
compressed and a small controller that turns that one number into a gate and a shift for every
channel of every decoder block. Because the number is explicit, a user may set it.

Shapes: B pictures, C channels (1 gray, 3 RGB), H×W pixels. Pixels are 0-1. Inside the network
the quality factor is a strength ``s = 1 - QF/100``, converted here and nowhere else.

The compact sizes differ from the published network in switches of the configuration:
pixel-unshuffling before the head, a global residual, a gate of ``2 * sigmoid`` (neutral at 1),
luma and chroma instead of RGB inside, and fewer, narrower blocks.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional

from restora.images import RGB_TO_YCBCR
from restora.networks.blocks import ModulatedBlock, ResidualBlock


class FBCNNConfig(BaseModel):
    """Every number of the architecture; the defaults are the published gray network."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    channels: int = Field(1, description="1 for gray, 3 for RGB")
    widths: tuple[int, ...] = Field((64, 128, 256, 512), description="channels of each scale")
    blocks: tuple[int, ...] = Field((4, 4, 4, 4), description="residual blocks of each scale")
    predictor_blocks: int = Field(4, ge=0, description="residual blocks before the quality head")
    mlp: int = Field(512, description="width of the quality head and the controller")
    unshuffle: int = Field(1, ge=1, description="pixel-unshuffle factor before the head")
    residual: bool = Field(False, description="add the input to the output")
    gate_scale: float = Field(1.0, description="gamma is this times a sigmoid")
    ycbcr: bool = Field(False, description="see RGB as luma and chroma inside; needs residual")

    @property
    def multiple_px(self) -> int:
        """Height and width are padded to a multiple of this inside the network."""
        return int(self.unshuffle * 2 ** (len(self.widths) - 1))


class QualityPredictor(nn.Module):
    """Features (B, C, h, w) to strength (B, 1) in 0-1."""

    def __init__(self, channels: int, blocks: int, mlp: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(ResidualBlock(channels) for _ in range(blocks)))
        self.head = nn.Sequential(
            nn.Linear(channels, mlp),
            nn.ReLU(),
            nn.Linear(mlp, mlp),
            nn.ReLU(),
            nn.Linear(mlp, 1),
            nn.Sigmoid(),
        )

    def forward(self, features: Tensor) -> Tensor:
        return self.head(self.blocks(features).mean(dim=(2, 3)))  # type: ignore[no-any-return]


class Controller(nn.Module):
    """Strength (B, 1) to a (gamma, beta) pair for each decoder scale, each (B, c, 1, 1)."""

    def __init__(self, widths: tuple[int, ...], mlp: int, gate_scale: float) -> None:
        super().__init__()
        self.gate_scale = gate_scale
        self.trunk = nn.Sequential(
            nn.Linear(1, mlp),
            nn.ReLU(),
            nn.Linear(mlp, mlp),
            nn.ReLU(),
            nn.Linear(mlp, mlp),
            nn.ReLU(),
        )
        self.gamma = nn.ModuleList(nn.Linear(mlp, c) for c in widths)
        self.beta = nn.ModuleList(nn.Linear(mlp, c) for c in widths)

    def forward(self, strength: Tensor) -> list[tuple[Tensor, Tensor]]:
        embedding = self.trunk(strength)
        return [
            (
                (self.gate_scale * torch.sigmoid(gamma(embedding)))[:, :, None, None],
                torch.tanh(beta(embedding))[:, :, None, None],
            )
            for gamma, beta in zip(self.gamma, self.beta, strict=True)
        ]


class FBCNN(nn.Module):
    """The network; see the module's docstring."""

    to_ycbcr: Tensor
    to_rgb: Tensor

    def __init__(self, config: FBCNNConfig) -> None:
        super().__init__()
        self.config = config
        widths, blocks = config.widths, config.blocks
        folded = config.channels * config.unshuffle**2
        bottom = widths[-1]

        def stage(block: type[ResidualBlock], scale: int) -> list[ResidualBlock]:
            return [block(widths[scale]) for _ in range(blocks[scale])]

        scales = range(len(widths) - 1)
        self.head = nn.Conv2d(folded, widths[0], 3, padding=1)
        self.encoder = nn.ModuleList(nn.Sequential(*stage(ResidualBlock, k)) for k in scales)
        self.down = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2) for a, b in pairwise(widths))
        self.body_encoder = nn.Sequential(*stage(ResidualBlock, -1))
        self.predictor = QualityPredictor(bottom, config.predictor_blocks, config.mlp)
        self.controller = Controller(widths[:-1], config.mlp, config.gate_scale)
        self.body_decoder = nn.Sequential(*stage(ResidualBlock, -1))
        self.up = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, stride=2) for a, b in pairwise(widths))
        self.decoder = nn.ModuleList(nn.ModuleList(stage(ModulatedBlock, k)) for k in scales)
        self.tail = nn.Conv2d(widths[0], folded, 3, padding=1)
        # JPEG damages luma and chroma apart and unequally. With one optimiser step size a weight,
        # chroma learns only where it has weights of its own.
        to_ycbcr = torch.tensor(RGB_TO_YCBCR)
        self.register_buffer("to_ycbcr", to_ycbcr, persistent=False)
        self.register_buffer("to_rgb", torch.linalg.inv(to_ycbcr), persistent=False)
        self._initialise()

    def _initialise(self) -> None:
        """Neutral gates, and for the compact sizes the identity as a start."""
        for module in self.modules():
            if isinstance(module, ResidualBlock):
                nn.init.kaiming_normal_(module.conv1.weight, nonlinearity="relu")
                nn.init.kaiming_normal_(module.conv2.weight, nonlinearity="linear")
                module.conv2.weight.data.mul_(0.3)  # keeps depth from blowing the signal up
                nn.init.zeros_(module.conv1.bias)  # type: ignore[arg-type]
                nn.init.zeros_(module.conv2.bias)  # type: ignore[arg-type]
            elif isinstance(module, nn.Linear):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)
        for linear in (*self.controller.gamma, *self.controller.beta):
            linear.weight.data.mul_(0.05)
        if self.config.residual:
            # What JPEG did to luma is a few gray levels of detail on top of a large mean. Filters
            # without a mean, and with some gain, show it to the first ReLU; otherwise learning is
            # slow. Chroma has no large mean, and what is left of it in a block is its mean.
            head = self.head.weight.data
            nn.init.kaiming_normal_(head, nonlinearity="linear")
            head *= 8
            luma = head[:, : self.config.unshuffle**2] if self.config.ycbcr else head
            luma -= luma.mean(dim=(1, 2, 3), keepdim=True)
            nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]
            nn.init.zeros_(self.tail.weight)
            nn.init.zeros_(self.tail.bias)  # type: ignore[arg-type]

    def _mix(self, picture: Tensor, matrix: Tensor) -> Tensor:
        """Between RGB and YCbCr without its offset, where the configuration asks for it."""
        if not self.config.ycbcr:
            return picture
        return functional.conv2d(picture, matrix.to(picture.dtype)[:, :, None, None])

    def encode(self, picture: Tensor) -> tuple[list[Tensor], Tensor]:
        """Picture (B, C, H, W), H and W multiples of ``multiple_px``, to skips and strength.

        With ``ycbcr`` the picture is luma and chroma here, as is what :meth:`decode` gives.

        Returns:
            The features kept at each scale, full size first, the bottom's body features last,
            and the predicted strength (B, 1).
        """
        x = functional.pixel_unshuffle(picture, self.config.unshuffle)
        x = self.head(x)
        skips = [x]
        for stage, down in zip(self.encoder, self.down, strict=True):
            x = down(stage(x))
            skips.append(x)
        features = self.body_encoder(x)
        return [*skips, features], self.predictor(features)

    def decode(self, skips: list[Tensor], strength: Tensor) -> Tensor:
        """Skips of :meth:`encode` and a strength (B, 1) to (B, C, H, W)."""
        *skips, features = skips
        x = self.body_decoder(features)
        stages = zip(self.up, self.decoder, skips[1:], self.controller(strength), strict=True)
        for up, blocks, skip, (gamma, beta) in reversed(list(stages)):
            x = up(x + skip)
            for block in blocks:
                x = block(x, gamma, beta)
        out = self.tail(x + skips[0])
        return functional.pixel_shuffle(out, self.config.unshuffle)

    def analyse(self, picture: Tensor) -> tuple[list[Tensor], Tensor]:
        """The half of :meth:`forward` that no strength touches.

        Args:
            picture: (B, C, H, W) in 0-1, H and W multiples of ``multiple_px``.

        Returns:
            Features for :meth:`reconstruct`, and the predicted strength (B, 1).
        """
        return self.encode(self._mix(picture, self.to_ycbcr))

    def reconstruct(self, picture: Tensor, features: list[Tensor], strength: Tensor) -> Tensor:
        """The other half: the same picture, its features and a strength (B, 1) to (B, C, H, W)."""
        out = self.decode(features, strength)
        return self._mix(out, self.to_rgb) + picture if self.config.residual else out

    def forward(self, picture: Tensor, strength: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Restore a batch.

        Args:
            picture: (B, C, H, W) in 0-1, any size from 1x1.
            strength: (B, 1) in 0-1; where it is NaN, or when it is None, the prediction is used.

        Returns:
            The restored batch, not clipped, and the predicted strength (B, 1).
        """
        height, width = picture.shape[-2:]
        multiple = self.config.multiple_px
        padded = functional.pad(
            picture, (0, -width % multiple, 0, -height % multiple), mode="replicate"
        )
        features, predicted = self.analyse(padded)
        used = predicted
        if strength is not None:
            used = torch.where(torch.isnan(strength), predicted, strength.to(predicted.dtype))
        out = self.reconstruct(padded, features, used)
        return out[..., :height, :width], predicted


def quality_to_strength(quality: Tensor) -> Tensor:
    """Quality factor 1-100 to the network's strength 0-1. Source: FBCNN, section 3."""
    return 1 - quality / 100


def strength_to_quality(strength: Tensor) -> Tensor:
    """Inverse of :func:`quality_to_strength`."""
    return 100 * (1 - strength)
