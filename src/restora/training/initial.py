"""Weights to start a training from: a weight file or a checkpoint, grown if smaller.

A DAGN may also start from an FBCNN of its widths, whose U-Net it shares; a SODiff, an SR-Diff and
an SSP-IR from several files, see :mod:`restora.training.initial_sodiff` and its neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from restora.errors import UsageError, WeightsError
from restora.networks.catalogue import NetworkConfig
from restora.networks.dagn import DAGN, DAGNConfig
from restora.networks.fbcnn import FBCNN, FBCNNConfig
from restora.networks.weight_files import read_weights
from restora.training.checkpoint import load_checkpoint
from restora.training.initial_sodiff import Start, start_sodiff
from restora.training.initial_sr_diff import start_sr_diff
from restora.training.initial_ssp_ir import start_ssp_ir
from restora.training.sections import Recipe
from restora.training.sodiff.recipe import SODiffRecipe
from restora.training.sr_diff.recipe import SRDiffRecipe
from restora.training.ssp_ir.recipe import SSPIRRecipe

CHECKPOINT = ".pt"  # all else is a weight file
SWITCHES = ("fusion", "sensitive", "insensitive")  # of a DAGN; its weights are there all the same
# What a DAGN calls the parts of an FBCNN that it has too.
FROM_FBCNN = {
    "controller.trunk": "sensitive_guidance.trunk",
    "controller.gamma": "sensitive_guidance.modulation.gamma",
    "controller.beta": "sensitive_guidance.modulation.beta",
}


def gather(files: Sequence[Path], recipe: Recipe) -> Start:
    """What the training of a recipe starts from.

    Args:
        files: As :func:`read_initial` takes them; more than one, in order, is for
            methods that are made in stages.
        recipe: What is to be trained.

    Raises:
        UsageError: Several files are given for another method.
        WeightsError: A file cannot be used, or holds a network that does not fit.
        MissingExtra: What reads it is not installed.
    """
    if isinstance(recipe, SODiffRecipe):
        return start_sodiff(recipe, files)
    if isinstance(recipe, SRDiffRecipe):
        return start_sr_diff(recipe, files)
    if isinstance(recipe, SSPIRRecipe):
        return start_ssp_ir(recipe, files)
    if len(files) > 1:
        raise UsageError(
            "Several --start are for SODiff, SR-Diff and SSP-IR, which are made in stages; "
            f"{recipe.method} takes one."
        )
    if not files:
        return Start(None)
    return Start(read_initial(files[0], recipe.network, seed=recipe.train.seed))


def read_initial(path: Path, config: NetworkConfig, *, seed: int = 0) -> dict[str, Tensor]:
    """Weights for a network of ``config``.

    Args:
        path: A checkpoint (``.pt``), whose averaged weights are taken, or a weight file, the
            authors' too; see :func:`restora.networks.weight_files.read_weights`.
        config: The network to start; an FBCNN may be wider than the one in the file, a DAGN may
            have parts switched on or off, or start from an FBCNN.
        seed: Of what a larger network has at random.

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
    if isinstance(config, DAGNConfig):
        switched = {switch: getattr(config, switch) for switch in SWITCHES}
        if isinstance(found, DAGNConfig) and found.model_copy(update=switched) == config:
            return weights
        if isinstance(found, FBCNNConfig) and _shares_unet(found, config):
            return guide(weights, config, seed=seed)
    if not (isinstance(config, FBCNNConfig) and isinstance(found, FBCNNConfig)):
        raise WeightsError(f"{path}: holds a network that does not fit into the recipe's.")
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


def _shares_unet(found: FBCNNConfig, config: DAGNConfig) -> bool:
    """Whether a DAGN without its encoders and insensitive blocks is this FBCNN."""
    same = ("channels", "widths", "blocks", "mlp", "unshuffle", "residual", "gate_scale", "ycbcr")
    blocks = all(count == config.sensitive_blocks for count in found.blocks[:-1])
    return blocks and not config.norm and all(getattr(found, k) == getattr(config, k) for k in same)


def guide(weights: dict[str, Tensor], config: DAGNConfig, *, seed: int = 0) -> dict[str, Tensor]:
    """The weights of an FBCNN inside a DAGN, which at first restores nearly as the other did.

    Fusion and insensitive blocks start as the identity; the sensitive code adds little at first to
    what the quality says. The quality itself is then told by the sensitive encoder, which knows
    nothing yet.
    """
    torch.manual_seed(seed)
    network = DAGN(config)
    network.start_insensitive_blocks_as_identity()
    network.sensitive_guidance.mlp[-2].weight.data.mul_(0.05)  # type: ignore[operator]
    guided = network.state_dict()
    for name, weight in weights.items():
        for old, new in FROM_FBCNN.items():
            if name.startswith(f"{old}."):
                guided[name.replace(old, new)] = weight
                break
        else:
            if not name.startswith("predictor."):
                guided[name] = weight
    return guided
