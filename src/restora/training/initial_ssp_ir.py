"""Weights an SSP-IR's training starts from: a prior, a SODiff's, and what earlier stages made.

Files are taken in order, after the prior that the recipe names. The first gives all that fits,
unless there is a prior; a later one what its stage trained. A SODiff gives its codec, and its U-Net
if that is the recipe's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from restora.errors import WeightsError
from restora.networks.catalogue import NetworkConfig
from restora.networks.prior_config import PriorConfig
from restora.networks.prior_files import read_prior
from restora.networks.sodiff.config import SODiffConfig
from restora.networks.ssp_ir.config import SSPIRConfig
from restora.networks.ssp_ir.network import SSPIR
from restora.networks.weight_files import Loaded, read_weights, without_lora
from restora.training.checkpoint import load_checkpoint
from restora.training.initial_sodiff import Start
from restora.training.same_run import ROLES, TEXT_ENCODER, check_encoders
from restora.training.ssp_ir.recipe import SSPIRRecipe, Stage
from restora.weights.registry import load_card

CODEC, PROCESSOR, REFINER, UNET = "codec", "processor", "refiner", "U-Net"
BASE = "unet.base"
# How the names of a part's weights begin.
NAMES: Mapping[str, tuple[str, ...]] = {
    CODEC: ("codec.",),
    PROCESSOR: ("processor.",),
    REFINER: ("refiner.",),
    UNET: ("unet.", "control.", "anchor."),
}
TRAINED: Mapping[Stage, tuple[str, ...]] = {"processor": (PROCESSOR,), "restore": tuple(NAMES)}
TAIL = "processor.tail."  # what the stage processor does not teach: it speaks to the ControlNet
COPIED = ("conv_in", "time_embedding", "down_blocks", "mid_block")  # by the ControlNet
LAST = (f"{BASE}.conv_out.weight", f"{BASE}.conv_out.bias")


@dataclass(frozen=True)
class _File:
    """A network without LoRA, what it was last trained in, and whose words it was taught."""

    path: Path
    config: NetworkConfig
    weights: Mapping[str, Tensor]
    stage: Stage
    encoders: Mapping[str, str]


def start_ssp_ir(recipe: SSPIRRecipe, files: Sequence[Path]) -> Start:
    """What a training starts from.

    Args:
        recipe: What is to be trained. What only a walk knows, such as its number of steps, may
            differ from a file's.
        files: Checkpoints (``.pt``) or weight files of SSP-IR or SODiff, in order.

    Raises:
        UsageError: They were taught the words or image tokens of different encoders.
        WeightsError: A file cannot be read, or holds another network where it matters; or the base
            is frozen and does not predict what the recipe wants.
        MissingExtra: diffusers is not installed.
    """
    source, config = recipe.sspir.prior_weights, recipe.network
    if source is None and not files:
        return Start(None)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.train.seed)
        weights = SSPIR(config).state_dict()
    notes: list[str] = []
    encoders: dict[str, str] = {}
    if source is not None:
        prior = read_prior(source, config.prior)
        _set_base(weights, {k: v for k, v in prior.items() if k.startswith("unet.")}, "unet.")
        weights |= {k: v for k, v in prior.items() if k.startswith("codec.")}
        notes += _fit_to_task(weights, recipe, source)
    for number, path in enumerate(files):
        file = _read(path)
        if isinstance(file.config, SODiffConfig):
            _check(file, _prior_parts(file.config.prior), _prior_parts(config.prior), (CODEC,))
            weights |= _of(file.weights, NAMES[CODEC])
            if _prior_parts(file.config.prior)[UNET] != _prior_parts(config.prior)[UNET]:
                notes.append(f"{path}: not taken, for the recipe's is another: {UNET}.")
                continue
            _set_base(weights, file.weights, "step.unet.")
            notes += _fit_to_task(weights, recipe, str(path))
            given = {role: n for role, n in file.encoders.items() if role == TEXT_ENCODER}
        else:
            assert isinstance(file.config, SSPIRConfig)
            found, wanted = _parts(file.config), _parts(config)
            _check(file, found, wanted, TRAINED[file.stage])
            asked = TRAINED[file.stage] if number or source is not None else tuple(NAMES)
            taken = [part for part in asked if found[part] == wanted[part]]
            kept = weights
            weights = weights | _of(file.weights, tuple(n for p in taken for n in NAMES[p]))
            if UNET not in taken:  # whose ControlNet the tail speaks to
                weights |= _of(kept, (TAIL,))
            if len(taken) < len(asked):
                left = ", ".join(part for part in asked if part not in taken)
                notes.append(f"{path}: not taken, for the recipe's is another: {left}.")
            if file.stage == "restore":
                notes += _differences(file, config)
            given = dict(file.encoders) if {REFINER, UNET} & {*taken} else {}
        check_encoders(
            encoders, given, of="What comes before it", roles=ROLES[1:],
            instead=f"leave out {path}",
        )  # fmt: skip
        encoders |= given
    return Start(weights, tuple(notes), encoders)


def _set_base(weights: dict[str, Tensor], found: Mapping[str, Tensor], prefix: str) -> None:
    """Take a U-Net's weights for the base, and its encoder and middle for the ControlNet."""
    for name, value in found.items():
        inside = name.removeprefix(prefix)
        # With local norms there is none behind the last block; see GuidedUNet.
        if inside == name or f"{BASE}.{inside}" not in weights:
            continue
        weights[f"{BASE}.{inside}"] = value
        if f"control.base.{inside}" in weights and inside.split(".")[0] in COPIED:
            weights[f"control.base.{inside}"] = value


def _fit_to_task(weights: dict[str, Tensor], recipe: SSPIRRecipe, source: str) -> tuple[str, ...]:
    """Let a base that was taught to give the noise learn something else; sentences about it.

    Raises:
        WeightsError: It is frozen.
    """
    config = recipe.network
    if config.predicts == "noise" and config.prior.norm == "group":
        return ()
    if recipe.freezes_base:
        raise WeightsError(
            f"{source}: this U-Net gives the noise, the recipe's gives what network.predicts says, "
            f"{config.predicts}, and with sspir.base {recipe.sspir.base} it would not learn to; "
            "take noise, or sspir.base=joint."
        )
    weights |= {name: torch.zeros_like(weights[name]) for name in LAST}
    return (
        f"{source}: the last layer of this U-Net starts at nothing, for it is not noise that it is "
        "to give."
        if config.predicts != "noise"
        else f"{source}: the last layer of this U-Net starts at nothing, for no norm comes before "
        "it here.",
    )


def _check(
    file: _File, found: Mapping[str, object], wanted: Mapping[str, object], parts: Sequence[str]
) -> None:
    """Refuse a file whose own parts are not the recipe's."""
    other = [part for part in parts if found[part] != wanted[part]]
    if other:
        raise WeightsError(
            f"{file.path}: holds a network that does not fit into the recipe's: its {other[0]} is "
            "another."
        )


def _prior_parts(prior: PriorConfig) -> dict[str, object]:
    """Everything that a codec and a U-Net depend on."""
    norm = (prior.norm, prior.norm_groups)
    return {
        CODEC: (prior.codec.model_copy(update={"scale": 1.0}), norm),
        UNET: (prior.unet, prior.codec.latents, prior.token_dim, prior.schedule, norm),
    }


def _parts(config: SSPIRConfig) -> dict[str, object]:
    """Everything that a part depends on."""
    prior = _prior_parts(config.prior)
    width = config.prior.unet.widths[0]
    tokens = (config.encoder.partition(":")[0], config.tokens, config.token_dim)
    switches = (config.text, config.image, config.pixel, config.control)
    told = (config.refiner.dim, config.text_encoder.partition(":")[0], config.null_text)
    gives = (config.predicts, config.residual)
    return {
        CODEC: prior[CODEC],
        PROCESSOR: (config.processor, width, config.prior.codec.factor),
        REFINER: (config.refiner, tokens),
        UNET: (prior[UNET], config.attention, switches, told, gives),
    }


def _differences(file: _File, config: SSPIRConfig) -> list[str]:
    """What else a recipe has that a network was not taught with; a sentence each."""
    return [
        f"{file.path}: this SSP-IR learned with network.{name} {was}, not {wanted}."
        for name in ("start", "start_step")
        if (was := getattr(file.config, name)) != (wanted := getattr(config, name))
    ]


def _of(weights: Mapping[str, Tensor], prefixes: tuple[str, ...]) -> dict[str, Tensor]:
    return {name: value for name, value in weights.items() if name.startswith(prefixes)}


def _read(path: Path) -> _File:
    """A checkpoint or a weight file; the latter has been through all stages.

    Raises:
        WeightsError: It cannot be read, or is of another method.
    """
    stage: Stage = "restore"
    encoders: Mapping[str, str] = {}
    if path.suffix == ".pt":
        checkpoint = load_checkpoint(path)
        loaded = Loaded(checkpoint.recipe.network, checkpoint.average, "safetensors")
        encoders = checkpoint.encoders
        if isinstance(checkpoint.recipe, SSPIRRecipe):
            stage = checkpoint.recipe.sspir.stage
    else:
        loaded = read_weights(path)
        if path.suffix == ".json":
            encoders = load_card(str(path)).encoders
    if not isinstance(loaded.config, SSPIRConfig | SODiffConfig):
        raise WeightsError(f"{path}: holds neither an SSP-IR nor a SODiff.")
    plain = without_lora(loaded)
    return _File(path, plain.config, plain.weights, stage, encoders)
