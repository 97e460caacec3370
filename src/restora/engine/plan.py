"""Facts and wishes become a plan that can be printed. No decision is made anywhere else."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from restora.engine.ensemble import COUNTS
from restora.engine.estimate import Seen
from restora.engine.models import (
    Precision,
    WeightFacts,
    first_facts,
    resolve_model,
    weight_facts,
)
from restora.engine.routes import Route, choose_route
from restora.engine.tiles import GRID_PX
from restora.errors import UsageError
from restora.images import Picture
from restora.jpeg import JpegFacts
from restora.jpeg.history import TRUSTED, EarlierSave
from restora.networks.sodiff.buckets import slice_of
from restora.weights.registry import DEFAULT_MODEL

DEFAULT_TILE_PX = 512
DEFAULT_CONSTRAINT: Constraint = "soft"
# The truth may lie as far as 0.5 steps from a bin's middle, but mostly lies nearer: 0.4 lost
# against the network alone on no picture tried.
HALF_WIDTH: dict[Constraint, float] = {"off": 0.5, "soft": 0.4, "hard": 0.5}
INT8_MOST_LOSS_DB = 0.05  # above that the 8-bit form is for those who ask for it

# The network's estimate replaces the header's quality only when it is far lower: a file whose
# damage is that much worse than its tables allow was saved before, and harder, even where no
# earlier block grid is found (it was resized in between). The two bounds keep false alarms on
# pictures saved once rare.
EARLIER_SAVE_RATIO = 0.7
EARLIER_SAVE_LEAST = 15

Constraint = Literal["off", "soft", "hard"]
Source = Literal["asked", "header", "network", "earlier save"]


class Wishes(BaseModel):
    """What a user may ask for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = DEFAULT_MODEL
    quality: int | None = Field(None, description="assumed quality 1-100; None decides by itself")
    strength: int = Field(100, description="share of the restoration that is applied, 0-100")
    tile_px: int = Field(DEFAULT_TILE_PX, description="largest side of a tile, a multiple of 16")
    constraint: str = Field("auto", description="auto, off, soft or hard: keep to the file's bins")
    ensemble: int = Field(1, description="views of the picture to take the mean of: 1, 2, 4, 8")
    precision: str = Field("auto", description="auto, float, half or int8")
    seed: int | None = Field(
        None, description="draws the latents of a diffusion model; None takes their mean"
    )

    def checked(self) -> Wishes:
        """These wishes, if they make sense.

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
        return self


class Machine(BaseModel):
    """What a plan has to know of where it will run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: str = Field("cpu", description="as PyTorch names it")
    fast_int8: bool = Field(False, description="the CPU multiplies 8-bit numbers faster")


class Plan(BaseModel):
    """What will be done to one picture, decided once for the whole of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

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
    seed: int | None = Field(description="draws the latents; None: their mean is taken")
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
        picture: The picture.
        facts: What its file knows, if it is a JPEG.
        wishes: What the user asks for.
        seen: What the network sees in this picture, if it was asked.
        no_bins: Why the file's quantisation bins cannot be had, if they cannot.
        machine: Where it will run; None means a CPU of which nothing is known.

    Raises:
        InputError: The model cannot take this picture.
        UsageError: Unknown model, or a number out of its range.
    """
    wishes, machine = wishes.checked(), machine or Machine()
    model = resolve_model(wishes.model)
    route, weights, why_route = choose_route(picture, model)
    needs = check_wishes(wishes, weights, machine)
    quality, source, why_quality = _choose_quality(
        facts, wishes, None if seen is None else seen.quality
    )
    if facts is None:
        no_bins = "not a JPEG, so there are no bins to keep to"
    constraint, why_constraint = _choose_constraint(facts, wishes, source, no_bins)
    reasons = [why_route]
    if needs.first is not None:
        reasons.append(
            f"first {needs.first} restores the picture, and {weights[0]} starts from that"
        )
    reasons.append(why_quality)
    reasons += [
        _why_timestep(weight.timesteps, wishes, seen) for weight in needs.known if weight.timesteps
    ]
    reasons += [why_constraint, needs.why_precision]
    if wishes.strength != 100:
        reasons.append(f"strength {wishes.strength} %: mixed with the input")
    if wishes.ensemble != 1:
        reasons.append(f"ensemble: the mean over {wishes.ensemble} views of the picture")
    if wishes.seed is not None:
        reasons.append(f"seed {wishes.seed}: the latent is drawn, not its mean")
    reasons.append(
        f"tiles of at most {wishes.tile_px} pixels, overlapping by {needs.overlap_px}, "
        f"on the {needs.grid_px}-pixel grid"
    )
    tiled = max(picture.height_px, picture.width_px) > wishes.tile_px
    if tiled and not all(weight.local for weight in needs.known):
        reasons.append(
            "the network sees all of a tile at once: other tiles give a slightly other picture"
        )
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


@dataclass(frozen=True)
class Needs:
    """How some weights will run, whatever the picture.

    Attributes:
        known: What is known of each.
        first: The weight that restores before they do, if any.
        precision: In which all of them run.
        why_precision: In words.
        overlap_px: Of tiles.
        grid_px: What tiles start at and end at multiples of.
    """

    known: tuple[WeightFacts, ...]
    first: str | None
    precision: Precision
    why_precision: str
    overlap_px: int
    grid_px: int


def check_wishes(wishes: Wishes, weights: tuple[str, ...], machine: Machine) -> Needs:
    """What running some weights takes.

    Raises:
        UsageError: These weights cannot do what is wished, or not on this machine.
        WeightsError: One of them needs another, which is not here.
    """
    known = tuple(weight_facts(weight) for weight in weights)
    if wishes.seed is not None and not any(weight.timesteps for weight in known):
        raise UsageError(
            f"--seed is for diffusion models such as sodiff; {wishes.model} draws nothing."
        )
    first = known[0].first
    run = [*known] if first is None else [first_facts(weights[0], first), *known]
    precision, why_precision = _choose_precision(wishes.checked(), run, machine)
    return Needs(
        known,
        first,
        precision,
        why_precision,
        overlap_px=max(weight.overlap_px for weight in run),
        grid_px=math.lcm(GRID_PX, *(weight.multiple_px for weight in run)),
    )


def _header_quality(facts: JpegFacts | None) -> int | None:
    return facts.quality.quality if facts is not None and facts.quality is not None else None


def _earlier_save(facts: JpegFacts | None) -> EarlierSave | None:
    """An earlier save that is sure enough, and harder than the last."""
    earlier, header = facts.earlier_save if facts is not None else None, _header_quality(facts)
    if earlier is None or header is None:
        return None
    return earlier if earlier.confidence >= TRUSTED and earlier.quality < header else None


def _choose_quality(
    facts: JpegFacts | None, wishes: Wishes, seen: float | None
) -> tuple[float | None, Source, str]:
    """Order of trust: what is asked, an earlier and harsher save, the header, the network."""
    if wishes.quality is not None:
        return wishes.quality, "asked", f"quality {wishes.quality}: asked for"
    header = _header_quality(facts)
    if facts is None or facts.quality is None or header is None:
        estimate = "" if seen is None else f" {seen:.0f}"
        why = f"quality{estimate}: the network's own estimate; no JPEG header to read"
        return seen, "network", why
    earlier = _earlier_save(facts)
    if earlier is not None:
        why = (
            f"quality {earlier.quality}: an earlier save, found by its block grid at "
            f"({earlier.row_px}, {earlier.column_px}); the file itself says {header}"
        )
        return earlier.quality, "earlier save", why
    own_tables = not (facts.quality.exact or facts.quality.mixed)
    if seen is not None and seen < min(EARLIER_SAVE_RATIO * header, header - EARLIER_SAVE_LEAST):
        if own_tables:  # "quality" is libjpeg's word; of other tables the picture knows more
            why = f"quality {seen:.1f}: seen by the network; the tables are none of libjpeg's"
            return round(seen, 1), "network", why
        why = (
            f"quality {seen:.1f}: the file says {header}, but the picture looks as if an "
            "earlier save was harder"
        )
        return round(seen, 1), "earlier save", why
    read = (
        "the nearest to its tables, which are none of libjpeg's"
        if own_tables
        else "read from the file's quantisation tables"
    )
    return header, "header", f"quality {header}: {read}"


def _why_timestep(timesteps: tuple[int, ...], wishes: Wishes, seen: Seen | None) -> str:
    """Which timestep the network will take, and why; it finds the same when it runs."""
    if len(timesteps) == 1:
        return f"timestep {timesteps[0]}: the only one this network knows"
    if wishes.quality is not None:
        strength = np.float32(100 - wishes.quality) / np.float32(100)
        chosen = int(slice_of(strength, len(timesteps)))
        return f"timestep {timesteps[chosen]}: that of the quality that is asked for"
    own = "" if seen is None or seen.choice is None else f" {timesteps[seen.choice]}"
    return f"timestep{own}: chosen by the network from the picture, whatever the file says"


def _choose_constraint(
    facts: JpegFacts | None, wishes: Wishes, source: Source, no_bins: str | None
) -> tuple[Constraint, str]:
    """Bins are evidence for a picture saved once; another save before it makes them none."""
    if no_bins is not None and wishes.constraint != "off":
        return "off", f"constraint off: {no_bins}"
    for asked in get_args(Constraint):
        if wishes.constraint == asked:
            return asked, f"constraint {asked}: asked for"
    header = _header_quality(facts)
    if source == "earlier save" or _earlier_save(facts) is not None:
        why = "constraint off: after an earlier save the file's bins are no evidence"
        return "off", why
    if wishes.quality is not None and header is not None and wishes.quality < header:
        return "off", "constraint off: a stronger repair than the file's own quality is asked for"
    why = f"constraint {DEFAULT_CONSTRAINT}: the result keeps to what the file allows"
    return DEFAULT_CONSTRAINT, why


def _choose_precision(
    wishes: Wishes, weights: list[WeightFacts], machine: Machine
) -> tuple[Precision, str]:
    """8 bits where they cost next to nothing and gain time; half on a GPU; else single."""
    losses = [weight.int8_loss_db for weight in weights]
    on_ort = machine.device == "cpu" and not any(weight.torch for weight in weights)
    has_int8 = on_ort and None not in losses
    if wishes.precision == "int8" and not has_int8:
        raise UsageError("--precision int8 needs a model with an 8-bit form, on the CPU.")
    if wishes.precision == "half" and on_ort:
        raise UsageError("--precision half is for PyTorch devices such as cuda.")
    for asked in get_args(Precision):
        if wishes.precision == asked:
            return asked, f"precision {asked}: asked for"
    if machine.device.startswith("cuda"):
        return "half", "precision half: on this device it is faster and costs nothing to see"
    if not (has_int8 and machine.fast_int8):
        return "float", "precision float"
    worst = max(loss for loss in losses if loss is not None)
    if worst > INT8_MOST_LOSS_DB:
        return "float", f"precision float: int8 would cost {worst:.2f} dB"
    return "int8", f"precision int8: this CPU is faster at it, and it costs {worst:.2f} dB"
