"""The table of weights that ship with the package.

A model is what a user names; it holds one weight for gray and one for colour pictures. Adding a
model is one line here, and the files with their cards beside this module.
"""

from __future__ import annotations

import difflib
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from restora.errors import UsageError, WeightsError
from restora.weights.cards import Card

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Model:
    """What ``--model`` names: a gray and a colour weight of one method and size."""

    name: str
    summary: str
    gray: str
    color: str


MODELS: tuple[Model, ...] = (
    Model(
        name="fbcnn",
        summary="JPEG repair with a quality dial; compact, for every picture and any CPU",
        gray="fbcnn-gray-compact",
        color="fbcnn-color-compact",
    ),
)
DEFAULT_MODEL = "fbcnn"


def find_model(name: str) -> Model:
    """The model of that name.

    Raises:
        UsageError: There is none; the message names the nearest and how to list all.
    """
    for model in MODELS:
        if model.name == name:
            return model
    near = difflib.get_close_matches(name, [m.name for m in MODELS], n=1)
    hint = f"Did you mean {near[0]!r}? " if near else ""
    raise UsageError(f"There is no model named {name!r}. {hint}`restora models` lists all.")


@cache
def load_card(weight: str) -> Card:
    """The card of a weight that ships.

    Raises:
        WeightsError: The card is missing or does not hold what a card holds.
    """
    path = FOLDER / f"{weight}.json"
    try:
        return Card.model_validate_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise WeightsError(
            f"The card of {weight} is missing or damaged; install restora again. ({error})"
        ) from error


@cache
def load_weight(weight: str) -> bytes:
    """The ONNX file of a weight that ships, checked against the hash in its card.

    Raises:
        WeightsError: The file is missing, or is not the one the card describes.
    """
    card = load_card(weight)
    try:
        data = (FOLDER / f"{weight}.onnx").read_bytes()
    except OSError as error:
        raise WeightsError(f"The file of {weight} is missing; install restora again.") from error
    if hashlib.sha256(data).hexdigest() != card.sha256:
        raise WeightsError(f"The file of {weight} is damaged; install restora again.")
    return data
