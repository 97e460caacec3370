"""What is told of a file before anything is done to it: to programs, and to people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from restora.engine.judge import Judgement
from restora.images import Picture
from restora.jpeg import JpegFacts
from restora.jpeg.sniff import READABLE

NEED = "Seems to need"
# Rows that say what was done to a picture; the others say how its file is built.
_HISTORY = ("Saved at", "Saved before", "Damage", NEED)
_NO_JPEG = "no JPEG, so nothing tells how it was saved"


@dataclass(frozen=True)
class Inspected:
    """What a file knows, and what its picture seems to need.

    Attributes:
        told: For programs, ready for JSON.
        rows: For people: label and text.
    """

    told: dict[str, Any]
    rows: tuple[tuple[str, str], ...]

    @property
    def headline(self) -> str:
        """What was done to the picture, as sentences."""
        found = [_sentence(label, text) for label, text in self.rows if label in _HISTORY]
        formats = [f"{text}." for label, text in self.rows if label == "Format"]
        return " ".join(formats + found)


def _sentence(label: str, text: str) -> str:
    if label == "Damage" or text.startswith("no "):  # it says all by itself
        return f"{text[0].upper()}{text[1:]}."
    return f"{label} {text}."


def inspected_jpeg(facts: JpegFacts, judgement: Judgement | None) -> Inspected:
    """What is told of a JPEG.

    Args:
        facts: What the file knows.
        judgement: What its picture seems to need; None where nobody looked.
    """
    return _with_need(facts.model_dump(mode="json"), facts.rows(), judgement, jpeg=True)


def inspected_picture(
    picture: Picture, kind: str, size_bytes: int, judgement: Judgement | None
) -> Inspected:
    """What is told of a file that is no JPEG.

    Args:
        picture: The picture in it.
        kind: Its format, as :func:`restora.jpeg.sniff.sniff` names it.
        size_bytes: Of the file.
        judgement: What it seems to need; None where nobody looked.
    """
    told: dict[str, Any] = {
        "file_size_bytes": size_bytes,
        "width_px": picture.width_px,
        "height_px": picture.height_px,
        "format": kind,
        "remarks": list(picture.notes),
    }
    rows = [
        ("Size", f"{picture.width_px} × {picture.height_px} pixels"),
        ("Format", f"{READABLE[kind]}: {_NO_JPEG}"),
        *(("Remark", note) for note in picture.notes),
    ]
    return _with_need(told, rows, judgement, jpeg=False)


def _with_need(
    told: dict[str, Any],
    rows: list[tuple[str, str]],
    judgement: Judgement | None,
    *,
    jpeg: bool,
) -> Inspected:
    told["task"] = None
    if judgement is not None:
        told["task"] = {
            "name": judgement.task,
            "confidence": round(judgement.confidence, 4),
            "shares": {task: round(share, 4) for task, share in judgement.shares.items()},
        }
        rows = [*rows, (NEED, _need(judgement, jpeg=jpeg))]
    return Inspected(told, tuple(rows))


def _need(judgement: Judgement, *, jpeg: bool) -> str:
    if judgement.task is not None:
        return f"{judgement.task} ({100 * judgement.confidence:.0f} % sure)"
    perhaps = judgement.perhaps
    if perhaps is not None:
        return f"perhaps {perhaps} ({100 * judgement.shares[perhaps]:.0f} % sure)"
    return "nothing besides JPEG repair" if jpeg else "nothing"
