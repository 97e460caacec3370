"""What a recipe of SSP-IR says."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from restora.networks.ssp_ir.config import SSPIRConfig
from restora.training.sections import Recipe, Section

Share = Annotated[float, Field(ge=0, le=1)]
Stage = Literal["processor", "restore"]


class SSPIRSection(Section):
    """SSP-IR alone. Its authors train in one stage, ``restore``."""

    stage: Stage = Field(
        description="restore: all that is to learn, at once, as published; processor: the "
        "Processor by itself, to start from (ours)"
    )
    prior_weights: str | None = Field(
        None, description="folder or hub id of a prior in diffusers' layout, to start from"
    )
    base: Literal["auto", "frozen", "joint"] = Field(
        "auto",
        description="whether the U-Net's own layers learn too; auto: frozen where prior_weights "
        "are given",
    )
    captioner: str = Field(
        "tags",
        description="who describes the clean photos; of given pairs their texts where this is file "
        "or not said",
    )
    variants: int = Field(2, ge=1, description="damaged copies of each photo")
    fresh: bool = Field(
        False,
        description="patches are damaged anew, on the device; image tokens are still those of a "
        "damaged copy of the whole photo",
    )
    damage: Literal["mixed", "published"] = Field(
        "mixed",
        description="fresh: of the patches; published: the full pipeline down to a quarter of the "
        "size; mixed: that, a lighter one, and down to a half or not at all, as copies always are",
    )
    caption_drop: Share = Field(0.5, description="restore: share of pictures without a caption")
    image_drop: Share = Field(
        0.1,
        description="restore: share without image tokens; published: none; ours, so that "
        "guidance can steer both",
    )
    still_share: Share = Field(
        0.0,
        description="restore: share of pictures that are as a walk of temperature 0 begins: at the "
        "last timestep, without noise; ours",
    )
    as_seen: bool = Field(
        False,
        description="restore: a latent's error counts as much as it shows in the picture, by the "
        "codec's linear map; false: all channels alike, as published",
    )
    rgb_weight: float = Field(0.1, ge=0, description="L1 of the Processor's pictures")
    fourier_weight: float = Field(0.1, ge=0, description="L1 of their spectra")
    fourier_norm: Literal["backward", "ortho"] = Field(
        "ortho",
        description="backward: none, as published (with a weight of 0.01), so that larger pictures "
        "count more; ortho: all sizes alike",
    )
    late_share: Share = Field(
        0.0,
        description="restore: share of pictures whose timestep is drawn from the last three "
        "tenths, while others' may be any; ours",
    )


class SSPIRRecipe(Recipe):
    """A recipe of SSP-IR."""

    method: Literal["ssp-ir"]
    network: SSPIRConfig
    sspir: SSPIRSection

    @property
    def freezes_base(self) -> bool:
        """Whether the U-Net's own layers stay as they are."""
        if self.sspir.base == "auto":
            return self.sspir.prior_weights is not None
        return self.sspir.base == "frozen"

    @model_validator(mode="after")
    def _fits(self) -> Self:
        multiple_px = self.network.multiple_px
        if self.data.patch_px % multiple_px:
            raise ValueError(f"data.patch_px is a multiple of {multiple_px} for this network")
        if self.sspir.still_share and self.network.predicts != "clean":
            raise ValueError("sspir.still_share is for a network that predicts clean")
        if self.sspir.as_seen and not self.network.prior.codec.linear:
            raise ValueError("sspir.as_seen needs a codec with a linear map")
        return self
