"""How much each channel of a latent has to change, measured before a residual step learns."""

from __future__ import annotations

import torch

from restora.training.data import JpegPairs, PhotoStore
from restora.training.sodiff.one_step_task import OneStepTask
from restora.training.sodiff.recipe import SODiffRecipe

BATCHES = 24


@torch.no_grad()
def measure_unit(task: OneStepTask, recipe: SODiffRecipe, photos: PhotoStore) -> None:
    """Set the unit of a step that has none yet: the root mean square of what each channel lost."""
    step, codec = task.network.step, task.network.codec
    if not (step.residual and bool((step.unit == 1).all())):
        return
    pairs = JpegPairs(photos, recipe.data, channels=3, seed=recipe.train.seed, teacher=0)
    squares = torch.zeros_like(step.unit)
    for number in range(BATCHES):
        batch = pairs.batch(number)
        start = task.whole(task.network).start(batch.degraded)
        lost = codec.encode(batch.clean) - codec.encode(start)
        squares += lost.square().mean(dim=(0, 2, 3)) / BATCHES
    step.unit.copy_(squares.sqrt().clamp_min(1e-4))
