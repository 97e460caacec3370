"""From a recipe of SODiff to the task of its stage."""

from __future__ import annotations

from functools import lru_cache

from restora.networks.catalogue import Network
from restora.networks.sodiff.network import SODiff
from restora.training.data import PhotoStore
from restora.training.sodiff.codec_task import CodecTask
from restora.training.sodiff.copies import read_copies
from restora.training.sodiff.one_step_task import OneStepTask
from restora.training.sodiff.predictor_task import PredictorTask
from restora.training.sodiff.prior_task import PriorTask
from restora.training.sodiff.prompt_store import LOOKING
from restora.training.sodiff.prompt_task import PromptTask, ViewBatches
from restora.training.sodiff.recipe import SODiffRecipe
from restora.training.sodiff.unit import measure_unit
from restora.training.sodiff.words import Describer, Words, read_words
from restora.training.tasks import Task

MIRRORED = ("tags",)  # captioners of which no words tell left from right


def make_stage(
    recipe: SODiffRecipe,
    network: Network,
    photos: PhotoStore,
    *,
    device: str = "cpu",
    compiled: bool = False,
) -> Task:
    """The task of a recipe's stage; see :func:`restora.training.methods.make_task`."""
    assert isinstance(network, SODiff)
    match recipe.sodiff.stage:
        case "codec":
            return CodecTask(recipe, network, photos, compiled=compiled)
        case "prior":
            words, _ = _words(recipe, photos, device)
            return PriorTask(recipe, network, words, compiled=compiled)
        case "prompt":
            words, describer = _words(recipe, photos, device)
            return PromptTask(recipe, network, words, describer, compiled=compiled)
        case "predictor":
            return PredictorTask(recipe, network, compiled=compiled)
        case "one-step":
            copies = None
            if recipe.network.prompt in LOOKING:
                side = recipe.network.saipe.side_px
                copies = read_copies(photos, recipe.sodiff.view_qualities, side_px=side)
            task = OneStepTask(recipe, network, copies, compiled=compiled)
            measure_unit(task, recipe, photos)
            return task


def view_batches(recipe: SODiffRecipe, photos: PhotoStore, *, device: str = "cpu") -> ViewBatches:
    """What the stage prompt learns from."""
    section = recipe.sodiff
    words, _ = _words(recipe, photos, device)
    copies = read_copies(
        photos, section.view_qualities, side_px=recipe.network.saipe.side_px, views=section.views
    )
    return ViewBatches(
        copies,
        words,
        batch=recipe.data.batch,
        seed=recipe.train.seed,
        mirrored=section.captioner in MIRRORED,
    )


@lru_cache(maxsize=1)
def _words(recipe: SODiffRecipe, photos: PhotoStore, device: str) -> tuple[Words, Describer]:
    """The words, and what made them, which takes no room until it is asked again."""
    section = recipe.sodiff
    describer = Describer(
        section.captioner,
        section.text_encoder,
        max_tokens=recipe.network.saipe.queries,
        device=device,
    )
    words = read_words(photos, describer, views=recipe.sodiff.views)
    describer.unload()
    return words, describer
