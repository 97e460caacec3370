"""Weights to start a training from: an exported weight, a checkpoint, or a gray one for colour."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from restora.errors import WeightsError
from restora.networks.fbcnn import FBCNNConfig
from restora.networks.onnx_weights import read_onnx_weights
from restora.training.checkpoint import load_checkpoint

LUMA = (0.299, 0.587, 0.114)


def read_initial(path: Path, config: FBCNNConfig) -> dict[str, Tensor]:
    """Weights for a network of ``config``; gray weights are widened for a colour network.

    Args:
        path: ``.onnx``, or a checkpoint of a run, whose averaged weights are taken.
        config: The network to start.

    Raises:
        WeightsError: The file holds another network.
    """
    gray = config.model_copy(update={"channels": 1})
    if path.suffix == ".onnx":
        data = path.read_bytes()
        try:
            return read_onnx_weights(data, config)
        except WeightsError:
            if config.channels == 1:
                raise
            return widen_to_color(read_onnx_weights(data, gray))
    checkpoint = load_checkpoint(path)
    if checkpoint.recipe.network == config:
        return checkpoint.average
    if checkpoint.recipe.network == gray:
        return widen_to_color(checkpoint.average)
    raise WeightsError(f"{path}: holds another network than the recipe describes.")


def widen_to_color(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Gray weights as the colour network that restores luma and leaves chroma alone.

    The head sees the luma of RGB; adding one residual to R, G and B changes luma only.
    """
    head, tail, bias = weights["head.weight"], weights["tail.weight"], weights["tail.bias"]
    return {
        **weights,
        "head.weight": torch.cat([share * head for share in LUMA], dim=1),
        "tail.weight": torch.cat([tail] * 3, dim=0),
        "tail.bias": torch.cat([bias] * 3, dim=0),
    }
