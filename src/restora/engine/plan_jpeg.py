"""What a plan decides of a picture's compression: its quality, and how to keep to the file."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from restora.engine.estimate import Seen
from restora.engine.wishes import Wishes
from restora.jpeg import JpegFacts
from restora.jpeg.history import TRUSTED, EarlierSave
from restora.networks.sodiff.buckets import slice_of

Constraint = Literal["off", "soft", "hard"]
Source = Literal["asked", "header", "network", "earlier save", "none"]

DEFAULT_CONSTRAINT: Constraint = "soft"
# The truth may lie as far as 0.5 steps from a bin's middle, but mostly lies nearer: 0.4 lost
# against the network alone on no picture tried.
HALF_WIDTH: dict[Constraint, float] = {"off": 0.5, "soft": 0.4, "hard": 0.5}

# The network's estimate replaces the header's quality only when it is far lower: a file whose
# damage is that much worse than its tables allow was saved before, and harder, even where no
# earlier block grid is found (it was resized in between). The two bounds keep false alarms on
# pictures saved once rare.
EARLIER_SAVE_RATIO = 0.7
EARLIER_SAVE_LEAST = 15


def _header_quality(facts: JpegFacts | None) -> int | None:
    return facts.quality.quality if facts is not None and facts.quality is not None else None


def _earlier_save(facts: JpegFacts | None) -> EarlierSave | None:
    """An earlier save that is sure enough, and harder than the last."""
    earlier, header = facts.earlier_save if facts is not None else None, _header_quality(facts)
    if earlier is None or header is None:
        return None
    return earlier if earlier.confidence >= TRUSTED and earlier.quality < header else None


def choose_quality(
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


def why_timestep(timesteps: tuple[int, ...], wishes: Wishes, seen: Seen | None) -> str:
    """Which timestep the network will take, and why; it finds the same when it runs."""
    if len(timesteps) == 1:
        return f"timestep {timesteps[0]}: the only one this network knows"
    if wishes.quality is not None:
        strength = np.float32(100 - wishes.quality) / np.float32(100)
        chosen = int(slice_of(strength, len(timesteps)))
        return f"timestep {timesteps[chosen]}: that of the quality that is asked for"
    own = "" if seen is None or seen.choice is None else f" {timesteps[seen.choice]}"
    return f"timestep{own}: chosen by the network from the picture, whatever the file says"


def choose_constraint(
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
