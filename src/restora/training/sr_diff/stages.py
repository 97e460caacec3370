"""From a recipe of SR-Diff to the task of its stage, and to what it learns from."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from restora.errors import UsageError
from restora.networks.catalogue import Network
from restora.networks.sr_diff.network import SRDiff
from restora.networks.sr_diff.tasks import Task as Damage
from restora.training.data import PhotoStore
from restora.training.sr_diff.given import GivenPairs, find_layout
from restora.training.sr_diff.judge_task import JudgeBatches, JudgeTask
from restora.training.sr_diff.pairs import CropPairs
from restora.training.sr_diff.recipe import SRDiffRecipe
from restora.training.sr_diff.refiner_task import RefinerTask, TokenBatches
from restora.training.sr_diff.restore_task import RestoreTask
from restora.training.sr_diff.sources import PairSource
from restora.training.sr_diff.store import PairStore, token_maker
from restora.training.sr_diff.validation import RestorationValidation
from restora.training.tasks import Scoring, Task


def make_sr_diff_stage(
    recipe: SRDiffRecipe,
    network: Network,
    photos: PhotoStore,
    *,
    device: str = "cpu",
    compiled: bool = False,
) -> Task:
    """The task of a recipe's stage; see :func:`restora.training.methods.make_task`.

    Pairs are made of the photos, unless these are pairs already; see
    :class:`restora.training.sr_diff.given.GivenPairs`.
    """
    assert isinstance(network, SRDiff)
    match recipe.srdiff.stage:
        case "judge":
            _check_clean(photos)
            return JudgeTask(recipe, network, photos, compiled=compiled)
        case "refiner":
            return RefinerTask(recipe, network, _pairs(recipe, photos, device), compiled=compiled)
        case "restore":
            guided = recipe.network.context != "none"
            encoders = _pairs(recipe, photos, device).encoders if guided else {}
            return RestoreTask(recipe, network, encoders=encoders, compiled=compiled)


def make_sr_diff_batches(recipe: SRDiffRecipe, photos: PhotoStore, *, device: str = "cpu") -> Any:
    """What a stage learns from; see :func:`restora.training.methods.make_batches`."""
    match recipe.srdiff.stage:
        case "judge":
            return JudgeBatches(photos, recipe)
        case "refiner":
            pairs = _pairs(recipe, photos, device)
            return TokenBatches(pairs, batch=recipe.data.batch, seed=recipe.train.seed)
        case "restore":
            return CropPairs(_pairs(recipe, photos, device), recipe)


def make_validation(recipe: SRDiffRecipe, folder: Path, *, device: str = "cpu") -> Scoring:
    """Clean pictures of a folder, damaged as the tasks say, or pairs that are given."""
    config = recipe.network
    make = token_maker(config.encoder, count=config.tokens, dim=config.token_dim, device=device)
    return RestorationValidation(folder, recipe, make)


def _pairs(recipe: SRDiffRecipe, photos: PhotoStore, device: str) -> PairSource:
    """The pairs, which task and batches share."""
    config, section = recipe.network, recipe.srdiff
    maker = (config.encoder, config.tokens, config.token_dim, device)
    return _make_pairs(photos, config.tasks, section.variants, section.holdout, maker)


@lru_cache(maxsize=1)
def _make_pairs(
    photos: PhotoStore,
    tasks: tuple[Damage, ...],
    variants: int,
    holdout: float,
    maker: tuple[str, int, int, str],
) -> PairSource:
    encoder, count, dim, device = maker
    make_tokens = token_maker(encoder, count=count, dim=dim, device=device)
    layout = find_layout(photos)
    if layout is not None:
        return GivenPairs(photos, layout, tasks=tasks, make_tokens=make_tokens, holdout=holdout)
    return PairStore(
        photos, tasks=tasks, variants=variants, make_tokens=make_tokens, holdout=holdout
    )


def _check_clean(photos: PhotoStore) -> None:
    """Refuse pairs where clean photos are wanted.

    Raises:
        UsageError: They lie in the layout of pairs.
    """
    layout = find_layout(photos)
    if layout is not None:
        raise UsageError(
            f"{layout.root}: the judge learns from clean photos, which it damages itself; these "
            "are pairs. Take a folder of clean ones, such as one that is called GT."
        )
