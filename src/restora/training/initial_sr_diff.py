"""Weights an SR-Diff's training starts from: what earlier stages made, put together.

Files are taken in order. The first gives all that fits; a later one what its stage trained.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from restora.errors import WeightsError
from restora.networks.sr_diff.config import SRDiffConfig
from restora.networks.sr_diff.network import SRDiff
from restora.networks.weight_files import read_weights
from restora.training.checkpoint import load_checkpoint
from restora.training.initial_sodiff import Start
from restora.training.same_run import check_encoders
from restora.training.sr_diff.recipe import SRDiffRecipe, Stage
from restora.weights.cards import IMAGE_ENCODER
from restora.weights.registry import load_card

REFINER, JUDGE, UNET = "refiner", "judge", "unet"
PARTS = (REFINER, JUDGE, UNET)
TRAINED: Mapping[Stage, str] = {"refiner": REFINER, "judge": JUDGE, "restore": UNET}


@dataclass(frozen=True)
class _File:
    """An SR-Diff, what it was last trained in, and whose tokens it was taught."""

    path: Path
    config: SRDiffConfig
    weights: Mapping[str, Tensor]
    stage: Stage
    encoders: Mapping[str, str]


def start_sr_diff(recipe: SRDiffRecipe, files: Sequence[Path]) -> Start:
    """What earlier stages made.

    Args:
        recipe: What is to be trained.
        files: Checkpoints (``.pt``) or weight files, in order.

    Raises:
        UsageError: They were taught the tokens of different image encoders.
        WeightsError: A file cannot be read, holds another network, or a part that does not fit.
    """
    if not files:
        return Start(None)
    config = recipe.network
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.train.seed)
        weights = SRDiff(config).state_dict()
    encoders: dict[str, str] = {}
    notes: list[str] = []
    for number, path in enumerate(files):
        file = _read(path)
        trained = TRAINED[file.stage]
        if _about(file.config, trained) != _about(config, trained):
            raise WeightsError(
                f"{path}: holds a network that does not fit into the recipe's: its {trained} is "
                "another."
            )
        left = []
        for part in (trained,) if number else PARTS:
            if _about(file.config, part) == _about(config, part):
                weights |= {n: w for n, w in file.weights.items() if n.startswith(f"{part}.")}
            elif part != JUDGE or (file.config.judge and config.judge):
                left.append(part)
        if left:
            notes.append(f"{path}: not taken, for the recipe's is another: {', '.join(left)}.")
        if trained == UNET:
            notes += _differences(file, config)
        if number and trained == JUDGE:  # which sees pixels alone
            continue
        check_encoders(
            encoders,
            file.encoders,
            of="What comes before it",
            roles=(IMAGE_ENCODER,),
            instead=f"leave out {path}",
        )
        encoders |= file.encoders
    return Start(weights, tuple(notes), encoders)


def _about(config: SRDiffConfig, part: str) -> object:
    """Everything of a configuration that a part depends on."""
    if part == JUDGE:
        return (config.judge, config.tasks if config.judge else ())
    tokens = (config.encoder.partition(":")[0], config.tokens, config.token_dim)
    if part == REFINER:
        return (config.refiner, tokens)
    return (config.unet, config.context_dim, config.tasks, config.predicts)


def _differences(file: _File, config: SRDiffConfig) -> list[str]:
    """What else a recipe has that a U-Net was not taught with; a sentence each."""
    return [
        f"{file.path}: this U-Net learned with network.{name} {was}, not {wanted}."
        for name, was, wanted in (
            ("context", file.config.context, config.context),
            ("sde", file.config.sde, config.sde),
        )
        if was != wanted
    ]


def _read(path: Path) -> _File:
    if path.suffix == ".pt":
        found = load_checkpoint(path)
        recipe = found.recipe
        if not isinstance(recipe, SRDiffRecipe):
            raise WeightsError(f"{path}: holds no SR-Diff, and the recipe is of one.")
        stage = recipe.srdiff.stage
        return _File(path, recipe.network, found.average, stage, found.encoders)
    loaded = read_weights(path)
    if not isinstance(loaded.config, SRDiffConfig):
        raise WeightsError(f"{path}: holds no SR-Diff, and the recipe is of one.")
    encoders = load_card(str(path)).encoders if path.suffix == ".json" else {}
    return _File(path, loaded.config, loaded.weights, "restore", encoders)
