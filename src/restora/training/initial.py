"""Weights to start a training from: a weight file or a checkpoint, grown if smaller."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from restora.errors import WeightsError
from restora.networks.fbcnn import FBCNN, FBCNNConfig
from restora.networks.weight_files import read_weights
from restora.training.checkpoint import load_checkpoint

CHECKPOINT = ".pt"  # all else is a weight file


def read_initial(path: Path, config: FBCNNConfig, *, seed: int = 0) -> dict[str, Tensor]:
    """Weights for a network of ``config``.

    Args:
        path: A checkpoint (``.pt``), whose averaged weights are taken, or a weight file, the
            authors' too; see :func:`restora.networks.weight_files.read_weights`.
        config: The network to start; it may be wider than the one in the file.
        seed: Of what a wider network has at random.

    Raises:
        WeightsError: The file cannot be used, or holds a network that does not fit into this one.
    """
    if path.suffix == CHECKPOINT:
        checkpoint = load_checkpoint(path)
        found, weights = checkpoint.recipe.network, checkpoint.average
    else:
        loaded = read_weights(path)
        found, weights = loaded.config, loaded.weights
    if found == config:
        return weights
    alike = {"widths": config.widths, "channels": config.channels, "ycbcr": config.ycbcr}
    wider = len(found.widths) == len(config.widths) and all(
        old <= new for old, new in zip(found.widths, config.widths, strict=True)
    )
    luma_first = found.channels == config.channels or (found.channels == 1 and config.ycbcr)
    if found.model_copy(update=alike) != config or not wider or not luma_first:
        raise WeightsError(f"{path}: holds a network that does not fit into the recipe's.")
    return grow(weights, config, seed=seed)


def grow(weights: dict[str, Tensor], config: FBCNNConfig, *, seed: int = 0) -> dict[str, Tensor]:
    """Weights of a smaller network inside a larger one, which at first restores as the small did.

    The larger may have more channels at any scale, and chroma where the smaller had luma alone.
    Old outputs ignore new inputs. New channels carry chroma alone, straight from the head to the
    tail, so that the tail finds it from the first step and no louder luma with it; the first
    convolution of each block is random there, all else starts at nothing and learns.
    """
    torch.manual_seed(seed)
    grown = FBCNN(config).state_dict()
    for name, new in grown.items():
        old = weights[name]
        kept = old.shape[0]
        if name == "head.weight":
            new[:kept] = 0
            new[kept:, : old.shape[1]] = 0
        elif name.endswith("conv1.weight"):
            new[:kept] = 0
        else:
            new.zero_()
        new[tuple(slice(0, length) for length in old.shape)] = old
    return grown
