"""From a recipe of SSP-IR to the task of its stage, and to what it learns from."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from restora.degradations.by_task import REAL
from restora.networks.catalogue import Network
from restora.networks.ssp_ir.network import SSPIR
from restora.training.data import PhotoStore
from restora.training.sodiff.words import Describer, Words, read_words
from restora.training.sr_diff.store import PairStore, token_maker
from restora.training.ssp_ir.given import GivenPairs, captioner_of, find_layout
from restora.training.ssp_ir.pairs import RealPairs, with_nothing_behind
from restora.training.ssp_ir.processor_task import ProcessorTask
from restora.training.ssp_ir.recipe import SSPIRRecipe
from restora.training.ssp_ir.restore_task import RestoreTask
from restora.training.ssp_ir.validation import RealValidation
from restora.training.tasks import Scoring, Task


def make_ssp_ir_stage(
    recipe: SSPIRRecipe,
    network: Network,
    photos: PhotoStore,
    *,
    device: str = "cpu",
    compiled: bool = False,
) -> Task:
    """The task of a recipe's stage; see :func:`restora.training.methods.make_task`.

    Pairs are made of the photos, unless these are pairs already; see
    :class:`restora.training.ssp_ir.given.GivenPairs`.
    """
    assert isinstance(network, SSPIR)
    if recipe.sspir.stage == "processor":
        return ProcessorTask(recipe, network, compiled=compiled)
    encoders: dict[str, str] = {}
    if recipe.network.text:
        encoders |= _words(recipe, photos, device)[0].fingerprints
    if recipe.network.image:
        encoders |= _store(recipe, photos, device).encoders
    return RestoreTask(recipe, network, encoders=encoders, compiled=compiled)


def make_ssp_ir_batches(
    recipe: SSPIRRecipe, photos: PhotoStore, *, device: str = "cpu"
) -> RealPairs:
    """What a stage learns from; see :func:`restora.training.methods.make_batches`."""
    config = recipe.network
    text: NDArray[np.float16] | None = None
    nothing = torch.zeros(config.text_tokens, config.prior.token_dim)
    if recipe.sspir.stage == "restore" and config.text:
        words, empty = _words(recipe, photos, device)
        text = words.tokens[:, 0]  # of whole photos
        nothing = empty if config.null_text == "encoded" else nothing
    return RealPairs(_store(recipe, photos, device), recipe, text, nothing)


def make_ssp_ir_validation(recipe: SSPIRRecipe, folder: Path, *, device: str = "cpu") -> Scoring:
    """Clean pictures of a folder, damaged as pictures are in the world, or pairs that are given."""
    config = recipe.network
    make = token_maker(config.encoder, count=config.tokens, dim=config.token_dim, device=device)
    return RealValidation(folder, recipe, make, _no_words(recipe, device))


def _no_words(recipe: SSPIRRecipe, device: str) -> Tensor:
    """The tokens (L, D) of no caption, as they are taught."""
    config = recipe.network
    if config.null_text == "zeros" or not config.text or recipe.sspir.stage != "restore":
        return torch.zeros(config.text_tokens, config.prior.token_dim)
    describer = Describer(
        "empty", config.text_encoder, max_tokens=config.text_tokens, device=device
    )
    found = describer.encode([""])[0]
    return torch.from_numpy(with_nothing_behind(found, found[0])[0])


def _store(recipe: SSPIRRecipe, photos: PhotoStore, device: str) -> PairStore:
    config = recipe.network
    maker = (config.encoder, config.tokens, config.token_dim, device)
    return _make_store(photos, recipe.sspir.variants, maker)


@lru_cache(maxsize=1)
def _make_store(photos: PhotoStore, variants: int, maker: tuple[str, int, int, str]) -> PairStore:
    encoder, count, dim, device = maker
    make_tokens = token_maker(encoder, count=count, dim=dim, device=device)
    layout = find_layout(photos)
    if layout is not None:
        return GivenPairs(photos, layout, make_tokens=make_tokens)
    return PairStore(photos, tasks=(REAL,), variants=variants, make_tokens=make_tokens)


def _words(recipe: SSPIRRecipe, photos: PhotoStore, device: str) -> tuple[Words, Tensor]:
    """Captions of the clean photos and their tokens, and those (L, D) of no caption."""
    captioner, clean = recipe.sspir.captioner, photos
    if find_layout(photos) is not None:
        pairs = _store(recipe, photos, device)
        assert isinstance(pairs, GivenPairs)
        captioner, clean = captioner_of(recipe, pairs.layout), pairs.photos
    return _make_words(recipe, captioner, clean, device)


@lru_cache(maxsize=1)
def _make_words(
    recipe: SSPIRRecipe, captioner: str, photos: PhotoStore, device: str
) -> tuple[Words, Tensor]:
    config = recipe.network
    describer = Describer(
        captioner, config.text_encoder, max_tokens=config.text_tokens, device=device
    )
    words = read_words(photos, describer, views=1)
    empty = torch.zeros(config.text_tokens, config.prior.token_dim)
    if config.null_text == "encoded":
        empty = torch.from_numpy(describer.encode([""])[0][0])
    describer.unload()
    return words, empty
