"""Checkpoints: all that is needed to go on as if nothing had happened."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from restora.errors import WeightsError
from restora.training.recipe import Recipe


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
    """

    recipe: Recipe
    step: int
    seconds: float
    history: tuple[str, ...]
    network: dict[str, Tensor]
    average: dict[str, Tensor]
    optimiser: dict[str, Any]
    photos: str = ""


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
            "recipe": Recipe.model_validate_json(raw["recipe"]),
            "history": tuple(raw.get("history", ())),
        }
        return Checkpoint(**{**raw, **plain})
    except Exception as error:  # torch raises whatever the damage happens to hit
        raise WeightsError(f"{path}: this is not a training checkpoint ({error}).") from error
