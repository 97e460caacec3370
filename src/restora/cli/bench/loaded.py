"""A diffusion network in PyTorch, for the verbs that look inside one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from restora.networks.weight_files import Loaded


def read_loaded(weight: str) -> Loaded:
    """Weights of a model, a weight file, or the average of a training's checkpoint.

    Raises:
        MissingExtra: PyTorch is not installed.
        UsageError: There is no such model.
        WeightsError: It cannot be read.
    """
    from restora._optional import require
    from restora.engine.models import resolve_model

    require("torch", extra="diffusion")
    from restora.networks.weight_files import Loaded, read_weights
    from restora.weights.registry import FOLDER

    path = Path(weight)
    if path.suffix == ".pt":
        from restora.training.checkpoint import load_checkpoint

        found = load_checkpoint(path)
        return Loaded(found.recipe.network, found.average, "safetensors")
    (name, *_) = resolve_model(weight).weights
    return read_weights(path if path.suffix else FOLDER / f"{name}.json")
