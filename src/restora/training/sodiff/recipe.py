"""What a recipe of SODiff says."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from restora.networks.sodiff.config import SODiffConfig
from restora.networks.sodiff.critic import LATEST
from restora.training.sections import Recipe, Section

Above0 = Annotated[float, Field(gt=0)]
Stage = Literal["codec", "prior", "prompt", "predictor", "one-step"]


class SODiffSection(Section):
    """SODiff alone: its five stages. Source: SODiff, its architecture figures.

    The paper prints no weight of a loss; the defaults are those of its authors' next works.
    """

    stage: Stage = Field(
        description="codec: the auto-encoder; prior: the U-Net learns to denoise with text; "
        "prompt: SAIPE, the paper's first stage; predictor: its heads learn the quality; "
        "one-step: the paper's second stage"
    )
    prior_weights: str | None = Field(
        None, description="folder or hub id of a prior in diffusers' layout, to start from"
    )
    captioner: str = Field("tags", description="who describes the clean photos")
    text_encoder: str = Field("minilm", description="whose tokens the prior reads")
    views: int = Field(4, ge=1, description="parts of each photo that get a caption, the whole too")
    view_qualities: tuple[Annotated[int, Field(ge=1, le=100)], ...] = Field(
        (5, 10, 20, 40, 80),
        min_length=1,
        description="qualities the small copies for the prompt are saved at",
    )
    kl_weight: float = Field(1e-6, ge=0, description="codec: pull of the latents to a unit normal")
    prompt_drop: float = Field(0.1, ge=0, le=1, description="prior: share that gets no text")
    align_weight: float = Field(0.1, ge=0, description="prompt: MSE and cosine to the text")
    contrast_weight: float = Field(
        0.05, ge=0, description="prompt: InfoNCE between pooled prompts and texts of a batch"
    )
    warmup: float = Field(
        0.05,
        ge=0,
        le=1,
        description="share of the steps: prompt: reconstruction alone; "
        "one-step: the timestep goes by quality",
    )
    pixel_weight: float = Field(1.0, ge=0, description="one-step: MSE of the picture")
    latent_weight: float = Field(0.0, ge=0, description="one-step: MSE of the latent; ours")
    distance: str = Field(
        "filter-bank", description="one-step: features of EA-DISTS: filter-bank, lite0, vgg16:FILE"
    )
    distance_weight: float = Field(1.0, ge=0, description="one-step: EA-DISTS")
    critic_weight: float = Field(0.01, ge=0, description="one-step: the critic; 0 trains none")
    critic_lora: int | None = Field(
        None, ge=1, description="one-step: rank of the critic's LoRA; null: all of it learns"
    )
    critic_from: float = Field(0.0, ge=0, le=1, description="share of the steps before it counts")
    balance_weight: float = Field(
        0.01, ge=0, description="one-step: KL of the mean choice to all alike, gone by 30 %"
    )
    temperature: tuple[Above0, Above0] = Field(
        (1.0, 0.3), description="of the Gumbel-softmax, first to last, falling over half the steps"
    )
    predictor_rate: float = Field(1.0, ge=0, description="of the predictor, in parts of train.lr")


class SODiffRecipe(Recipe):
    """A recipe of SODiff."""

    method: Literal["sodiff"]
    network: SODiffConfig
    sodiff: SODiffSection

    @model_validator(mode="after")
    def _fits(self) -> Self:
        multiple_px = self.network.multiple_px
        if self.data.patch_px % multiple_px:
            raise ValueError(f"data.patch_px is a multiple of {multiple_px} for this prior")
        if self.sodiff.stage == "prompt" and self.network.prompt != "saipe":
            raise ValueError("the stage prompt trains SAIPE: network.prompt is saipe")
        steps, critic = self.network.prior.schedule.steps, self.sodiff.critic_weight > 0
        if self.sodiff.stage == "one-step" and critic and steps <= LATEST:
            raise ValueError(
                f"the critic draws timesteps up to {LATEST}: "
                f"network.prior.schedule.steps is above that, not {steps}"
            )
        return self
