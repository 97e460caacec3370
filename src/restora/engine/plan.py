"""Facts and wishes become a plan that can be printed. No decision is made anywhere else.

What belongs to JPEG alone is in :mod:`restora.engine.plan_jpeg`, what belongs to other damage in
:mod:`restora.engine.plan_tasks` and :mod:`restora.engine.plan_real`.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from restora.engine.estimate import Seen
from restora.engine.models import Precision
from restora.engine.plan_jpeg import (
    DEFAULT_CONSTRAINT,
    HALF_WIDTH,
    Constraint,
    Source,
    choose_constraint,
    choose_quality,
    why_timestep,
)
from restora.engine.plan_needs import Needs, check_wishes
from restora.engine.plan_real import ENLARGED, choose_manner
from restora.engine.plan_tasks import (
    DEFAULT_SEED,
    Choice,
    PlanTask,
    choose_constraint_of_task,
    choose_task,
    first_of,
    model_of,
    only_jpeg,
    why_sampling,
)
from restora.engine.routes import Route, choose_route
from restora.engine.tasks import Sampled
from restora.engine.tiles import GRID_PX
from restora.engine.wishes import DEFAULT_TILE_PX, Machine, Wishes
from restora.images import Picture
from restora.jpeg import JpegFacts
from restora.weights.registry import DEFAULT_MODEL, find_model

__all__ = [
    "DEFAULT_CONSTRAINT",
    "DEFAULT_TILE_PX",
    "HALF_WIDTH",
    "Constraint",
    "Machine",
    "Needs",
    "Plan",
    "Wishes",
    "check_wishes",
    "make_plan",
]


class Plan(BaseModel):
    """What will be done to one picture, decided once for the whole of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: PlanTask = Field("jpeg", description="what is undone; none: nothing at all")
    model: str
    weights: tuple[str, ...] = Field(description="weights that run, in order")
    first: str | None = Field(
        None, description="weight whose result they start from; None: from the picture itself"
    )
    route: Route = Field(description="which planes of the picture go through them")
    quality: float | None = Field(
        description="quality the picture is taken to be saved at; None: the network decides. What "
        "a network takes from the picture itself whatever this says, the reasons tell"
    )
    quality_source: Source
    constraint: Constraint = Field(description="how the result is held to the file's bins")
    half_width: float = Field(description="how much of a bin is used, in steps to each side")
    strength: int
    ensemble: int
    precision: Precision
    seed: int | None = Field(description="draws all noise; None: means are taken")
    steps: int | None = Field(None, description="of a walk; None: the model takes none")
    samples: int = Field(1, description="whose mean is the result")
    prompt: str | None = Field(
        None, description="the caption, empty for none; None: the model reads no words"
    )
    captioner: str | None = Field(
        None, description="who wrote it; asked: the user; None: nobody did"
    )
    negative_prompt: str | None = Field(None, description="words to be led away from")
    sampler: str | None = Field(None, description="of a walk over latents; None: there is none")
    text_guidance: float | None = Field(None, description="how far words count; 1 as taught")
    temperature: float | None = Field(None, description="share of the noise that is drawn")
    image_guidance: float | None = Field(None, description="how far the picture's tokens count")
    color_fix: str = Field("none", description="what gives the colours of the input back")
    upscale: int = Field(1, description="times the picture was enlarged before")
    tile_px: int
    overlap_px: int
    grid_px: int = Field(GRID_PX, description="tiles start and end at multiples of this")
    reasons: tuple[str, ...] = Field(description="each decision in words")

    def explain(self) -> str:
        """The plan as lines of text."""
        return "\n".join(f"- {reason}" for reason in self.reasons)


def make_plan(
    picture: Picture,
    facts: JpegFacts | None,
    wishes: Wishes,
    *,
    seen: Seen | None = None,
    no_bins: str | None = None,
    machine: Machine | None = None,
) -> Plan:
    """Decide what to do.

    Args:
        picture: The picture, enlarged already if it shall be.
        facts: What its file knows, if it is a JPEG.
        wishes: What the user asks for.
        seen: What the network sees in this picture, if it was asked, and what was judged.
        no_bins: Why the file's quantisation bins cannot be had, if they cannot.
        machine: Where it will run; None means a CPU of which nothing is known.

    Raises:
        InputError: The model cannot take this picture.
        UsageError: Unknown model, or one that cannot do this, or a number out of its range.
    """
    wishes, machine = wishes.checked(), machine or Machine()
    model_of(wishes)  # that it can do this is sure, whatever a judge finds
    if facts is None:
        no_bins = "not a JPEG, so there are no bins to keep to"
    elif wishes.upscale != 1:
        no_bins = ENLARGED
    choice = choose_task(picture, facts, wishes, seen)
    if choice.task == "none":
        return _plan_nothing(picture, wishes, choice)
    if choice.task != "jpeg":
        return _plan_task(
            picture,
            choice,
            wishes,
            task=choice.task,
            seen=seen,
            no_bins=no_bins,
            machine=machine,
        )
    if wishes.task == "auto":
        wishes = only_jpeg(wishes)
    return _plan_jpeg(
        picture, choice, wishes, facts=facts, seen=seen, no_bins=no_bins, machine=machine
    )


def _plan_jpeg(
    picture: Picture,
    choice: Choice,
    wishes: Wishes,
    *,
    facts: JpegFacts | None,
    seen: Seen | None,
    no_bins: str | None,
    machine: Machine,
) -> Plan:
    """JPEG artifacts are repaired."""
    model = model_of(wishes)
    route, weights, why_route = choose_route(picture, model)
    needs = check_wishes(wishes, weights, machine)
    quality, source, why_quality = choose_quality(
        facts, wishes, None if seen is None else seen.quality
    )
    constraint, why_constraint = choose_constraint(facts, wishes, source, no_bins)
    reasons = [*choice.why, why_route]
    if needs.first is not None:
        reasons.append(_why_first(needs.first, weights))
    reasons.append(why_quality)
    reasons += [
        why_timestep(weight.timesteps, wishes, seen) for weight in needs.known if weight.timesteps
    ]
    reasons += [why_constraint, needs.why_precision, *_why_mixed(wishes)]
    if wishes.seed is not None:
        reasons.append(f"seed {wishes.seed}: the latent is drawn, not its mean")
    reasons += _why_tiles(picture, wishes, needs)
    return Plan(
        model=model.name,
        weights=weights,
        first=needs.first,
        route=route,
        quality=quality,
        quality_source=source,
        constraint=constraint,
        half_width=HALF_WIDTH[constraint],
        strength=wishes.strength,
        ensemble=wishes.ensemble,
        precision=needs.precision,
        seed=wishes.seed,
        tile_px=wishes.tile_px,
        overlap_px=needs.overlap_px,
        grid_px=needs.grid_px,
        reasons=tuple(reasons),
    )


def _plan_task(
    picture: Picture,
    choice: Choice,
    wishes: Wishes,
    *,
    task: Sampled,
    seen: Seen | None,
    no_bins: str | None,
    machine: Machine,
) -> Plan:
    """Other damage is undone, by a model that samples."""
    model = model_of(wishes.model_copy(update={"task": task}))
    route, weights, why_route = choose_route(picture, model)
    first = first_of(wishes) if choice.first else None
    needs = check_wishes(wishes, weights, machine, first=first)
    constraint, why_constraint = choose_constraint_of_task(task, wishes, no_bins)
    (known,) = needs.known
    seed: int | None = DEFAULT_SEED if wishes.seed is None else wishes.seed
    steps = known.steps if wishes.steps is None else wishes.steps
    manner = None
    if known.ssp_ir is not None:
        words = None if seen is None else seen.words
        manner = choose_manner(picture, wishes, known.ssp_ir, words)
        seed = seed if manner.temperature else None
    reasons = [*choice.why, why_route]
    if needs.first is not None:
        reasons.append(_why_first(needs.first, weights))
    reasons += manner.why_words if manner else ()
    reasons += why_sampling(
        steps,
        known.most_steps,
        wishes.samples,
        seed,
        sampler=manner.sampler if manner else None,
        temperature=manner.temperature if manner else 1,
    )
    reasons += manner.why if manner else ()
    reasons += [why_constraint, needs.why_precision, *_why_mixed(wishes)]
    reasons += _why_tiles(picture, wishes, needs)
    return Plan(
        task=task,
        model=model.name,
        weights=weights,
        first=needs.first,
        route=route,
        quality=choice.quality,
        quality_source=choice.source,
        constraint=constraint,
        half_width=HALF_WIDTH[constraint],
        strength=wishes.strength,
        ensemble=wishes.ensemble,
        precision=needs.precision,
        seed=seed,
        steps=steps,
        samples=wishes.samples,
        **(manner.told() if manner else {}),
        tile_px=wishes.tile_px,
        overlap_px=needs.overlap_px,
        grid_px=needs.grid_px,
        reasons=tuple(reasons),
    )


def _plan_nothing(picture: Picture, wishes: Wishes, choice: Choice) -> Plan:
    """The picture comes out as it went in."""
    route, _, _ = choose_route(picture, find_model(DEFAULT_MODEL))
    return Plan(
        task="none",
        model="none",
        weights=(),
        route=route,
        quality=None,
        quality_source="none",
        constraint="off",
        half_width=HALF_WIDTH["off"],
        strength=wishes.strength,
        ensemble=wishes.ensemble,
        precision="float",
        seed=None,
        tile_px=wishes.tile_px,
        overlap_px=0,
        reasons=choice.why,
    )


def _why_first(first: str, weights: tuple[str, ...]) -> str:
    return f"first {first} restores the picture, and {weights[0]} starts from that"


def _why_mixed(wishes: Wishes) -> list[str]:
    """What comes of the result and others, in words."""
    reasons = []
    if wishes.strength != 100:
        reasons.append(f"strength {wishes.strength} %: mixed with the input")
    if wishes.ensemble != 1:
        reasons.append(f"ensemble: the mean over {wishes.ensemble} views of the picture")
    return reasons


def _why_tiles(picture: Picture, wishes: Wishes, needs: Needs) -> list[str]:
    """How the picture is cut, in words."""
    reasons = [
        f"tiles of at most {wishes.tile_px} pixels, overlapping by {needs.overlap_px}, "
        f"on the {needs.grid_px}-pixel grid"
    ]
    tiled = max(picture.height_px, picture.width_px) > wishes.tile_px
    if tiled and not all(weight.local for weight in needs.known):
        reasons.append(
            "the network sees all of a tile at once: other tiles give a slightly other picture"
        )
    return reasons
