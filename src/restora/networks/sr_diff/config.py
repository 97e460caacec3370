"""What an SR-Diff is made of; light, so that recipes and cards can be read without PyTorch."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from restora.networks.sr_diff.sde import MeanRevertingSDE, Schedule
from restora.networks.sr_diff.tasks import TASKS, Task

Context = Literal["refined", "raw", "oracle-gt", "none"]


class Section(BaseModel):
    """A part of the network's description: fixed, and without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SDEConfig(Section):
    """The diffusion; see :class:`restora.networks.sr_diff.sde.MeanRevertingSDE`."""

    steps: int = Field(100, ge=1, description="T of the grid it is trained on")
    max_sigma: float = Field(50.0, gt=0, description="noise at the end, in gray levels of 255")
    eps: float = Field(0.005, gt=0, lt=1, description="share of the clean picture at the end")
    schedule: Schedule = "cosine"

    def make(self) -> MeanRevertingSDE:
        """The schedule itself."""
        return MeanRevertingSDE(self.steps, self.max_sigma, self.eps, self.schedule)


class RefinerConfig(Section):
    """The Semantic Refinement Module. Source: SR-Diff, its code; defaults are published scale."""

    form: Literal["dual-path", "residual"] = Field(
        "dual-path",
        description="dual-path: two branches, added; residual: the input plus a change that starts "
        "as nothing",
    )
    projected: int | None = Field(
        None,
        ge=1,
        description="numbers the encoder's tokens are projected to first, along the directions "
        "in which those of clean pictures differ most; null: taken as they are",
    )
    hidden: int = Field(1024, ge=1)
    layers: int = Field(4, ge=0, description="of its lower path")
    heads: int = Field(8, ge=1)

    @model_validator(mode="after")
    def _heads_share(self) -> Self:
        if self.hidden % self.heads:
            raise ValueError("hidden is a multiple of heads")
        return self


class JudgeConfig(Section):
    """The network that tells which task a picture needs; ours."""

    side_px: int = Field(224, ge=32, multiple_of=32, description="of the views it is shown")
    widths: tuple[int, ...] = Field((160, 64), min_length=1, description="of the head's layers")


class UNetConfig(Section):
    """The conditional U-Net. Source: SR-Diff's ConditionalUNet; defaults are published scale."""

    width: int = Field(64, ge=8, description="nf, channels behind the first convolution")
    multipliers: tuple[int, ...] = Field(
        (1, 2, 4, 8), min_length=1, description="of the width, scale by scale"
    )
    blocks: int = Field(2, ge=1, description="residual blocks of each scale, down and up")
    unshuffle: int = Field(
        1, ge=1, description="pixels to a side that are folded into channels first; ours"
    )
    stem_px: int = Field(7, ge=1, description="side of the first convolution; odd")
    head_dim: int = Field(32, ge=1, description="width of an attention head")
    linear_attention: bool = Field(
        True, description="in the upper scales; it looks over all of a tile"
    )
    self_attention: bool = Field(
        True, description="in the lowest scale, beside the context; it looks over all of a tile"
    )
    norm: Literal["group", "layer"] = Field(
        "group", description="before the attention to the context: over a tile, or a place alone"
    )
    gain: bool = Field(
        False,
        description="it also gives by how much each place is to be made lighter, so that haze and "
        "darkness are undone without copying the picture's detail through the network; ours",
    )
    modulated: bool = Field(
        False,
        description="the context's first token also scales and shifts the blocks, as the time "
        "does; published: its place is there, switched off",
    )

    @property
    def multiple_px(self) -> int:
        """Sides of a picture are padded to multiples of this."""
        return int(self.unshuffle * 2 ** (len(self.multipliers) - 1))

    @model_validator(mode="after")
    def _shapes_fit(self) -> Self:
        if self.stem_px % 2 == 0:
            raise ValueError("stem_px is odd")
        for channels in (self.width * m for m in (1, *self.multipliers)[-2:]):
            heads = max(1, channels // self.head_dim)
            if channels % heads:
                raise ValueError(f"{heads} heads of head_dim do not share {channels} channels")
        return self


class SRDiffConfig(Section):
    """An SR-Diff; its defaults are published scale, where every task has a model of its own."""

    channels: Literal[3] = Field(3, description="a colour model; gray pictures pass as neutral")
    tasks: tuple[Task, ...] = Field(
        min_length=1, description="what it can undo; with more than one it is told which"
    )
    encoder: str = Field(
        "blip-vector", description="kind of image encoder whose tokens it was taught"
    )
    token_dim: int = Field(768, ge=1, description="numbers of a token of the encoder")
    tokens: int = Field(1, ge=1, description="of a picture; the first stands for all of it")
    context: Context = Field(
        "refined",
        description="what guides it: the encoder's tokens after refinement, as they are, those of "
        "the clean picture (an experiment), or nothing",
    )
    predicts: Literal["noise", "clean"] = Field(
        "noise", description="what the U-Net gives; clean: what the degraded picture lacks"
    )
    sde: SDEConfig = SDEConfig()
    walk: int = Field(
        10,
        ge=1,
        description="steps of a restoration where nobody asks for a number; at most those of the "
        "SDE are taken",
    )
    unet: UNetConfig = UNetConfig()
    refiner: RefinerConfig = RefinerConfig()
    judge: JudgeConfig | None = Field(None, description="null: it cannot choose a task")

    @property
    def multiple_px(self) -> int:
        """Sides of a picture must be multiples of this."""
        return self.unet.multiple_px

    @property
    def context_dim(self) -> int:
        """Numbers of a token as the U-Net reads it."""
        return self.refiner.projected or self.token_dim

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.unet.gain and self.predicts != "clean":
            raise ValueError("unet.gain is of the clean picture: predicts is clean")
        if (self.refiner.projected or 0) > self.token_dim:
            raise ValueError("refiner.projected is at most token_dim")
        if list(self.tasks) != [task for task in TASKS if task in self.tasks]:
            raise ValueError(f"tasks are among {', '.join(TASKS)}, each once and in this order")
        return self
