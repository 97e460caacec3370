"""Checkpoints: all that is needed to go on as if nothing had happened."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from restora.errors import WeightsError
from restora.networks.expected import expected_weights, first_sentence
from restora.networks.plain_values import read_plain
from restora.training.recipe import parse_recipe
from restora.training.sections import Recipe


@dataclass(frozen=True)
class Checkpoint:
    """A moment of a training.

    Attributes:
        recipe: The resolved recipe.
        step: Optimiser steps done.
        seconds: Time spent in training, validation left out.
        history: What the recipe said before it was changed, and until which step.
        photos: Key of the folder of photos; empty in checkpoints older than the key.
        network, average: State dictionaries of the weights and of their moving average.
        optimiser: State of the optimiser.
        companions: State of what is trained beside the network and does not ship, if anything.
        rival: State of the optimiser of those companions that work against the network.
        encoders: Fingerprints of the captioner and encoders whose words it was taught, by role.
    """

    recipe: Recipe
    step: int
    seconds: float
    history: tuple[str, ...]
    network: dict[str, Tensor]
    average: dict[str, Tensor]
    optimiser: dict[str, Any]
    photos: str = ""
    companions: dict[str, Tensor] = field(default_factory=dict)
    rival: dict[str, Any] = field(default_factory=dict)
    encoders: dict[str, str] = field(default_factory=dict)


def save_checkpoint(checkpoint: Checkpoint, path: Path) -> None:
    """Write atomically: an interrupted save leaves the previous checkpoint."""
    partial = path.with_suffix(".partial")
    plain = {"recipe": checkpoint.recipe.model_dump_json(), "history": list(checkpoint.history)}
    torch.save({**vars(checkpoint), **plain}, partial)
    partial.replace(path)


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint; only tensors and plain values are unpickled, never code.

    Raises:
        MissingExtra: What its network is made of is not installed.
        WeightsError: The file is not a checkpoint of Restora.
    """
    raw = read_plain(
        path,
        foreign="this is not a training checkpoint, or holds more than one",
        damaged="this is not a training checkpoint",
    )
    try:
        plain = {
            "recipe": parse_recipe(json.loads(raw["recipe"]), name=str(path)),
            "history": tuple(map(str, raw.get("history", ()))),
        }
        found = Checkpoint(**{**raw, **plain})
        _check_kinds(found)
    except Exception as error:  # whatever else somebody may have saved
        raise WeightsError(
            f"{path}: this is not a training checkpoint ({first_sentence(error)})."
        ) from error
    _check_weights(found, source=str(path))
    return found


def _check_kinds(found: Checkpoint) -> None:
    """Refuse values that are something else than what a checkpoint holds.

    Raises:
        TypeError: One is.
    """
    kinds: dict[str, type | tuple[type, ...]] = {
        "step": int,
        "seconds": (int, float),
        "photos": str,
        "network": dict,
        "average": dict,
        "optimiser": dict,
        "companions": dict,
        "rival": dict,
        "encoders": dict,
    }
    odd = [name for name, kind in kinds.items() if not isinstance(getattr(found, name), kind)]
    if odd:
        raise TypeError(f"{odd[0]} is of another kind")
    for name in ("network", "average", "companions"):
        if not all(isinstance(weight, Tensor) for weight in getattr(found, name).values()):
            raise TypeError(f"{name} holds other things than tensors")
    if not all(isinstance(text, str) for pair in found.encoders.items() for text in pair):
        raise TypeError("encoders holds other things than words")


def _check_weights(found: Checkpoint, *, source: str) -> None:
    """Refuse weights that are not those of the network in the recipe.

    Raises:
        WeightsError: One is missing, left over or of another shape.
    """
    wanted = expected_weights(found.recipe.network, found=len(found.network), source=source)
    for weights in (found.network, found.average):
        odd = sorted(
            name
            for name in wanted.keys() | weights.keys()
            if name not in wanted
            or name not in weights
            or wanted[name].shape != weights[name].shape
        )
        if odd:
            raise WeightsError(
                f"{source}: the weights are not those of the network in its recipe: {odd[0]} is "
                "missing, left over or of another shape."
            )
