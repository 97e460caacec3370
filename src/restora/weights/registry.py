"""The table of weights that ship with the package.

A model is what a user names; it holds one weight for gray and one for colour pictures. Adding a
model is one line here, and the files with their cards beside this module.
"""

from __future__ import annotations

import difflib
import errno
import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from restora.errors import UsageError, WeightsError
from restora.weights.cache import card_path, fetched_names
from restora.weights.cards import ENCODER, Card, one_line
from restora.weights.onnx_check import check_onnx

FOLDER = Path(__file__).parent
MOST_CARD_BYTES = 4_000_000  # those that ship have 6,000


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


def ships(name: str) -> bool:
    """Whether a model or a weight that ships has this name; no fetched one may."""
    return name in {*ENCODERS, *(n for model in MODELS for n in (model.name, *model.weights))}


def fetched_models() -> tuple[Model, ...]:
    """Models of the cache, in order of their names; cards that are damaged are not among them."""
    found = []
    for name in fetched_names():
        try:
            found.append(_fetched(name))
        except WeightsError:
            continue
    return tuple(model for model in found if model is not None)


def _fetched(name: str) -> Model | None:
    """A model of the cache, if there is one of that name.

    Raises:
        WeightsError: Its card is damaged.
    """
    path = None if ships(name) else card_path(name)
    if path is None:
        return None
    card = load_card(str(path))
    if card.name != name or card.method == ENCODER:
        raise WeightsError(f"{path}: this card is of another weight than its folder.")
    gray = card.channels == 1
    return Model(
        name=name,
        summary=f"fetched: {card.title}",
        gray=str(path) if gray else None,
        color=None if gray else str(path),
    )


def find_model(name: str) -> Model:
    """The model of that name: one that ships, or one that was fetched.

    Raises:
        WeightsError: The card of the fetched one is damaged.
        UsageError: There is none; the message names the nearest and how to list all.
    """
    for model in MODELS:
        if model.name == name:
            return model
    if (fetched := _fetched(name)) is not None:
        return fetched
    near = difflib.get_close_matches(name, [*(m.name for m in MODELS), *fetched_names()], n=1)
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
    where = f"{path}: this card" if is_card_path(weight) else f"The card of {weight}"
    remedy = "" if is_card_path(weight) else "; install restora again"
    try:
        data = read_card(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise WeightsError(f"{where} is missing or damaged{remedy}. ({reason})") from error
    return parse_card(data, where=where, remedy=remedy)


def read_card(path: Path) -> bytes:
    """The bytes of a card.

    Raises:
        OSError: It cannot be read, or is a pipe, which would keep us waiting for ever.
        ValueError: Nothing can have such a path.
        WeightsError: It is larger than any card.
    """
    if _size_of(path) > MOST_CARD_BYTES:
        raise WeightsError(f"{path}: larger than the {MOST_CARD_BYTES:,} bytes of a card.")
    return path.read_bytes()


def parse_card(data: bytes, *, where: str, remedy: str = "") -> Card:
    """The card in a file.

    Args:
        data: The file.
        where: How the sentence about a bad one begins.
        remedy: What to do then.

    Raises:
        WeightsError: It does not hold what a card holds.
    """
    try:
        card = Card.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        said = first["msg"].removeprefix("Value error, ")
        reason = one_line(f"{place}: {said}" if place else said)  # it quotes the file
        raise WeightsError(f"{where} is missing or damaged{remedy}. ({reason})") from error
    # Some parts may be missing: not every SR-Diff has a judge.
    if not any(part in card.files for part in card.parts()):
        raise WeightsError(
            f"{where} is missing or damaged{remedy}. (It names no file for {card.parts()[0]}.)"
        )
    return card


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
    file = card.files.get(part)
    try:
        # Its size first: whatever lies there, no more is read than the card speaks of.
        whole = file is not None and _size_of(path) == file.size_bytes
        data = path.read_bytes() if whole else b""
    except (OSError, ValueError) as error:
        raise WeightsError(f"The file {path.name} is missing{remedy}.") from error
    if file is None or hashlib.sha256(data).hexdigest() != file.sha256:
        raise WeightsError(f"The file {path.name} is damaged{remedy}.")
    if is_card_path(weight):
        check_onnx(data, name=path.name)
    return data


def _size_of(path: Path) -> int:
    """How large a file is; an OSError where there is none, or something else."""
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "a pipe, a socket or a device")
    return status.st_size


def is_card_path(weight: str) -> bool:
    """Whether this is the path of a card, and not the name of a weight that ships."""
    return weight.lower().endswith(".json")


def _card_path(weight: str) -> Path:
    return Path(weight) if is_card_path(weight) else FOLDER / f"{weight}.json"
