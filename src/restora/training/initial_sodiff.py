"""Weights a SODiff's training starts from: what earlier stages made, put together.

A network is made in stages, and each stage trains a part of it. Files are taken in order; a later
one gives only what its stage trained.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from restora.errors import WeightsError
from restora.networks.prior import read_prior
from restora.networks.sodiff.config import SODiffConfig
from restora.networks.sodiff.network import SODiff, with_lora
from restora.networks.weight_files import Loaded, read_weights, without_lora
from restora.training.checkpoint import load_checkpoint
from restora.training.sodiff.recipe import SODiffRecipe, Stage

CODEC, UNET, PROMPTER, PREDICTOR = "codec", "step.unet", "prompter", "predictor"
PARTS = (CODEC, UNET, PROMPTER, PREDICTOR)
TRAINED: Mapping[Stage, tuple[str, ...]] = {
    "codec": (CODEC,),
    "prior": (UNET,),
    "prompt": (PROMPTER,),
    "predictor": (PREDICTOR,),
    "one-step": PARTS,
}
# What the recipe must agree with: a prior's U-Net is worth nothing on other latents.
NEEDED: Mapping[Stage, tuple[str, ...]] = {**TRAINED, "prior": (CODEC, UNET)}


@dataclass(frozen=True)
class Start:
    """What a training starts from.

    Attributes:
        weights: A state dictionary of the recipe's network; None: at random.
        notes: A sentence for each file of which something was left out.
    """

    weights: dict[str, Tensor] | None
    notes: tuple[str, ...] = ()


def start_sodiff(recipe: SODiffRecipe, files: Sequence[Path]) -> Start:
    """The prior a recipe names, then files of earlier stages.

    Args:
        recipe: What is to be trained. Prompt, timestep and LoRA may differ from a file's.
        files: Checkpoints (``.pt``) or weight files, in order. The first gives all that fits,
            unless the recipe names a prior; the others what their stage trained.

    Raises:
        WeightsError: A file cannot be read, or holds another network where it matters.
        MissingExtra: diffusers, or for LoRA peft, is not installed.
    """
    source, config = recipe.sodiff.prior_weights, recipe.network
    if source is None and not files:
        return Start(None)
    plain = config.model_copy(update={"lora": None})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.train.seed)
        weights = SODiff(plain).state_dict()
    if source is not None:
        prior = read_prior(source, config.prior)
        weights |= {
            name.replace("unet.", "step.unet.", 1) if name.startswith("unet.") else name: value
            for name, value in prior.items()
        }
    notes: list[str] = []
    for number, path in enumerate(files):
        loaded, stage = _read(path)
        wanted = TRAINED[stage] if number or source is not None else PARTS
        taken, left = _fitting(path, loaded.config, plain, stage, wanted)
        given = {name: w for name, w in loaded.weights.items() if name.startswith(taken)}
        unet_alone = UNET in wanted and CODEC not in wanted
        if unet_alone and not _same_codec(loaded.weights, weights):
            notes.append(f"{path}: this U-Net was trained on the latents of another codec.")
        weights |= given
        if stage == "prior" and config.residual:
            # It has learned to give noise; what it gives from now on starts at nothing.
            for name in (f"{UNET}.conv_out.weight", f"{UNET}.conv_out.bias"):
                weights[name] = torch.zeros_like(weights[name])
        if left:
            notes.append(f"{path}: not taken, for the recipe's is another: {', '.join(left)}.")
    if config.lora is not None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.train.seed)
            weights = with_lora(weights, SODiff(config))
    return Start(weights, tuple(notes))


def _read(path: Path) -> tuple[Loaded, Stage]:
    """A SODiff without LoRA, and what it was last trained in; a weight file has been through all.

    Raises:
        WeightsError: It cannot be read, or is of another method.
    """
    stage: Stage = "one-step"
    if path.suffix == ".pt":
        checkpoint = load_checkpoint(path)
        loaded = Loaded(checkpoint.recipe.network, checkpoint.average, "safetensors")
        if isinstance(checkpoint.recipe, SODiffRecipe):
            stage = checkpoint.recipe.sodiff.stage
    else:
        loaded = read_weights(path)
    if not isinstance(loaded.config, SODiffConfig):
        raise WeightsError(f"{path}: holds a network that does not fit into the recipe's.")
    return without_lora(loaded), stage


def _fitting(
    path: Path,
    found: object,
    wanted: SODiffConfig,
    stage: Stage,
    parts: tuple[str, ...],
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Prefixes of the names of what to take of a file, and the parts that differ.

    Raises:
        WeightsError: What its stage trained differs, other than in the kind of prompt.
    """
    assert isinstance(found, SODiffConfig)
    differ = [part for part in PARTS if _about(found, part) != _about(wanted, part)]
    if found.prompt != wanted.prompt:
        # A prompt of another kind is another experiment, so its sizes do not matter either.
        differ = [part for part in differ if part != PROMPTER]
    refused = [part for part in NEEDED[stage] if part in differ]
    if refused:
        raise WeightsError(
            f"{path}: holds a network that does not fit into the recipe's: "
            f"its {refused[0]} is another."
        )
    if found.prompt != wanted.prompt:
        differ.append(PROMPTER)
    taken = tuple(f"{part}." for part in parts if part not in differ)
    return taken, tuple(part for part in parts if part in differ)


def _about(config: SODiffConfig, part: str) -> object:
    """Everything of a configuration that a part depends on."""
    prior = config.prior
    norm = (prior.norm, prior.norm_groups)
    if part == CODEC:
        return (prior.codec.model_copy(update={"scale": 1.0}), norm)
    if part == UNET:
        return (prior.unet, prior.codec.latents, prior.token_dim, prior.schedule, norm)
    return config.saipe if part == PROMPTER else config.predictor


def _same_codec(found: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> bool:
    return all(
        torch.equal(value, weights[name])
        for name, value in found.items()
        if name.startswith(f"{CODEC}.")
    )
