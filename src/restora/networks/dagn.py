"""DAGN: restoration guided by what compression changed and by what it left alone.

Source: Ma et al., Sensitivity Decouple Learning for Image Compression Artifacts Reduction, IEEE TIP
2024 (arXiv 2405.09291). FBCNN's U-Net, guided by two encoders that see the whole picture:

* the compression-sensitive encoder tells how hard the picture was compressed; the mean of its
  features over the picture, its code, gates and shifts the sensitive blocks of the decoder (CSG);
* the compression-insensitive encoder sees what is in the picture, the same before and after
  compression; its code does so for the insensitive blocks (CIG), and the bottom of the U-Net asks
  its map by cross-feature fusion (CFF).

Beside the paper's network, a predicted or given quality enters the sensitive guidance as FBCNN's
does, and a quality that a user insists on replaces the sensitive code: without it there would be no
dial.

Shapes: B pictures, C channels (1 gray, 3 RGB), H×W pixels, 0-1; S and I channels of the two
encoders; A = 85 anchors of K channels. Quality inside is FBCNN's strength ``s = 1 - QF/100``.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple, Self

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from restora.images import RGB_TO_YCBCR
from restora.networks.blocks import ModulatedBlock, ResidualBlock
from restora.networks.fusion import CrossFeatureFusion, pyramid
from restora.networks.stride16 import STRIDE, Block, Stride16Encoder


class DAGNConfig(BaseModel):
    """Every number of the architecture; the defaults are the published network."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    channels: int = Field(3, description="1 for gray, 3 for RGB")
    widths: tuple[int, ...] = Field(
        (64, 128, 256, 512), min_length=2, description="channels of each scale"
    )
    blocks: tuple[int, ...] = Field((4, 4, 4, 4), description="residual blocks of each scale")
    sensitive_blocks: int = Field(4, ge=0, description="CSG blocks of each decoder scale")
    insensitive_blocks: int = Field(4, ge=0, description="CIG blocks of each decoder scale")
    encoder_block: Block = Field("bottleneck", description="of both encoders")
    encoder_width: int = Field(64, ge=1, description="channels of both encoders' stems")
    encoder_blocks: tuple[int, int, int, int] = Field((3, 4, 6, 3), description="of each stage")
    mlp: int = Field(512, ge=1, description="width of the quality head and of all guidance")
    key: int = Field(256, ge=1, description="channels of the fusion's keys and values")
    norm: bool = Field(True, description="batch normalisation")
    unshuffle: int = Field(1, ge=1, description="pixel-unshuffle factor before the head")
    residual: bool = Field(False, description="add the input to the output")
    gate_scale: float = Field(1.0, description="gamma is this times a sigmoid")
    ycbcr: bool = Field(False, description="see RGB as luma and chroma inside; needs residual")
    fusion: bool = Field(True, description="cross-feature fusion is on")
    sensitive: bool = Field(True, description="sensitive guidance is on")
    insensitive: bool = Field(True, description="insensitive guidance is on")

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        if len(self.widths) != len(self.blocks):
            raise ValueError(
                f"widths and blocks are of as many scales, not {len(self.widths)} and "
                f"{len(self.blocks)}"
            )
        if min(self.widths) < 1 or min(self.blocks) < 0 or min(self.encoder_blocks) < 1:
            raise ValueError("a scale has at least one channel, an encoder's stage a block")
        if self.ycbcr and not (self.channels == 3 and self.residual):
            raise ValueError("ycbcr needs three channels and residual")
        return self

    @property
    def multiple_px(self) -> int:
        """Height and width are padded to a multiple of this inside the network."""
        return max(STRIDE, int(self.unshuffle * 2 ** (len(self.widths) - 1)))


class Maps(NamedTuple):
    """What the encoders make of a picture or a part of one, each (B, ., H/16, W/16)."""

    sensitive: Tensor  # S channels
    insensitive: Tensor  # I channels
    keys: Tensor  # K channels
    values: Tensor  # K channels


class Guidance(NamedTuple):
    """What every part of a picture shall know of the whole."""

    sensitive: Tensor  # (B, S), the sensitive code
    insensitive: Tensor  # (B, I), the insensitive code
    keys: Tensor  # (B, 85, K)
    values: Tensor  # (B, 85, K)


class Modulation(nn.Module):
    """An embedding (B, m) to (gamma, beta) for each decoder scale, each (B, c, 1, 1)."""

    def __init__(self, widths: tuple[int, ...], mlp: int, gate_scale: float) -> None:
        super().__init__()
        self.gate_scale = gate_scale
        self.gamma = nn.ModuleList(nn.Linear(mlp, c) for c in widths)
        self.beta = nn.ModuleList(nn.Linear(mlp, c) for c in widths)

    def forward(self, embedding: Tensor) -> list[tuple[Tensor, Tensor]]:
        return [
            (
                (self.gate_scale * torch.sigmoid(gamma(embedding)))[:, :, None, None],
                torch.tanh(beta(embedding))[:, :, None, None],
            )
            for gamma, beta in zip(self.gamma, self.beta, strict=True)
        ]


class SensitiveGuidance(nn.Module):
    """The sensitive code and a strength to the modulation of the sensitive blocks."""

    def __init__(self, code: int, widths: tuple[int, ...], mlp: int, gate_scale: float) -> None:
        super().__init__()
        self.mlp = _mlp(code, mlp, mlp)
        self.trunk = _mlp(1, mlp, mlp, mlp)
        self.modulation = Modulation(widths, mlp, gate_scale)

    def forward(
        self, code: Tensor, strength: Tensor, insist: Tensor
    ) -> list[tuple[Tensor, Tensor]]:
        """``code`` (B, S), ``strength`` (B, 1); ``insist`` (B, 1): 1 where it alone counts."""
        return self.modulation(self.trunk(strength) + (1 - insist) * self.mlp(code))  # type: ignore[no-any-return]


class InsensitiveGuidance(nn.Module):
    """The insensitive code to the modulation of the insensitive blocks."""

    def __init__(self, code: int, widths: tuple[int, ...], mlp: int, gate_scale: float) -> None:
        super().__init__()
        self.mlp = _mlp(code, mlp, mlp)
        self.modulation = Modulation(widths, mlp, gate_scale)

    def forward(self, code: Tensor) -> list[tuple[Tensor, Tensor]]:
        """``code`` (B, I)."""
        return self.modulation(self.mlp(code))  # type: ignore[no-any-return]


class DAGN(nn.Module):
    """The network; see the module's docstring."""

    to_ycbcr: Tensor
    to_rgb: Tensor

    def __init__(self, config: DAGNConfig) -> None:
        super().__init__()
        self.config = config
        widths, norm = config.widths, config.norm
        folded = config.channels * config.unshuffle**2
        scales = range(len(widths) - 1)

        def plain(scale: int) -> nn.Sequential:
            blocks = config.blocks[scale]
            return nn.Sequential(*(ResidualBlock(widths[scale], norm=norm) for _ in range(blocks)))

        def guided(scale: int, blocks: int) -> nn.ModuleList:
            return nn.ModuleList(ModulatedBlock(widths[scale], norm=norm) for _ in range(blocks))

        def encoder() -> Stride16Encoder:
            return Stride16Encoder(
                config.channels,
                block=config.encoder_block,
                width=config.encoder_width,
                blocks=config.encoder_blocks,
                norm=norm,
            )

        self.sensitive_encoder, self.insensitive_encoder = encoder(), encoder()
        code = self.sensitive_encoder.out_channels
        guidance = (code, widths[:-1], config.mlp, config.gate_scale)
        self.quality_head = nn.Sequential(
            *_mlp(code, config.mlp, config.mlp), nn.Linear(config.mlp, 1), nn.Sigmoid()
        )
        self.sensitive_guidance = SensitiveGuidance(*guidance)
        self.insensitive_guidance = InsensitiveGuidance(*guidance)
        self.fusion = CrossFeatureFusion(widths[-1], code, key=config.key, norm=norm)
        self.head = nn.Conv2d(folded, widths[0], 3, padding=1)
        self.encoder = nn.ModuleList(plain(k) for k in scales)
        self.down = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2) for a, b in pairwise(widths))
        self.body_encoder, self.body_decoder = plain(-1), plain(-1)
        self.up = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, stride=2) for a, b in pairwise(widths))
        self.decoder = nn.ModuleList(guided(k, config.sensitive_blocks) for k in scales)
        self.insensitive_decoder = nn.ModuleList(
            guided(k, config.insensitive_blocks) for k in scales
        )
        self.tail = nn.Conv2d(widths[0], folded, 3, padding=1)
        to_ycbcr = torch.tensor(RGB_TO_YCBCR)  # see FBCNN: chroma learns only where it is apart
        self.register_buffer("to_ycbcr", to_ycbcr, persistent=False)
        self.register_buffer("to_rgb", torch.linalg.inv(to_ycbcr), persistent=False)
        self._initialise()

    def _initialise(self) -> None:
        """Neutral gates; insensitive blocks and, for the compact sizes, the whole as identity."""
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        for module in self.modules():
            if isinstance(module, ResidualBlock):
                module.conv2.weight.data.mul_(0.3 / 2**0.5)  # keeps depth from blowing it up
        for modulation in (
            self.sensitive_guidance.modulation,
            self.insensitive_guidance.modulation,
        ):
            for linear in (*modulation.gamma, *modulation.beta):
                linear.weight.data.mul_(0.05)
        self.quality_head[-2].weight.data.mul_(0.05)  # type: ignore[operator]
        nn.init.zeros_(self.fusion.out.weight)
        if not self.config.norm:
            # The last layer of each encoder block would double the signal block by block.
            for encoder in (self.sensitive_encoder, self.insensitive_encoder):
                for block in (block for stage in encoder.stages for block in stage):  # type: ignore[attr-defined]
                    block.branch[-1][0].weight.data.mul_(0.5)
                # What is 0 for every picture learns nothing any more: start well above.
                nn.init.constant_(block.branch[-1][0].bias, 0.5)
            # As for FBCNN's head: what JPEG did is small against the mean of a picture.
            stem = self.sensitive_encoder.stem.weight.data
            stem *= 8
            stem -= stem.mean(dim=(2, 3), keepdim=True)
        if self.config.residual:
            self.start_insensitive_blocks_as_identity()
            head = self.head.weight.data
            nn.init.kaiming_normal_(head, nonlinearity="linear")
            head *= 8
            luma = head[:, : self.config.unshuffle**2] if self.config.ycbcr else head
            luma -= luma.mean(dim=(1, 2, 3), keepdim=True)
            nn.init.zeros_(self.tail.weight)
            nn.init.zeros_(self.tail.bias)  # type: ignore[arg-type]

    def start_insensitive_blocks_as_identity(self) -> None:
        """So that a U-Net trained without them is not disturbed by them."""
        for blocks in self.insensitive_decoder:
            for block in blocks:  # type: ignore[attr-defined]
                nn.init.zeros_(block.conv2.weight)
        for linear in self.insensitive_guidance.modulation.beta:
            nn.init.zeros_(linear.weight)  # type: ignore[arg-type]

    def _mix(self, picture: Tensor, matrix: Tensor) -> Tensor:
        """Between RGB and YCbCr without its offset, where the configuration asks for it."""
        if not self.config.ycbcr:
            return picture
        return functional.conv2d(picture, matrix.to(picture.dtype)[:, :, None, None])

    def look(self, picture: Tensor) -> Maps:
        """Both encoders on (B, C, H, W), H and W multiples of 16."""
        planes = self._mix(picture, self.to_ycbcr)
        sensitive, insensitive = self.sensitive_encoder(planes), self.insensitive_encoder(planes)
        return Maps(sensitive, insensitive, *self.fusion.project(insensitive))

    def look_sensitive(self, picture: Tensor) -> Tensor:
        """The sensitive encoder alone on (B, C, H, W): (B, S, H/16, W/16)."""
        return self.sensitive_encoder(self._mix(picture, self.to_ycbcr))  # type: ignore[no-any-return]

    def look_insensitive(self, picture: Tensor) -> Tensor:
        """The insensitive encoder alone on (B, C, H, W): (B, I, H/16, W/16)."""
        return self.insensitive_encoder(self._mix(picture, self.to_ycbcr))  # type: ignore[no-any-return]

    @staticmethod
    def pool(maps: Maps) -> Guidance:
        """The maps of a whole picture to its guidance."""
        sensitive, insensitive = (m.mean(dim=(2, 3)) for m in (maps.sensitive, maps.insensitive))
        return Guidance(sensitive, insensitive, pyramid(maps.keys), pyramid(maps.values))

    def predict(self, sensitive: Tensor) -> Tensor:
        """The sensitive code (B, S) to the strength it tells of, (B, 1) in 0-1."""
        return self.quality_head(sensitive)  # type: ignore[no-any-return]

    def analyse(self, picture: Tensor, keys: Tensor, values: Tensor) -> list[Tensor]:
        """The half that no quality touches.

        Args:
            picture: (B, C, H, W) in 0-1, H and W multiples of ``multiple_px``.
            keys, values: (B, 85, K) of :class:`Guidance`.

        Returns:
            Features for :meth:`reconstruct`, full size first.
        """
        planes = self._mix(picture, self.to_ycbcr)
        x = self.head(functional.pixel_unshuffle(planes, self.config.unshuffle))
        skips = [x]
        for stage, down in zip(self.encoder, self.down, strict=True):
            x = down(stage(x))
            skips.append(x)
        features = self.body_encoder(x)
        if self.config.fusion:
            features = self.fusion(features, keys, values)
        return [*skips, features]

    def reconstruct(  # noqa: PLR0917 - an ONNX graph names its inputs by their order
        self,
        picture: Tensor,
        features: list[Tensor],
        sensitive: Tensor,
        insensitive: Tensor,
        strength: Tensor,
        insist: Tensor,
    ) -> Tensor:
        """The other half.

        Args:
            picture: (B, C, H, W), as given to :meth:`analyse`.
            features: What came of it.
            sensitive, insensitive: The codes of :class:`Guidance`.
            strength: (B, 1) in 0-1.
            insist: (B, 1); 1 where the strength stands instead of the sensitive code, else 0.

        Returns:
            (B, C, H, W), not clipped.
        """
        *skips, bottom = features
        x = self.body_decoder(bottom)
        by_quality = self.sensitive_guidance(sensitive, strength, insist)
        by_content = self.insensitive_guidance(insensitive)
        for k in reversed(range(len(self.up))):
            x = self.up[k](x + skips[k + 1])
            for block in self.decoder[k]:  # type: ignore[attr-defined]
                x = block(x, *by_quality[k]) if self.config.sensitive else block.plain(x)
            for block in self.insensitive_decoder[k]:  # type: ignore[attr-defined]
                x = block(x, *by_content[k]) if self.config.insensitive else block.plain(x)
        out = functional.pixel_shuffle(self.tail(x + skips[0]), self.config.unshuffle)
        return self._mix(out, self.to_rgb) + picture if self.config.residual else out

    def restore(
        self, picture: Tensor, maps: Maps, strength: Tensor | None, insist: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Restore a padded batch whose :meth:`look` is known; see :meth:`forward`."""
        guidance = self.pool(maps)
        predicted = self.predict(guidance.sensitive)
        used = predicted
        if strength is not None:
            used = torch.where(torch.isnan(strength), predicted, strength.to(predicted.dtype))
        if insist is None:
            insist = torch.zeros_like(used)
        features = self.analyse(picture, guidance.keys, guidance.values)
        codes = (guidance.sensitive, guidance.insensitive)
        return self.reconstruct(picture, features, *codes, used, insist.to(used.dtype)), predicted

    def forward(
        self, picture: Tensor, strength: Tensor | None = None, insist: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Restore a batch.

        Args:
            picture: (B, C, H, W) in 0-1, any size from 1x1.
            strength: (B, 1) in 0-1; where it is NaN, or when it is None, the prediction is used.
            insist: (B, 1); 1 where the strength stands for the sensitive code; None: nowhere.

        Returns:
            The restored batch, not clipped, and the predicted strength (B, 1).
        """
        height, width = picture.shape[-2:]
        multiple = self.config.multiple_px
        padded = functional.pad(
            picture, (0, -width % multiple, 0, -height % multiple), mode="replicate"
        )
        out, predicted = self.restore(padded, self.look(padded), strength, insist)
        return out[..., :height, :width], predicted


def _mlp(*widths: int) -> nn.Sequential:
    """Linear layers, each followed by ReLU."""
    layers: list[nn.Module] = []
    for a, b in pairwise(widths):
        layers += [nn.Linear(a, b), nn.ReLU()]
    return nn.Sequential(*layers)
