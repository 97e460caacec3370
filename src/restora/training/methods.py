"""From a recipe to the task of its method, and to the data it learns from."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from restora.networks.catalogue import Network
from restora.networks.dagn import DAGN
from restora.networks.fbcnn import FBCNN
from restora.training.dagn_task import DAGNTask
from restora.training.data import JpegPairs, PhotoStore
from restora.training.recipe import DAGNRecipe, FBCNNRecipe
from restora.training.sections import Recipe
from restora.training.sodiff.recipe import SODiffRecipe
from restora.training.sr_diff.recipe import SRDiffRecipe
from restora.training.sr_diff.stages import make_sr_diff_batches, make_sr_diff_stage
from restora.training.sr_diff.stages import make_validation as make_sr_diff_validation
from restora.training.ssp_ir.given import note_of
from restora.training.ssp_ir.recipe import SSPIRRecipe
from restora.training.ssp_ir.stages import (
    make_ssp_ir_batches,
    make_ssp_ir_stage,
    make_ssp_ir_validation,
)
from restora.training.tasks import VALIDATION_SAVES, FBCNNTask, Scoring, Task, Validation

SODIFF_SAVES = ((5,), (10,), (20,))  # what the published table asks for


class Batches(Protocol):
    """Where the batches of a training come from."""

    def batch(self, step: int, *, device: str = "cpu") -> Any:
        """That of optimiser step ``step``: a pure function of it."""


def make_task(
    recipe: Recipe,
    network: Network,
    photos: PhotoStore,
    *,
    device: str = "cpu",
    compiled: bool = False,
) -> Task:
    """The task of a recipe on its network, with fresh optimisers.

    Args:
        recipe: What to train.
        network: The network of ``recipe.network``.
        photos: What it is trained on.
        device: Where captioners and encoders run, if it needs any.
        compiled: Run it through ``torch.compile``.
    """
    if isinstance(recipe, SODiffRecipe):
        from restora.training.sodiff.stages import make_stage  # noqa: PLC0415 - needs diffusers

        return make_stage(recipe, network, photos, device=device, compiled=compiled)
    if isinstance(recipe, SRDiffRecipe):
        return make_sr_diff_stage(recipe, network, photos, device=device, compiled=compiled)
    if isinstance(recipe, SSPIRRecipe):
        return make_ssp_ir_stage(recipe, network, photos, device=device, compiled=compiled)
    if isinstance(recipe, DAGNRecipe) and isinstance(network, DAGN):
        return DAGNTask(recipe, network, compiled=compiled)
    assert isinstance(recipe, FBCNNRecipe)
    assert isinstance(network, FBCNN)
    return FBCNNTask(recipe, network, compiled=compiled)


def note_on_photos(recipe: Recipe, photos: PhotoStore) -> str | None:
    """A sentence about pairs that are given; None: these are photos."""
    return note_of(recipe, photos) if isinstance(recipe, SSPIRRecipe) else None


def make_batches(recipe: Recipe, photos: PhotoStore, *, device: str = "cpu") -> Batches:
    """What a recipe learns from: most often pairs of patches, one of them compressed."""
    if isinstance(recipe, SODiffRecipe) and recipe.sodiff.stage == "prompt":
        from restora.training.sodiff.stages import view_batches  # noqa: PLC0415 - needs diffusers

        return view_batches(recipe, photos, device=device)
    if isinstance(recipe, SRDiffRecipe):
        found: Batches = make_sr_diff_batches(recipe, photos, device=device)
        return found
    if isinstance(recipe, SSPIRRecipe):
        return make_ssp_ir_batches(recipe, photos, device=device)
    return JpegPairs(
        photos,
        recipe.data,
        channels=recipe.network.channels,
        seed=recipe.train.seed,
        teacher=recipe.train.teacher_share,
    )


def make_validation(recipe: Recipe, folder: Path, *, device: str = "cpu") -> Scoring:
    """Clean pictures of a folder, damaged as the method is judged by."""
    if isinstance(recipe, SRDiffRecipe):
        return make_sr_diff_validation(recipe, folder, device=device)
    if isinstance(recipe, SSPIRRecipe):
        return make_ssp_ir_validation(recipe, folder, device=device)
    saves = SODIFF_SAVES if isinstance(recipe, SODiffRecipe) else VALIDATION_SAVES
    return Validation(folder, channels=recipe.network.channels, saves=saves)
