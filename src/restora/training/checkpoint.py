"""Checkpoints: all that is needed to go on as if nothing had happened."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from restora.errors import WeightsError
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
        WeightsError: The file is not a checkpoint of Restora.
    """
    try:
        raw = torch.load(path, map_location="cpu", weights_only=True)
        plain = {
            "recipe": parse_recipe(json.loads(raw["recipe"]), name=str(path)),
            "history": tuple(raw.get("history", ())),
        }
        return Checkpoint(**{**raw, **plain})
    except Exception as error:  # torch raises whatever the damage happens to hit
        raise WeightsError(f"{path}: this is not a training checkpoint ({error}).") from error
