"""From a recipe of SSP-IR to the task of its stage, and to what it learns from."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from restora.networks.catalogue import Network
from restora.networks.ssp_ir.network import SSPIR
from restora.training.data import PhotoStore
from restora.training.sodiff.words import Describer, Words, read_words
from restora.training.sr_diff.store import PairStore, token_maker
from restora.training.ssp_ir.pairs import REAL, RealPairs
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
    """The task of a recipe's stage; see :func:`restora.training.methods.make_task`."""
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
    """Clean pictures of a folder, damaged as pictures are in the world."""
    config = recipe.network
    make = token_maker(config.encoder, count=config.tokens, dim=config.token_dim, device=device)
    return RealValidation(folder, recipe, make)


def _store(recipe: SSPIRRecipe, photos: PhotoStore, device: str) -> PairStore:
    config = recipe.network
    maker = (config.encoder, config.tokens, config.token_dim, device)
    return _make_store(photos, recipe.sspir.variants, maker)


@lru_cache(maxsize=1)
def _make_store(photos: PhotoStore, variants: int, maker: tuple[str, int, int, str]) -> PairStore:
    encoder, count, dim, device = maker
    make_tokens = token_maker(encoder, count=count, dim=dim, device=device)
    return PairStore(photos, tasks=(REAL,), variants=variants, make_tokens=make_tokens)


@lru_cache(maxsize=1)
def _words(recipe: SSPIRRecipe, photos: PhotoStore, device: str) -> tuple[Words, Tensor]:
    """Captions of the clean photos and their tokens, and those (L, D) of no caption."""
    config = recipe.network
    describer = Describer(
        recipe.sspir.captioner, config.text_encoder, max_tokens=config.text_tokens, device=device
    )
    words = read_words(photos, describer, views=1)
    empty = torch.zeros(config.text_tokens, config.prior.token_dim)
    if config.null_text == "encoded":
        empty = torch.from_numpy(describer.encode([""])[0][0])
    describer.unload()
    return words, empty
