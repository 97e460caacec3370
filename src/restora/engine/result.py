"""What comes of a restoration."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from restora.engine.plan import Plan
from restora.images import Picture, write
from restora.images.orientation import swaps_sides
from restora.jpeg import JpegFacts


@dataclass(frozen=True)
class Result:
    """A restored picture and how it came about.

    Attributes:
        picture: The restored picture, with everything its file held.
        plan: What was done.
        facts: What the file knew, if it was a JPEG.
        inside: Share of the file's coefficients whose bins hold the result's, 0-1, as it is with
            8 bits; None where the plan does not keep to them.
        seconds: Time spent, reading and planning included.
    """

    picture: Picture
    plan: Plan
    facts: JpegFacts | None
    inside: float | None
    seconds: float

    def save(
        self, path: str | Path, *, bits: int | None = None, quality: int | None = None
    ) -> None:
        """Write the picture; the suffix says the format. See :func:`restora.images.write`."""
        write(self.picture, Path(path), bits=bits, quality=quality)

    def report(self) -> dict[str, Any]:
        """Everything but the pixels, ready for JSON; the size is that of the written picture."""
        width_px, height_px = self.picture.width_px, self.picture.height_px
        if swaps_sides(self.picture.metadata.orientation):  # it is turned upright when written
            width_px, height_px = height_px, width_px
        return {
            "width_px": width_px,
            "height_px": height_px,
            "plan": self.plan.model_dump(mode="json"),
            "inside_bins": self.inside,
            "notes": list(self.picture.notes),
            "seconds": round(self.seconds, 3),
        }
