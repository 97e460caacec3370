"""What an SSP-IR is made of; light, so that recipes and cards can be read without PyTorch."""

from __future__ import annotations

import math
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from restora.networks.prior_config import CodecConfig, PriorConfig, UNetConfig

Sampler = Literal["ddpm", "dpm-solver++"]
ColourFix = Literal["none", "adain", "wavelet"]

STABLE_DIFFUSION_1_5 = PriorConfig(
    codec=CodecConfig(), unet=UNetConfig(heads=(8, 8, 8, 8), linear=False), token_dim=768
)


class Section(BaseModel):
    """A part of the network's description: fixed, and without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class FrontConfig(Section):
    """The residual network in front of the Processor.

    Source: its MSRResNet, which is what stands here: 64 channels, 8 blocks. More widths, folded
    pixels and the gain are ours.
    """

    widths: tuple[int, ...] = Field(
        (64,), min_length=1, description="channels at full size, then after each halving"
    )
    blocks: int = Field(8, ge=1, description="residual blocks at each size, down and up again")
    unshuffle: int = Field(
        1, ge=1, description="pixels to a side that are folded into channels first"
    )
    gain: bool = Field(
        False,
        description="it also gives how much of each value stays, so that noise goes without its "
        "being copied through the network",
    )

    @property
    def multiple_px(self) -> int:
        """Sides of a picture are multiples of this."""
        return int(self.unshuffle * 2 ** (len(self.widths) - 1))


class ProcessorConfig(Section):
    """What cleans the structure. Source: ControlNet's condition encoder with RGB heads."""

    widths: tuple[int, ...] = Field(
        (16, 32, 96, 256),
        min_length=2,
        description="channels at full size, then after each halving, where an RGB head looks",
    )
    front: FrontConfig | None = Field(
        None, description="restores at full size before; null: as its authors trained it"
    )

    @property
    def factor(self) -> int:
        """Pixels to each side of a place in its last map."""
        return int(2 ** (len(self.widths) - 1))


class RefinerConfig(Section):
    """The refine layer of the image tokens (TPBNet)."""

    layers: int = Field(2, ge=0, description="linear, norm, leaky ReLU, before the last linear one")
    hidden: int = Field(1024, ge=1)
    dim: int = Field(512, ge=1, description="numbers of a token that attention reads")


class AttentionConfig(Section):
    """Prior-guided attention: image, then text, then pixels."""

    form: Literal["full", "light"] = Field(
        "full",
        description="full: each addition is a transformer block with self-attention and "
        "feed-forward, as in the code; light: cross-attention alone, as in the figure",
    )
    zero_init: bool = Field(
        True, description="additions start at nothing, so that a pretrained base is left as it is"
    )
    window: int | None = Field(
        None,
        ge=2,
        description="places to a side that pixel attention looks over, on a fixed grid, so that a "
        "tile suffices; null: all of a tile, as published",
    )


class SSPIRConfig(Section):
    """An SSP-IR; its defaults are published scale, on Stable Diffusion 1.5.

    Source: Zhang et al., SSP-IR, IEEE TCSVT 2025, and its public code.
    """

    channels: Literal[3] = Field(3, description="a colour model; gray pictures pass as neutral")
    prior: PriorConfig = STABLE_DIFFUSION_1_5
    encoder: str = Field("clip", description="kind of image encoder whose tokens it was taught")
    tokens: int = Field(256, ge=1, description="of a picture")
    token_dim: int = Field(1024, ge=1, description="numbers of a token of the encoder")
    text_encoder: str = Field("clip", description="kind of text encoder, whose D is the prior's")
    text_tokens: int = Field(302, ge=1, description="most tokens of a caption; 302 is 4 windows")
    null_text: Literal["encoded", "zeros"] = Field(
        "encoded", description="what no caption is: the tokens of an empty one, or zeros"
    )
    predicts: Literal["noise", "velocity", "clean"] = Field(
        "noise", description="what the U-Net gives"
    )
    residual: bool = Field(
        False, description="clean: the U-Net gives what the start's latent lacks; ours"
    )
    start: Literal["picture", "processed", "noise"] = Field(
        "picture",
        description="whose latent is noised to begin with: the degraded picture's, that of what "
        "the Processor's front end makes of it, or none's",
    )
    start_step: int = Field(999, ge=0, description="timestep of the beginning")
    walk: int = Field(50, ge=1, description="steps where nobody asks for a number")
    sampler: Sampler = "ddpm"
    temperature: float = Field(
        1.0,
        ge=0,
        le=1,
        description="share of the noise that is drawn; 0: none, so that a walk "
        "gives what is likeliest and no seed matters (ours); 1: all, as published",
    )
    text_guidance: float = Field(7.5, ge=0, description="1: as it was taught")
    image_guidance: float = Field(1.0, ge=0, description="1: as it was taught, as published")
    colour_fix: ColourFix = Field("adain", description="where nobody asks for another")
    keeps_detail: bool = Field(
        False, description="what the codec cannot hold of the start goes past it; ours"
    )
    processor: ProcessorConfig = ProcessorConfig()
    refiner: RefinerConfig = RefinerConfig()
    attention: AttentionConfig = AttentionConfig()
    text: bool = Field(True, description="read the caption")
    image: bool = Field(True, description="image attention reads the refined tokens")
    pixel: bool = Field(True, description="pixel attention in the decoder")
    control: bool = Field(True, description="the ControlNet's residuals are added to the skips")

    @property
    def multiple_px(self) -> int:
        """Sides of a picture must be multiples of this."""
        window = self.attention.window if self.pixel and self.attention.window else 1
        front_px = 1 if self.processor.front is None else self.processor.front.multiple_px
        return math.lcm(self.prior.multiple_px * window, self.processor.factor, front_px)

    @property
    def is_local(self) -> bool:
        """Whether what becomes of a place depends on no more than its surroundings."""
        return (
            self.prior.norm == "local"
            and not (self.prior.codec.attention or self.prior.unet.self_attention)
            and (self.attention.form == "light" or not self.image)
            and (self.attention.window is not None or not self.pixel)
        )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.residual and self.predicts != "clean":
            raise ValueError("residual is for a network that predicts clean")
        if self.residual and self.start == "noise":
            raise ValueError("a residual network has a start: picture or processed")
        if self.keeps_detail and self.start == "noise":
            raise ValueError("there is no detail to keep where the start is noise")
        if self.start == "processed" and self.processor.front is None:
            raise ValueError("start processed needs processor.front")
        if self.start_step >= self.prior.schedule.steps:
            raise ValueError(f"start_step is below {self.prior.schedule.steps}")
        if self.processor.factor % self.prior.codec.factor:
            raise ValueError(
                f"the Processor halves to 1/{self.processor.factor}, which is no part of the "
                f"latent's 1/{self.prior.codec.factor}"
            )
        return self

    @property
    def control_is_there(self) -> bool:
        """Whether there is a ControlNet, be it for pixel attention alone."""
        return self.control or self.pixel
