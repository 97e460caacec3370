"""The latent prior: an auto-encoder, a denoising U-Net that reads text, and their noise schedule.

One description for both scales: that of Stable Diffusion, whose weights a user names, and that of
the compact prior, which is trained here. The networks are those of diffusers. Source: Rombach et
al., High-Resolution Image Synthesis with Latent Diffusion Models, CVPR 2022.

Shapes: B pictures, H×W pixels, C latent channels at h×w = H/f × W/f, T tokens of D numbers.
"""

from __future__ import annotations

from typing import Any, Literal, Self

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from restora._optional import require
from restora.networks.local_norm import localise

EXTRA = "diffusion"


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CodecConfig(_Section):
    """The auto-encoder (VAE)."""

    unshuffle: int = Field(1, ge=1, description="pixels to each side that become channels first")
    widths: tuple[int, ...] = Field((128, 256, 512, 512), description="channels at each scale")
    layers: int = Field(2, ge=1, description="residual blocks a scale")
    latents: int = Field(4, ge=1, description="channels of a latent")
    scale: float = Field(0.18215, gt=0, description="latents times this have a spread of about 1")
    attention: bool = Field(True, description="at the smallest scale")
    linear: bool = Field(
        False,
        description="a linear map beside the VAE, which has only the rest to learn; ours",
    )

    @property
    def factor(self) -> int:
        """Pixels to each side of a place in the latent."""
        return int(self.unshuffle * 2 ** (len(self.widths) - 1))

    @model_validator(mode="after")
    def _linear_fits(self) -> Self:
        if self.linear and len(self.widths) > 1:
            raise ValueError(
                "the linear map keeps the size: beside it the VAE has one scale, "
                f"not {len(self.widths)}; unshuffle makes latents smaller"
            )
        return self


class UNetConfig(_Section):
    """The denoising U-Net."""

    widths: tuple[int, ...] = Field((320, 640, 1280, 1280), description="channels at each scale")
    reads: tuple[bool, ...] = Field(
        (True, True, True, False), description="which scales attend to the text"
    )
    layers: int = Field(2, ge=1, description="residual blocks a scale")
    heads: tuple[int, ...] = Field((5, 10, 20, 20), description="of attention, by scale")
    self_attention: bool = Field(
        True, description="each place also attends to all others; without it a tile suffices"
    )
    linear: bool = Field(True, description="attention's way in and out is linear, not a 1×1 conv")

    @model_validator(mode="after")
    def _scales_agree(self) -> Self:
        if not len(self.widths) == len(self.reads) == len(self.heads):
            raise ValueError("widths, reads and heads name the same scales, so are equally long")
        return self


class ScheduleConfig(_Section):
    """The noise that the prior knows: SD's scaled-linear betas."""

    steps: int = Field(1000, ge=1)
    beta_start: float = Field(0.00085, gt=0)
    beta_end: float = Field(0.012, gt=0)


class PriorConfig(_Section):
    """Everything of a prior but its weights; as it stands that of Stable Diffusion 2.1 base."""

    codec: CodecConfig = CodecConfig()
    unet: UNetConfig = UNetConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    token_dim: int = Field(1024, ge=1, description="D of the text encoder")
    norm: Literal["group", "local"] = Field(
        "group", description="group: as published; local: the same whatever tile it is in"
    )
    norm_groups: int = Field(32, ge=1)

    @property
    def multiple_px(self) -> int:
        """Sides of a picture must be multiples of this."""
        return int(self.codec.factor * 2 ** (len(self.unet.widths) - 1))


class Codec(nn.Module):
    """Pictures to latents and back."""

    scale: Tensor

    def __init__(self, config: PriorConfig) -> None:
        """Build it at random.

        Raises:
            MissingExtra: diffusers is not installed.
        """
        super().__init__()
        diffusers = require("diffusers", extra=EXTRA)
        self.config = config.codec
        scales = len(config.codec.widths)
        channels = 3 * config.codec.unshuffle**2
        self.vae = diffusers.AutoencoderKL(
            in_channels=channels,
            out_channels=channels,
            down_block_types=("DownEncoderBlock2D",) * scales,
            up_block_types=("UpDecoderBlock2D",) * scales,
            block_out_channels=config.codec.widths,
            layers_per_block=config.codec.layers,
            latent_channels=config.codec.latents,
            norm_num_groups=config.norm_groups,
            mid_block_add_attention=config.codec.attention,
        )
        if config.norm == "local":
            localise(self.vae)
        self.linear = _Linear(channels, config.codec.latents) if config.codec.linear else None
        if self.linear is not None:  # which is all there is at first
            _silence(self.vae)
        # A buffer, since the compact one is measured once its training is over.
        self.register_buffer("scale", torch.tensor(config.codec.scale))

    @property
    def is_fresh(self) -> bool:
        """Whether the VAE beside a linear map has learned nothing yet."""
        return not self.vae.decoder.conv_out.weight.any()

    def moments(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and spread of the latents of pictures, scaled.

        Args:
            picture: (B, 3, H, W), 0-1, H and W multiples of f.

        Returns:
            Two tensors (B, C, h, w).
        """
        x = functional.pixel_unshuffle(picture * 2 - 1, self.config.unshuffle)
        found = self.vae.encode(x).latent_dist
        mean = found.mean if self.linear is None else found.mean + self.linear.there(x)
        return mean * self.scale, found.std * self.scale

    def encode(self, picture: Tensor) -> Tensor:
        """The mean latent (B, C, h, w) of pictures (B, 3, H, W), 0-1."""
        return self.moments(picture)[0]

    def decode(self, latent: Tensor) -> Tensor:
        """Pictures (B, 3, H, W), 0-1 but not clipped, of latents (B, C, h, w)."""
        latent = latent / self.scale
        made = self.vae.decode(latent).sample
        if self.linear is not None:
            made = made + self.linear.back(latent)
        return functional.pixel_shuffle(made, self.config.unshuffle) / 2 + 0.5


class _Linear(nn.Module):
    """Principal components: as many as a latent has channels, each with a spread of 1."""

    def __init__(self, channels: int, latents: int) -> None:
        super().__init__()
        self.there = nn.Conv2d(channels, latents, 1)
        self.back = nn.Conv2d(latents, channels, 1)


def set_components(codec: Codec, picture: Tensor) -> None:
    """Set a codec's linear map to the principal components of pictures (B, 3, H, W), 0-1."""
    assert codec.linear is not None
    x = functional.pixel_unshuffle(picture * 2 - 1, codec.config.unshuffle)
    samples = x.transpose(0, 1).flatten(1).double()
    mean = samples.mean(dim=1)
    values, vectors = torch.linalg.eigh(torch.cov(samples))
    kept = vectors[:, -codec.config.latents :].T.float()  # (C, channels), the largest last
    spread = values[-codec.config.latents :].clamp_min(1e-12).sqrt().float()
    with torch.no_grad():
        there = kept / spread[:, None]
        codec.linear.there.weight.copy_(there[:, :, None, None])
        codec.linear.there.bias.copy_(-there @ mean.float())  # type: ignore[union-attr]
        codec.linear.back.weight.copy_((kept.T * spread)[:, :, None, None])
        codec.linear.back.bias.copy_(mean.float())  # type: ignore[union-attr]


SILENT_LOG_VARIANCE = -10.0  # a spread of 0.7 % of a latent's


def _silence(vae: Any) -> None:
    """Let a VAE give nothing at first, and nearly no noise."""
    with torch.no_grad():
        for last in (vae.quant_conv, vae.decoder.conv_out):
            last.weight.zero_()
            last.bias.zero_()
        vae.quant_conv.bias[len(vae.quant_conv.bias) // 2 :] = SILENT_LOG_VARIANCE


def make_unet(config: PriorConfig) -> nn.Module:
    """A U-Net at random: diffusers' ``UNet2DConditionModel``, see :class:`TimedUNet`.

    Raises:
        MissingExtra: diffusers is not installed.
    """
    require("diffusers", extra=EXTRA)
    from restora.networks.timed_unet import TimedUNet  # noqa: PLC0415 - imports diffusers

    shape = config.unet
    down = ["CrossAttnDownBlock2D" if reads else "DownBlock2D" for reads in shape.reads]
    up = ["CrossAttnUpBlock2D" if reads else "UpBlock2D" for reads in reversed(shape.reads)]
    unet: nn.Module = TimedUNet(
        in_channels=config.codec.latents,
        out_channels=config.codec.latents,
        down_block_types=tuple(down),
        up_block_types=tuple(up),
        block_out_channels=shape.widths,
        layers_per_block=shape.layers,
        cross_attention_dim=config.token_dim,
        attention_head_dim=shape.heads,  # a misnomer of diffusers: it counts the heads
        # diffusers' middle knows cross-attention only together with self-attention.
        mid_block_type="UNetMidBlock2DCrossAttn" if shape.self_attention else "UNetMidBlock2D",
        only_cross_attention=not shape.self_attention,
        use_linear_projection=shape.linear,
        norm_num_groups=config.norm_groups,
    )
    if config.norm == "local":
        localise(unet)
    return unet


def signal_and_noise(config: ScheduleConfig) -> tuple[Tensor, Tensor]:
    """sqrt(abar) and sqrt(1 - abar) of every timestep, (steps,) each, float32.

    Raises:
        MissingExtra: diffusers is not installed.
    """
    kept = make_scheduler(config).alphas_cumprod.double()
    return kept.sqrt().float(), (1 - kept).sqrt().float()


def make_scheduler(config: ScheduleConfig) -> Any:
    """diffusers' ``DDPMScheduler`` of a configuration.

    Raises:
        MissingExtra: diffusers is not installed.
    """
    diffusers = require("diffusers", extra=EXTRA)
    return diffusers.DDPMScheduler(
        num_train_timesteps=config.steps,
        beta_start=config.beta_start,
        beta_end=config.beta_end,
        beta_schedule="scaled_linear",
    )
