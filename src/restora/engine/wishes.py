"""What a user may ask for, and what is known of where it will run."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from restora.engine.ensemble import COUNTS
from restora.errors import UsageError
from restora.networks.sr_diff.tasks import TASKS

DEFAULT_TILE_PX = 512
ASKABLE = ("jpeg", *TASKS, "auto")  # as a task


class Wishes(BaseModel):
    """What a user may ask for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str | None = Field(None, description="None: the one that ships for the task")
    task: str = Field("jpeg", description="jpeg, dehaze, derain, deblur, lowlight or auto")
    quality: int | None = Field(None, description="assumed quality 1-100; None decides by itself")
    strength: int = Field(100, description="share of the restoration that is applied, 0-100")
    tile_px: int = Field(DEFAULT_TILE_PX, description="largest side of a tile, a multiple of 16")
    constraint: str = Field("auto", description="auto, off, soft or hard: keep to the file's bins")
    ensemble: int = Field(1, description="views of the picture to take the mean of: 1, 2, 4, 8")
    precision: str = Field("auto", description="auto, float, half or int8")
    seed: int | None = Field(
        None,
        description="draws the noise of a diffusion model; None takes the mean of a latent, "
        "or 0 where a model cannot do without noise",
    )
    steps: int | None = Field(None, description="of a model that samples; None: as its card says")
    samples: int = Field(1, description="of a model that samples: their mean is the result")

    def checked(self) -> Wishes:
        """These wishes, if they make sense; what a model makes of them is told by the plan.

        Raises:
            UsageError: A number is out of its range, or a word is none of those known.
        """
        if self.quality is not None and not 1 <= self.quality <= 100:
            raise UsageError(f"--quality is 'auto' or a number from 1 to 100, not {self.quality}.")
        if not 0 <= self.strength <= 100:
            raise UsageError(f"--strength is a number from 0 to 100, not {self.strength}.")
        if self.tile_px % 16 or self.tile_px < 128:
            raise UsageError(
                f"--tile is a multiple of 16 pixels, at least 128, not {self.tile_px}."
            )
        if self.constraint not in ("auto", "off", "soft", "hard"):
            raise UsageError(f"--constraint is auto, off, soft or hard, not {self.constraint!r}.")
        if self.ensemble not in COUNTS:
            raise UsageError(f"--ensemble is 1, 2, 4 or 8, not {self.ensemble}.")
        if self.precision not in ("auto", "float", "half", "int8"):
            raise UsageError(f"--precision is auto, float, half or int8, not {self.precision!r}.")
        if self.seed is not None and self.seed < 0:
            raise UsageError(f"--seed is a whole number from 0, not {self.seed}.")
        if self.task not in ASKABLE:
            raise UsageError(f"--task is {alternatives(ASKABLE)}, not {self.task!r}.")
        if self.steps is not None and self.steps < 1:
            raise UsageError(f"--steps is a whole number from 1, not {self.steps}.")
        if self.samples < 1:
            raise UsageError(f"--samples is a whole number from 1, not {self.samples}.")
        if self.task in TASKS and self.quality is not None:
            raise UsageError(
                f"--quality is for JPEG repair; --task {self.task} does not look at it."
            )
        return self


class Machine(BaseModel):
    """What a plan has to know of where it will run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: str = Field("cpu", description="as PyTorch names it")
    fast_int8: bool = Field(False, description="the CPU multiplies 8-bit numbers faster")


def alternatives(words: Sequence[str]) -> str:
    """Words as a sentence offers them."""
    return f"{', '.join(words[:-1])} or {words[-1]}"
