"""What a recipe of SR-Diff says."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from restora.networks.sr_diff.config import SRDiffConfig
from restora.networks.sr_diff.tasks import Task
from restora.training.sections import Recipe, Section

Share = Annotated[float, Field(ge=0, le=1)]
Stage = Literal["refiner", "judge", "restore"]


class SRDiffSection(Section):
    """SR-Diff alone: its three stages."""

    stage: Stage = Field(
        description="refiner: the Semantic Refinement Module; judge: which task a picture needs "
        "(ours); restore: the U-Net"
    )
    variants: int = Field(2, ge=1, description="degraded copies of each photo for each task")
    fresh: bool = Field(
        False,
        description="restore: degrade each patch anew, with its surroundings; tokens are still "
        "those of a stored copy; ours",
    )
    random_gamma: float = Field(
        1.0,
        ge=1,
        le=4,
        description="restore, fresh: before its damage a patch gets a gamma between the inverse of "
        "this and this, so that photos differ more in how light they are; ours",
    )
    holdout: Share = Field(0.1, description="share of the photos that the refiner does not see")
    l1_weight: float = Field(0.7, ge=0, description="refiner: mean distance of the vectors")
    cosine_weight: float = Field(0.3, ge=0, description="refiner: 1 - cosine of their angle")
    loss: Literal["clean-l1", "clean-log", "noise-l1", "maxlik"] = Field(
        "clean-l1",
        description="restore: L1 of the clean picture; the logarithm of each picture's error, so "
        "that no task drowns another; L1 of the noise; or, as published, between Euler's step and "
        "the likeliest state before",
    )
    late_share: Share = Field(
        0.0,
        description="restore: share of pictures whose step is among the last three tenths, where "
        "the state tells next to nothing of the clean picture; ours",
    )
    start_share: Share = Field(
        0.0,
        description="restore: share of pictures whose state is the one a walk starts from, with "
        "nothing of the clean picture in it; ours",
    )
    context_drop: Share = Field(0.1, description="restore: share of pictures that get no context")
    task_shares: dict[Task, Annotated[float, Field(ge=0)]] = Field(
        {}, description="restore: how often each task comes; those not named count 1"
    )


class SRDiffRecipe(Recipe):
    """A recipe of SR-Diff."""

    method: Literal["sr-diff"]
    network: SRDiffConfig
    srdiff: SRDiffSection

    @model_validator(mode="after")
    def _fits(self) -> Self:
        multiple_px = self.network.multiple_px
        if self.data.patch_px % multiple_px:
            raise ValueError(f"data.patch_px is a multiple of {multiple_px} for this network")
        if self.srdiff.random_gamma > 1 and not self.srdiff.fresh:
            raise ValueError("random_gamma is for fresh damage: set srdiff.fresh")
        if self.srdiff.start_share and not self.srdiff.loss.startswith("clean"):
            raise ValueError("start_share is for the losses clean-l1 and clean-log")
        if self.srdiff.stage == "judge" and self.network.judge is None:
            raise ValueError("the stage judge trains network.judge, which is null")
        if any(task not in self.network.tasks for task in self.srdiff.task_shares):
            raise ValueError(f"task_shares are of {', '.join(self.network.tasks)}")
        if not any(self.srdiff.task_shares.get(task, 1.0) for task in self.network.tasks):
            raise ValueError("task_shares leave no task to learn")
        return self
