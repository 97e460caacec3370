"""Weights a SODiff's training starts from: what earlier stages made, put together.

A network is made in stages, and each stage trains a part of it. Files are taken in order; a later
one gives only what its stage trained.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from restora.errors import UsageError, WeightsError
from restora.networks.prior_files import read_prior
from restora.networks.sodiff.config import SODiffConfig
from restora.networks.sodiff.network import SODiff, with_lora
from restora.networks.weight_files import Loaded, read_weights, without_lora
from restora.training.checkpoint import load_checkpoint
from restora.training.same_run import TEXT_ENCODER
from restora.training.sodiff.recipe import SODiffRecipe, Stage
from restora.weights.registry import load_card

CODEC, UNET, PROMPTER, PREDICTOR = "codec", "step.unet", "prompter", "predictor"
UNIT = "step.unit"  # what the output of a U-Net is counted in, where the step is residual
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
        notes: A sentence for each file of which something was left out, and for what else one
            should know.
        encoders: Fingerprints of the captioner and encoders whose words the files were taught.
    """

    weights: dict[str, Tensor] | None
    notes: tuple[str, ...] = ()
    encoders: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _File:
    """A SODiff without LoRA, what it was last trained in, and whose words it was taught."""

    path: Path
    config: SODiffConfig
    weights: Mapping[str, Tensor]
    stage: Stage
    encoders: Mapping[str, str]


def start_sodiff(recipe: SODiffRecipe, files: Sequence[Path]) -> Start:
    """The prior a recipe names, then files of earlier stages.

    Args:
        recipe: What is to be trained. Prompt, timestep and LoRA may differ from a file's.
        files: Checkpoints (``.pt``) or weight files, in order. The first gives all that fits,
            unless the recipe names a prior; the others what their stage trained.

    Raises:
        UsageError: U-Net and SAIPE were taught the words of different text encoders.
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
    givers: dict[str, _File] = {}  # which file each part is of
    for number, path in enumerate(files):
        file = _read(path)
        wanted = TRAINED[file.stage] if number or source is not None else PARTS
        taken, left = _fitting(file, plain, wanted)
        if UNET in wanted and CODEC not in wanted and not _same_codec(file.weights, weights):
            notes.append(f"{path}: this U-Net was trained on the latents of another codec.")
        prefixes = tuple(f"{part}." for part in taken)
        weights |= {name: w for name, w in file.weights.items() if name.startswith(prefixes)}
        givers |= dict.fromkeys(taken, file)
        if UNET in taken and config.residual and UNIT in file.weights:
            weights[UNIT] = file.weights[UNIT]
        if left:
            notes.append(f"{path}: not taken, for the recipe's is another: {', '.join(left)}.")
    unet = givers.get(UNET)
    if unet is not None and unet.stage == "one-step":
        notes += _differences(unet, config)
    elif (unet or source) and recipe.sodiff.stage == "one-step" and config.residual:
        # It has learned to give noise; what it gives from now on starts at nothing.
        for name in (f"{UNET}.conv_out.weight", f"{UNET}.conv_out.bias"):
            weights[name] = torch.zeros_like(weights[name])
        notes.append(
            f"{unet.path if unet else source}: the last layer of this U-Net starts at nothing, "
            "for with network.residual it is not noise that it is to give."
        )
    encoders = _encoders(givers)
    if config.lora is not None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.train.seed)
            weights = with_lora(weights, SODiff(config))
    return Start(weights, tuple(notes), encoders)


def _read(path: Path) -> _File:
    """A checkpoint or a weight file; the latter has been through all stages.

    Raises:
        WeightsError: It cannot be read, or is of another method.
    """
    stage: Stage = "one-step"
    encoders: Mapping[str, str] = {}
    if path.suffix == ".pt":
        checkpoint = load_checkpoint(path)
        loaded = Loaded(checkpoint.recipe.network, checkpoint.average, "safetensors")
        encoders = checkpoint.encoders
        if isinstance(checkpoint.recipe, SODiffRecipe):
            stage = checkpoint.recipe.sodiff.stage
    else:
        loaded = read_weights(path)
        if path.suffix == ".json":
            encoders = load_card(str(path)).encoders
    if not isinstance(loaded.config, SODiffConfig):
        raise WeightsError(f"{path}: holds a network that does not fit into the recipe's.")
    plain = without_lora(loaded)
    assert isinstance(plain.config, SODiffConfig)
    return _File(path, plain.config, plain.weights, stage, encoders)


def _fitting(
    file: _File, wanted: SODiffConfig, parts: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Which of the parts to take of a file, and which differ.

    Raises:
        WeightsError: What its stage trained differs, other than in the kind of prompt.
    """
    found = file.config
    differ = [part for part in PARTS if _about(found, part) != _about(wanted, part)]
    if found.prompt != wanted.prompt:
        # A prompt of another kind is another experiment, so its sizes do not matter either.
        differ = [part for part in differ if part != PROMPTER]
    refused = [part for part in NEEDED[file.stage] if part in differ]
    if refused:
        raise WeightsError(
            f"{file.path}: holds a network that does not fit into the recipe's: "
            f"its {refused[0]} is another."
        )
    if found.prompt != wanted.prompt:
        differ.append(PROMPTER)
    taken = tuple(part for part in parts if part not in differ)
    return taken, tuple(part for part in parts if part in differ)


def _differences(file: _File, config: SODiffConfig) -> tuple[str, ...]:
    """What else a recipe has that a U-Net was not taught with; a sentence each.

    Raises:
        WeightsError: What it gives is of another kind.
    """
    found = file.config
    if found.residual != config.residual:
        given, asked = (
            "what has to change" if residual else "all of the noise"
            for residual in (found.residual, config.residual)
        )
        raise WeightsError(
            f"{file.path}: this U-Net gives {given}, the recipe's {asked}; take "
            f"network.residual={str(found.residual).lower()}, or start from a prior."
        )
    if found.regressor != config.regressor:
        return (
            f"{file.path}: this U-Net learned with network.regressor {found.regressor}, "
            f"not {config.regressor}.",
        )
    return ()


def _encoders(givers: Mapping[str, _File]) -> dict[str, str]:
    """Whose words U-Net and SAIPE were taught, by role.

    Raises:
        UsageError: Tokens of one text encoder mean nothing to what reads those of another.
    """
    known = [givers[part] for part in (UNET, PROMPTER) if part in givers]
    for file in known[1:]:
        before, now = (each.encoders.get(TEXT_ENCODER) for each in (known[0], file))
        if before and now and before != now:
            raise UsageError(
                f"{file.path}: this SAIPE gives the tokens of {now}, but the U-Net of "
                f"{known[0].path} reads those of {before}; train one of them again."
            )
    return {role: name for file in known for role, name in file.encoders.items()}


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
