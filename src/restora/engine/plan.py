"""Facts and wishes become a plan that can be printed. No decision is made anywhere else."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from restora.errors import UsageError
from restora.images import Picture
from restora.jpeg import JpegFacts
from restora.weights.registry import DEFAULT_MODEL, Model, find_model, load_card

DEFAULT_TILE_PX = 512

# The network's estimate replaces the header's quality only when it is far lower: a file whose
# damage is that much worse than its tables allow was saved before, and harder. The two bounds keep
# false alarms on pictures saved once rare.
EARLIER_SAVE_RATIO = 0.7
EARLIER_SAVE_LEAST = 15


class Wishes(BaseModel):
    """What a user may ask for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = DEFAULT_MODEL
    quality: int | None = Field(None, description="assumed quality 1-100; None decides by itself")
    strength: int = Field(100, description="share of the restoration that is applied, 0-100")
    tile_px: int = Field(DEFAULT_TILE_PX, description="largest side of a tile, a multiple of 16")

    def checked(self) -> Wishes:
        """These wishes, if they make sense.

        Raises:
            UsageError: A number is out of its range.
        """
        if self.quality is not None and not 1 <= self.quality <= 100:
            raise UsageError(f"--quality is 'auto' or a number from 1 to 100, not {self.quality}.")
        if not 0 <= self.strength <= 100:
            raise UsageError(f"--strength is a number from 0 to 100, not {self.strength}.")
        if self.tile_px % 16 or self.tile_px < 128:
            raise UsageError(
                f"--tile is a multiple of 16 pixels, at least 128, not {self.tile_px}."
            )
        return self


class Plan(BaseModel):
    """What will be done to one picture, decided once for the whole of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    weights: tuple[str, ...] = Field(description="weights that run, in order")
    route: Literal["gray", "color", "neutral", "cmyk"] = Field(
        description="gray picture, colour, colour file without colour, or inks"
    )
    quality: float | None = Field(description="quality given to the network; None: it decides")
    quality_source: Literal["asked", "header", "network", "earlier save"]
    strength: int
    tile_px: int
    overlap_px: int
    reasons: tuple[str, ...] = Field(description="each decision in words")

    def explain(self) -> str:
        """The plan as lines of text."""
        return "\n".join(f"- {reason}" for reason in self.reasons)


def choose_route(
    picture: Picture, model: Model
) -> tuple[Literal["gray", "color", "neutral", "cmyk"], tuple[str, ...], str]:
    """Which weights a picture needs, and why."""
    if picture.space == "gray":
        return "gray", (model.gray,), "gray picture: the gray network, and it stays gray"
    if picture.space == "cmyk":
        return (
            "cmyk",
            (model.color, model.gray),
            "CMYK picture: the inks as colours, black as gray, and it stays CMYK",
        )
    if picture.is_neutral:
        return "neutral", (model.gray,), "colour file without colour: the gray network on one plane"
    return "color", (model.color,), "colour picture: the colour network"


def make_plan(
    picture: Picture,
    facts: JpegFacts | None,
    wishes: Wishes,
    *,
    seen_quality: float | None = None,
) -> Plan:
    """Decide what to do.

    Args:
        picture: The picture.
        facts: What its file knows, if it is a JPEG.
        wishes: What the user asks for.
        seen_quality: The network's own estimate for this picture, 1-100, if it was made.

    Raises:
        UsageError: Unknown model, or a number out of its range.
    """
    wishes = wishes.checked()
    model = find_model(wishes.model)
    route, weights, why_route = choose_route(picture, model)
    reasons = [why_route]
    overlap_px = max(load_card(weight).overlap_px for weight in weights)
    header = facts.quality.quality if facts is not None and facts.quality is not None else None
    quality: float | None
    source: Literal["asked", "header", "network", "earlier save"]
    if wishes.quality is not None:
        quality, source = wishes.quality, "asked"
        reasons.append(f"quality {wishes.quality}: asked for")
    elif header is not None:
        quality, source = header, "header"
        if seen_quality is not None and seen_quality < min(
            EARLIER_SAVE_RATIO * header, header - EARLIER_SAVE_LEAST
        ):
            quality, source = round(seen_quality, 1), "earlier save"
            reasons.append(
                f"quality {quality:g}: the file says {header}, but the picture looks as if an "
                "earlier save was harder"
            )
        else:
            reasons.append(f"quality {header}: read from the file's quantisation tables")
    else:
        quality, source = seen_quality, "network"
        estimate = "" if seen_quality is None else f" {seen_quality:.0f}"
        reasons.append(f"quality{estimate}: the network's own estimate; no JPEG header to read")
    if wishes.strength != 100:
        reasons.append(f"strength {wishes.strength} %: mixed with the input")
    reasons.append(
        f"tiles of at most {wishes.tile_px} pixels, overlapping by {overlap_px}, "
        "on the 16-pixel grid"
    )
    return Plan(
        model=model.name,
        weights=weights,
        route=route,
        quality=quality,
        quality_source=source,
        strength=wishes.strength,
        tile_px=wishes.tile_px,
        overlap_px=overlap_px,
        reasons=tuple(reasons),
    )
