"""What every recipe says, whatever it trains."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from restora.networks.catalogue import NetworkConfig


class Section(BaseModel):
    """A part of a recipe: fixed, and without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class DataRecipe(Section):
    """Which pairs of clean and compressed patches the network sees."""

    patch_px: int = Field(96, ge=16, multiple_of=16, description="side of a training patch")
    batch: int = Field(16, ge=1, description="patches a step")
    codec: Literal["libjpeg", "tensor"] = Field(
        "libjpeg", description="file-true on the CPU, or the batched tensor JPEG for a GPU"
    )
    quality_min: int = Field(5, ge=1, le=100)
    quality_max: int = Field(95, ge=1, le=100)
    benchmark_share: float = Field(
        0.5, ge=0, le=1, description="share of pairs drawn from 10, 20 ... 60 instead of the range"
    )
    low_share: float = Field(
        0.0,
        ge=0,
        le=1,
        description="of the rest, share whose quality is log-uniform",
    )
    clean_share: float = Field(0.08, ge=0, le=1, description="share of pairs left uncompressed")
    double_share: float = Field(
        0.2, ge=0, le=1, description="share of pairs saved twice, the second time off the grid"
    )
    rescaled_share: float = Field(
        0.1, ge=0, le=1, description="share of the twice saved made smaller between the saves"
    )
    shifted_share: float = Field(
        0.25, ge=0, le=1, description="share of patches whose corner is off the 8-pixel grid"
    )
    full_range_share: float = Field(
        0.25, ge=0, le=1, description="gray only: share with full-range luma instead of BT.601"
    )
    neutral_share: float = Field(0.05, ge=0, le=1, description="colour only: share without colour")

    @model_validator(mode="after")
    def _range_is_one(self) -> Self:
        if self.quality_min > self.quality_max:
            raise ValueError(
                f"quality_min {self.quality_min} is above quality_max {self.quality_max}"
            )
        return self


class TrainRecipe(Section):
    """How the weights move."""

    steps: int = Field(40_000, ge=1, description="optimiser steps in all")
    warmup_steps: int = Field(300, ge=0, description="linear rise of the rate at the start")
    decay_steps: int = Field(10_000, ge=0, description="fall of the rate to zero at the end")
    lr: float = Field(1e-3, gt=0, description="AdamW rate between warm-up and decay")
    weight_decay: float = Field(1e-4, ge=0)
    clip_norm: float = Field(1.0, gt=0, description="largest gradient norm")
    ema: float = Field(0.999, ge=0, lt=1, description="decay of the averaged weights")
    quality_weight: float = Field(0.1, ge=0, description="weight of the quality loss")
    pixel_loss: Literal["l1", "rms", "mse"] = Field(
        "l1",
        description="mean error; mean over the samples of their root mean square error; or mean "
        "square error",
    )
    chroma_weight: float | None = Field(
        None,
        ge=0,
        description="weight of the squared error of Cb and Cr beside luma's L1; null: RGB; only l1",
    )
    teacher_share: float = Field(
        0.5, ge=0, le=1, description="share of samples whose controller gets the true quality"
    )
    precision: Literal["fp32", "bf16"] = Field("fp32", description="type inside the network")
    seed: int = 0

    def lr_at(self, step: int) -> float:
        """The rate of optimiser step ``step``, counted from 0."""
        rise = min(1.0, (step + 1) / (self.warmup_steps + 1))
        fall = min(1.0, max(0, self.steps - step) / max(1, self.decay_steps))
        return self.lr * rise * fall


class Recipe(Section):
    """Everything that makes a weight, but the photos and the clock."""

    name: str = Field(description="name of the weight, such as fbcnn-gray-compact")
    method: str
    network: NetworkConfig
    data: DataRecipe = DataRecipe()
    train: TrainRecipe = TrainRecipe()
