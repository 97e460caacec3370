"""What travels between page and server, as JSON."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from restora.engine.wishes import MOST_GUIDANCE, Wishes
from restora.weights.registry import MODELS

MOST_STEPS = 100
MOST_SAMPLES = 8
MOST_PASSES = 400  # over a tile, so that nobody keeps all others waiting for hours
MOST_LETTERS = 1000  # of a caption
MOST_SEED = 2**31 - 1

TaskName = Literal["jpeg", "dehaze", "derain", "deblur", "lowlight", "real", "auto"]
FormatName = Literal["png", "jpeg", "tiff", "webp", "avif"]
NAMES = [model.name for model in MODELS]


def _known(name: str | None) -> str | None:
    # A path is what the command takes too; here it would read files of the server's.
    if name is not None and name not in NAMES:
        raise ValueError(f"is one of {', '.join(NAMES)}")
    return name


ModelName = Annotated[
    str, AfterValidator(_known), Field(json_schema_extra={"enum": [*NAMES]})
]  # fmt: skip
Words = Annotated[str, Field(max_length=MOST_LETTERS)]
Guidance = Annotated[float, Field(ge=0, le=MOST_GUIDANCE)]


def _number(value: object) -> object:
    # In a query everything is text, which a choice of numbers does not take by itself.
    return int(value) if isinstance(value, str) and value.isdecimal() else value


Counted = BeforeValidator(_number)


class _Shape(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Settings(_Shape):
    """What is wished for one picture; as the command's options, without paths."""

    task: TaskName = Field("jpeg", description="what is undone; auto lets a judge look")
    model: ModelName | None = Field(None, description="none: the one that ships for the task")
    quality: int | None = Field(
        None, ge=1, le=100, description="quality it was saved at; none: read or estimated"
    )
    strength: int = Field(100, ge=0, le=100, description="share of the repair in percent")
    constraint: Literal["auto", "off", "soft", "hard"] = Field(
        "auto", description="hold the result to the file's quantisation bins"
    )
    ensemble: Annotated[Literal[1, 2, 4, 8], Counted] = Field(
        1, description="mean over so many views; slower"
    )
    seed: int | None = Field(None, ge=0, le=MOST_SEED, description="draws a diffusion's noise")
    steps: int | None = Field(None, ge=1, le=MOST_STEPS, description="of a diffusion's walk")
    samples: int = Field(1, ge=1, le=MOST_SAMPLES, description="whose mean is the result")
    prompt: Words | None = Field(
        None, description="real: the caption, empty for none; none: one is written"
    )
    negative_prompt: Words | None = Field(None, description="real: words to be led away from")
    temperature: float | None = Field(None, ge=0, le=1, description="real: share of the noise")
    text_guidance: Guidance | None = Field(None, description="real: how far words count")
    image_guidance: Guidance | None = Field(None, description="real: how far the picture counts")
    color_fix: Literal["none", "adain", "wavelet"] | None = Field(
        None, description="real: gives the colours of the input back"
    )
    upscale: Annotated[Literal[1, 2, 3, 4], Counted] = Field(
        1, description="real: times the picture is enlarged"
    )
    bits: Annotated[Literal[8, 16] | None, Counted] = Field(
        None, description="a channel; none: the input's"
    )

    @model_validator(mode="after")
    def _affordable(self) -> Self:
        asked = (self.steps or 1) * self.samples * self.ensemble
        if asked > MOST_PASSES:
            raise ValueError(
                f"steps × samples × ensemble may be {MOST_PASSES} here, not {asked}; "
                "the command has no such limit"
            )
        return self

    def wishes(self) -> Wishes:
        """What the engine is asked for.

        Raises:
            UsageError: They contradict each other.
        """
        return Wishes(**self.model_dump(exclude={"bits"})).checked()


class Row(_Shape):
    """A label and what is told of it."""

    label: str
    text: str


class InspectedShape(_Shape):
    """What a file knows, before anything is done to it."""

    headline: str = Field(description="what the file tells of its past, as sentences")
    rows: list[Row] = Field(description="everything, for people")
    quality: float | None = Field(description="it was saved at, 1-100; none: nothing tells")
    facts: dict[str, Any] = Field(description="everything, for programs")


class Work(_Shape):
    """How far a picture is."""

    state: Literal["none", "waiting", "working", "done", "failed", "stopped"]
    version: int = Field(description="counts what was asked for of this picture")
    ahead: int = Field(description="how many come before it")
    done: int = Field(description="tiles that are done")
    total: int = Field(description="tiles in all; 0: not known yet")
    error: str | None = Field(description="why it failed or was given up, as a sentence")


class Outcome(_Shape):
    """What came of a restoration."""

    version: int = Field(description="of what was asked for")
    settings: Settings
    width_px: int = Field(description="upright, as it is written")
    height_px: int
    seconds: float
    explain: list[str] = Field(description="what was done and why, a sentence each")
    quality: float | None = Field(description="quality it was taken to be saved at")
    quality_source: str = Field(description="who told that")
    prompt: str | None = Field(description="the caption that was used")
    inside_bins: float | None = Field(
        description="share of the file's coefficients that the result agrees with, 0-1"
    )
    notes: list[str] = Field(description="what was odd about the file")
    report: dict[str, Any] = Field(description="all of it, as `restora restore --json` prints it")


class PictureShape(_Shape):
    """A picture that the server keeps for a while."""

    id: str
    name: str
    size_bytes: int
    format: str
    width_px: int = Field(description="upright")
    height_px: int
    browser_shows: bool = Field(description="a browser shows the file itself as it is meant")
    inspected: InspectedShape
    work: Work
    result: Outcome | None
    kept_s: float = Field(description="seconds it is kept for if nobody asks for it")


class ZipWish(_Shape):
    """Which results go into a zip."""

    pictures: list[str] = Field(min_length=1, max_length=1000, description="their ids")
    format: FormatName = "png"
    jpeg_quality: int = Field(95, ge=1, le=100)


class ModelShape(_Shape):
    """A model that can be asked for."""

    name: str
    summary: str
    tasks: list[str]
    default_for: list[str]


class TaskShape(_Shape):
    """A task that can be asked for."""

    name: str
    title: str
    says: str


class FormatShape(_Shape):
    """A format that results can be had in."""

    name: str
    title: str
    suffix: str
    lossless: bool
    alpha: bool
    bits: list[int]


class ExampleShape(_Shape):
    """A picture to try."""

    name: str
    title: str
    says: str
    url: str
    settings: Settings


class LimitsShape(_Shape):
    """How much the server takes."""

    upload_bytes: int
    pixels: int
    waiting: int
    kept_s: float


class About(_Shape):
    """What this server can do."""

    version: str
    captions: bool = Field(description="captions are written by themselves")
    models: list[ModelShape]
    tasks: list[TaskShape]
    formats: list[FormatShape]
    limits: LimitsShape
    examples: list[ExampleShape]


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str = Field(description="a sentence for people")
    salvage: bool = Field(
        False, description="a part of the file decodes, and can be asked for with salvage=true"
    )
