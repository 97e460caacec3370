"""From a recipe of SODiff to the task of its stage."""

from __future__ import annotations

from functools import lru_cache

from restora.networks.catalogue import Network
from restora.networks.sodiff.network import SODiff
from restora.training.data import PhotoStore
from restora.training.sodiff.codec_task import CodecTask
from restora.training.sodiff.one_step_task import OneStepTask
from restora.training.sodiff.predictor_task import PredictorTask
from restora.training.sodiff.prior_task import PriorTask
from restora.training.sodiff.prompt_task import PromptTask, ViewBatches
from restora.training.sodiff.recipe import SODiffRecipe
from restora.training.sodiff.views import Views, read_views
from restora.training.tasks import Task


def make_stage(
    recipe: SODiffRecipe, network: Network, photos: PhotoStore, *, compiled: bool = False
) -> Task:
    """The task of a recipe's stage; see :func:`restora.training.methods.make_task`."""
    assert isinstance(network, SODiff)
    match recipe.sodiff.stage:
        case "codec":
            return CodecTask(recipe, network, photos, compiled=compiled)
        case "prior":
            return PriorTask(recipe, network, _views(recipe, photos), compiled=compiled)
        case "prompt":
            return PromptTask(recipe, network, _views(recipe, photos), compiled=compiled)
        case "predictor":
            return PredictorTask(recipe, network, compiled=compiled)
        case "one-step":
            return OneStepTask(recipe, network, _views(recipe, photos), compiled=compiled)


def view_batches(recipe: SODiffRecipe, photos: PhotoStore) -> ViewBatches:
    """What the stage prompt learns from."""
    return ViewBatches(_views(recipe, photos), batch=recipe.data.batch, seed=recipe.train.seed)


@lru_cache(maxsize=1)
def _views(recipe: SODiffRecipe, photos: PhotoStore) -> Views:
    saipe = recipe.network.saipe
    return read_views(photos, recipe.sodiff, side_px=saipe.side_px, max_tokens=saipe.queries)
