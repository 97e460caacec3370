"""Crops of pairs for the U-Net, with the context of the whole picture.

Source: SR-Diff, its data loader: flips and turns; the context is that of the picture and does not
follow the crop, so that training and restoring agree.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from restora.degradations.by_task import degrade
from restora.errors import InputError
from restora.networks.sr_diff.tasks import Task
from restora.training.data import cut_alike, planes_of
from restora.training.sr_diff.recipe import SRDiffRecipe
from restora.training.sr_diff.sources import Bytes, Having, PairSource

SURROUNDINGS_PX = 48  # on each side of a patch that is degraded anew: the longest blur and more


@dataclass(frozen=True)
class PairBatch:
    """One step's pairs.

    Attributes:
        clean: (B, 3, P, P) float32 in 0-1.
        degraded: The same place in the degraded photo.
        task: (B,) int64, which of the network's tasks.
        tokens: (B, N, F) float32, what the encoder says of the whole degraded photo; of the clean
            one where the recipe tries that; zeros where it wants none.
        keep: (B,) bool, where the context is given.
        dice: (B,) float32, 0-1 at random, for the time.
        starts: (B,) bool, where the state is the one that a walk starts from.
    """

    clean: Tensor
    degraded: Tensor
    task: Tensor
    tokens: Tensor
    keep: Tensor
    dice: Tensor
    starts: Tensor


def apply_gamma(pixels: Bytes, gamma: float) -> Bytes:
    """A picture made darker, or lighter where gamma is below 1; black and white stay.

    Args:
        pixels: Of any shape, 0-255.
        gamma: The power of the samples in 0-1, above 0.
    """
    curve = 255 * (np.arange(256) / 255) ** gamma
    return np.asarray(curve.round().astype(np.uint8)[pixels])


class CropPairs:
    """Batches of crops: that of a step is a pure function of the seed and the step."""

    def __init__(self, store: PairSource, recipe: SRDiffRecipe) -> None:
        """
        Raises:
            InputError: No photo, or none with some task, is large enough.
        """
        self._store = store
        self._recipe = recipe
        side = recipe.data.patch_px
        self._usable = [
            number for number in range(len(store)) if min(store.clean(number).shape[:2]) >= side
        ]
        if not self._usable:
            raise InputError(f"no photo is at least {side} pixels wide and high.")
        self._having = Having(store, self._usable)
        missing = self._having.missing()
        if missing:
            raise InputError(
                f"no photo of the task {missing[0]} is at least {side} pixels wide and high."
            )
        shares = np.array([recipe.srdiff.task_shares.get(task, 1.0) for task in store.tasks])
        self._shares = shares / shares.sum()

    def batch(self, step: int, *, device: str = "cpu") -> PairBatch:
        """The pairs of optimiser step ``step``."""
        recipe, store = self._recipe, self._store
        rng = np.random.default_rng((recipe.train.seed, step))
        count = recipe.data.batch
        numbers = [self._usable[n] for n in rng.integers(len(self._usable), size=count)]
        tasks = rng.choice(len(store.tasks), size=count, p=self._shares)
        variants = rng.integers(store.variants, size=count).tolist()
        named = [store.tasks[task] for task in tasks]
        numbers = self._having.redraw(rng, numbers, named)
        chosen = list(zip(numbers, named, variants, strict=True))
        pairs = [self._pair(rng, *each) for each in chosen]
        clean, degraded = (np.stack(part) for part in zip(*pairs, strict=True))
        tokens = self._tokens(chosen)
        keep = rng.random(count) >= recipe.srdiff.context_drop
        dice = rng.random(count, np.float32)
        starts = rng.random(count) < recipe.srdiff.start_share
        return PairBatch(
            clean=planes_of(clean, device),
            degraded=planes_of(degraded, device),
            task=torch.from_numpy(tasks).to(device),
            tokens=torch.from_numpy(tokens).to(device).float(),
            keep=torch.from_numpy(keep).to(device),
            dice=torch.from_numpy(dice).to(device),
            starts=torch.from_numpy(starts).to(device),
        )

    def _pair(
        self, rng: np.random.Generator, number: int, task: Task, variant: int
    ) -> tuple[Bytes, ...]:
        """A patch and the same place degraded, each (P, P, 3)."""
        clean, side = self._store.clean(number), self._recipe.data.patch_px
        if not self._recipe.srdiff.fresh:
            degraded = self._store.degraded(number, task, variant)
            return tuple(cut_alike(rng, (clean, degraded), side))
        around = min(side + 2 * SURROUNDINGS_PX, *clean.shape[:2])
        (wide,) = cut_alike(rng, (clean,), around)
        most = self._recipe.srdiff.random_gamma
        if most > 1:
            wide = apply_gamma(wide, most ** rng.uniform(-1, 1))
        worse = degrade(np.ascontiguousarray(wide), task, int(rng.integers(2**31))).pixels
        edge = (around - side) // 2
        return tuple(each[edge : edge + side, edge : edge + side] for each in (wide, worse))

    def _tokens(self, chosen: list[tuple[int, Task, int]]) -> NDArray[np.float16]:
        config, store = self._recipe.network, self._store
        if config.context == "none":
            return np.zeros((len(chosen), config.tokens, config.token_dim), np.float16)
        if config.context == "oracle-gt":
            return np.stack([store.clean_tokens(number) for number, _, _ in chosen])
        return np.stack([store.tokens(*each) for each in chosen])
