"""What a user may ask for, and what is known of where it will run."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from restora.engine.colour_fix import COLOUR_FIXES
from restora.engine.ensemble import COUNTS
from restora.engine.latent_samplers import SAMPLERS
from restora.engine.tasks import REAL, SAMPLED
from restora.errors import UsageError
from restora.images.enlarge import FACTORS

DEFAULT_TILE_PX = 512
ASKABLE = ("jpeg", *SAMPLED, "auto")  # as a task
MOST_GUIDANCE = 20.0  # beyond, a picture is nothing but its exaggerated words

# What only models for real-world damage take.
OF_REAL = (
    *("prompt", "caption_model", "negative_prompt", "sampler", "temperature"),
    *("text_guidance", "image_guidance", "color_fix", "upscale"),
)


class Wishes(BaseModel):
    """What a user may ask for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str | None = Field(None, description="None: the one that ships for the task")
    task: str = Field("jpeg", description="jpeg, dehaze, derain, deblur, lowlight, real or auto")
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
    prompt: str | None = Field(
        None, description="real: the caption; empty for none; None: one is written"
    )
    caption_model: str | None = Field(
        None, description="real: who writes the caption; None: tags, where they are installed"
    )
    negative_prompt: str | None = Field(None, description="real: words to be led away from")
    sampler: str | None = Field(None, description="real: ddpm or dpm-solver++; None: as its card")
    temperature: float | None = Field(
        None, description="real: share of the noise that is drawn, 0-1; None: as its card says"
    )
    text_guidance: float | None = Field(
        None, description="real: how far words count, 0-20; 1 as it was taught; None: as its card"
    )
    image_guidance: float | None = Field(
        None, description="real: how far what the picture shows counts, likewise"
    )
    color_fix: str | None = Field(
        None, description="real: none, adain or wavelet; None: as its card says"
    )
    upscale: int = Field(1, description="real: times the picture is enlarged before, 1-4")

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
        if self.task in SAMPLED and self.quality is not None:
            raise UsageError(
                f"--quality is for JPEG repair; --task {self.task} does not look at it."
            )
        self._check_real()
        return self

    def _check_real(self) -> None:
        """What is of :data:`OF_REAL`, by itself and with all else."""
        for name in OF_REAL:
            asked = getattr(self, name) != Wishes.model_fields[name].default
            if asked and self.task != REAL:
                raise UsageError(
                    f"{option_of(name)} is for --task {REAL}; --task {self.task} does not take it."
                )
        if self.prompt is not None and self.caption_model is not None:
            raise UsageError("--prompt is the caption, --caption-model writes one: give one alone.")
        if self.sampler not in (None, *SAMPLERS):
            raise UsageError(f"--sampler is {alternatives(SAMPLERS)}, not {self.sampler!r}.")
        if self.temperature is not None and not 0 <= self.temperature <= 1:
            raise UsageError(f"--temperature is a number from 0 to 1, not {self.temperature:g}.")
        for name in ("text_guidance", "image_guidance"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= MOST_GUIDANCE:
                raise UsageError(
                    f"{option_of(name)} is a number from 0 to {MOST_GUIDANCE:g}, not {value:g}."
                )
        if self.color_fix not in (None, *COLOUR_FIXES):
            raise UsageError(
                f"--color-fix is {alternatives(COLOUR_FIXES)}, not {self.color_fix!r}."
            )
        if self.upscale not in FACTORS:
            raise UsageError(
                f"--upscale is {alternatives([str(factor) for factor in FACTORS])}, "
                f"not {self.upscale}."
            )
        if self.upscale != 1 and self.constraint in ("soft", "hard"):
            raise UsageError(
                f"--constraint {self.constraint} holds a picture to its own file's pixels, and "
                "--upscale makes others."
            )


class Machine(BaseModel):
    """What a plan has to know of where it will run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: str = Field("cpu", description="as PyTorch names it")
    fast_int8: bool = Field(False, description="the CPU multiplies 8-bit numbers faster")


def option_of(name: str) -> str:
    """What a wish is called on the command line."""
    return f"--{name.replace('_', '-')}"


def alternatives(words: Sequence[str]) -> str:
    """Words as a sentence offers them."""
    return f"{', '.join(words[:-1])} or {words[-1]}" if len(words) > 1 else words[0]
