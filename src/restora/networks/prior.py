"""The latent prior: an auto-encoder, a denoising U-Net that reads text, and their noise schedule.

One description for both scales: that of Stable Diffusion, whose weights a user names, and that of
the compact prior, which is trained here. The networks are those of diffusers. Source: Rombach et
al., High-Resolution Image Synthesis with Latent Diffusion Models, CVPR 2022.

Shapes: B pictures, H×W pixels, C latent channels at h×w = H/f × W/f, T tokens of D numbers.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from restora._optional import require
from restora.networks.local_norm import localise
from restora.networks.prior_config import CodecConfig, PriorConfig, ScheduleConfig, UNetConfig

EXTRA = "diffusion"

__all__ = [
    "EXTRA",
    "Codec",
    "CodecConfig",
    "PriorConfig",
    "ScheduleConfig",
    "UNetConfig",
    "make_scheduler",
    "make_unet",
    "set_components",
    "signal_and_noise",
]


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
