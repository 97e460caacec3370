"""The table of weights that ship with the package.

A model is what a user names; it holds one weight for gray and one for colour pictures. Adding a
model is one line here, and the files with their cards beside this module.
"""

from __future__ import annotations

import difflib
import hashlib
from dataclasses import dataclass
from pathlib import Path

from restora.errors import UsageError, WeightsError
from restora.weights.cards import Card

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Model:
    """What ``--model`` names: a gray and a colour weight of one method and size.

    Regression models that ship have both; a diffusion model is of colour, and gray pictures pass
    through it as neutral ones. A weight given by path is one alone.
    """

    name: str
    summary: str
    gray: str | None
    color: str | None

    @property
    def weights(self) -> tuple[str, ...]:
        """Those there are, colour first."""
        return tuple(weight for weight in (self.color, self.gray) if weight is not None)


MODELS: tuple[Model, ...] = (
    Model(
        name="fbcnn",
        summary="JPEG repair with a quality dial; compact, for every picture and any CPU",
        gray="fbcnn-gray-compact",
        color="fbcnn-color-compact",
    ),
    Model(
        name="dagn",
        summary="JPEG repair guided by the whole picture: what compression changed, what it left",
        gray="dagn-gray-compact",
        color="dagn-color-compact",
    ),
    Model(
        name="sodiff",
        summary="one step of diffusion for JPEGs saved too hard for the others (quality 1-20)",
        gray=None,
        color="sodiff-compact",
    ),
    Model(
        name="sr-diff",
        summary="diffusion that undoes haze, rain, motion blur and low light (--task)",
        gray=None,
        color="sr-diff-compact",
    ),
    Model(
        name="ssp-ir",
        summary="diffusion for blur, noise, lost pixels and JPEG together, told in words "
        "(--task real)",
        gray=None,
        color="ssp-ir-compact",
    ),
)
DEFAULT_MODEL = "fbcnn"

# Weights that ship and restore nothing: what they see in a picture is told to those that do.
ENCODERS = ("lite0",)


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


def load_card(weight: str) -> Card:
    """The card of a weight.

    Args:
        weight: The name of one that ships, or the path of a card (``.json``).

    Raises:
        WeightsError: The card is missing or does not hold what a card holds.
    """
    path = _card_path(weight)
    try:
        return Card.model_validate_json(path.read_bytes())
    except (OSError, ValueError) as error:
        where = f"{path}: this card" if is_card_path(weight) else f"The card of {weight}"
        remedy = "" if is_card_path(weight) else "; install restora again"
        raise WeightsError(f"{where} is missing or damaged{remedy}. ({error})") from error


def load_weight(weight: str, part: str) -> bytes:
    """One ONNX file of a weight, checked against the hash in its card.

    Args:
        weight: As for :func:`load_card`.
        part: One of the card's ``files``.

    Raises:
        WeightsError: The file is missing, or is not the one the card describes.
    """
    card = load_card(weight)
    path = _card_path(weight).with_name(f"{card.name}.{part}.onnx")
    remedy = "" if is_card_path(weight) else "; install restora again"
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"The file {path.name} is missing{remedy}.") from error
    if part not in card.files or hashlib.sha256(data).hexdigest() != card.files[part].sha256:
        raise WeightsError(f"The file {path.name} is damaged{remedy}.")
    return data


def is_card_path(weight: str) -> bool:
    """Whether this is the path of a card, and not the name of a weight that ships."""
    return weight.lower().endswith(".json")


def _card_path(weight: str) -> Path:
    return Path(weight) if is_card_path(weight) else FOLDER / f"{weight}.json"
