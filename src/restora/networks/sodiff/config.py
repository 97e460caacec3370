"""What a SODiff is made of; light, so that recipes and cards can be read without diffusers."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from restora.networks.prior import PriorConfig
from restora.networks.sodiff.saipe import PUBLISHED as PUBLISHED_SAIPE
from restora.networks.sodiff.saipe import SAIPEConfig
from restora.networks.sodiff.time_predictor import PUBLISHED as PUBLISHED_PREDICTOR
from restora.networks.sodiff.time_predictor import TimePredictorConfig

CAVE_PX = 32  # to a side of a token of CODiff's prompt


class LoRAConfig(BaseModel):
    """Low-rank changes beside the U-Net's frozen weights. Source: Hu et al., ICLR 2022."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rank: int = Field(16, ge=1)
    alpha: float = Field(16, gt=0, description="the change is scaled by alpha / rank")


class SODiffConfig(BaseModel):
    """A SODiff. Source: SODiff (Yang et al., arXiv 2508.07346); its defaults are published scale.

    The paper gives no sizes of its own networks; where a number stands here it is that of its
    authors' next works.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    channels: Literal[3] = Field(3, description="a colour model; gray pictures pass as neutral")
    prior: PriorConfig = PriorConfig()
    saipe: SAIPEConfig = Field(
        PUBLISHED_SAIPE, description="what it leaves out, where it is given, is compact"
    )
    predictor: TimePredictorConfig = Field(
        PUBLISHED_PREDICTOR, description="what it leaves out, where it is given, is compact"
    )
    prompt: Literal["saipe", "empty", "learned", "cave"] = Field(
        "saipe", description="what tells the U-Net what is in the picture"
    )
    timestep: int | None = Field(
        None, ge=0, le=999, description="one for all pictures; null: predicted for each"
    )
    residual: bool = Field(
        False,
        description="the U-Net gives how the latent has to change instead of all of the noise, so "
        "that a picture which lacks nothing needs nothing of it; ours",
    )
    regressor: str | None = Field(
        None,
        description="a weight that restores pictures first, and the step starts from its result; "
        "null: from the compressed picture, as published",
    )
    lora: LoRAConfig | None = Field(
        None, description="the U-Net learns by low-rank changes; null: whole"
    )

    @property
    def multiple_px(self) -> int:
        """Sides of a picture must be multiples of this."""
        return self.prior.multiple_px

    @property
    def candidates(self) -> tuple[int, ...]:
        """The timesteps there are to choose from."""
        return self.predictor.candidates if self.timestep is None else (self.timestep,)

    @model_validator(mode="after")
    def _tokens_fit(self) -> Self:
        if self.saipe.token_dim != self.prior.token_dim:
            raise ValueError(
                f"the prompt's tokens have {self.saipe.token_dim} numbers, "
                f"those the prior reads {self.prior.token_dim}"
            )
        if any(t >= self.prior.schedule.steps for t in self.candidates):
            raise ValueError(f"timesteps are below {self.prior.schedule.steps}")
        if self.prompt == "cave" and self.saipe.side_px % CAVE_PX:
            raise ValueError(
                f"a token of the prompt cave is of {CAVE_PX}×{CAVE_PX} pixels: "
                f"saipe.side_px is a multiple of {CAVE_PX}, not {self.saipe.side_px}"
            )
        return self
