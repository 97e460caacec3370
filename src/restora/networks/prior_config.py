"""What a latent prior is made of; light, so that cards can be read without PyTorch.

As it stands a :class:`PriorConfig` is that of Stable Diffusion 2.1 base. Source: Rombach et al.,
High-Resolution Image Synthesis with Latent Diffusion Models, CVPR 2022.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


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
