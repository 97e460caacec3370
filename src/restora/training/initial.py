"""Weights to start a training from: an exported weight, a checkpoint, or a gray one for colour."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from restora.errors import WeightsError
from restora.networks.fbcnn import FBCNNConfig
from restora.networks.onnx_weights import read_onnx_weights
from restora.training.checkpoint import load_checkpoint

CHROMA_GAIN = 4.0  # chroma damage is a few gray levels; luma filters start with 8


def read_initial(path: Path, config: FBCNNConfig) -> dict[str, Tensor]:
    """Weights for a network of ``config``; gray weights are widened for a colour network.

    Args:
        path: ``.onnx``, or a checkpoint of a run, whose averaged weights are taken.
        config: The network to start.

    Raises:
        WeightsError: The file holds another network.
    """
    gray = config.model_copy(update={"channels": 1, "ycbcr": False})
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
    """Gray weights as a start for a colour network that sees luma and chroma.

    Luma is restored as before. Chroma is left alone at first, but the head sees it through random
    filters: were it blind to chroma, head and tail would wait for each other for ever.
    """
    head, tail, bias = weights["head.weight"], weights["tail.weight"], weights["tail.bias"]
    chroma = torch.empty_like(torch.cat([head] * 2, dim=1))
    torch.nn.init.kaiming_normal_(chroma, nonlinearity="linear")
    chroma -= chroma.mean(dim=(1, 2, 3), keepdim=True)
    nothing = torch.zeros_like(torch.cat([tail] * 2, dim=0))
    return {
        **weights,
        "head.weight": torch.cat([head, CHROMA_GAIN * chroma], dim=1),
        "tail.weight": torch.cat([tail, nothing], dim=0),
        "tail.bias": torch.cat([bias, torch.zeros_like(torch.cat([bias] * 2))]),
    }
