"""SR-Diff's first stage: the Semantic Refinement Module learns what damage does to tokens.

Source: SR-Diff, its code, for the loss and its weights. That its numbers are standardised first and
that whole photos are held out is ours. Shapes: B pictures, T tokens of F numbers from the encoder.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from restora.errors import UsageError
from restora.networks.sr_diff.network import SRDiff
from restora.networks.sr_diff.refiner import Refiner
from restora.training.plain_stage import PlainStage
from restora.training.sr_diff.figures import refinement_figures
from restora.training.sr_diff.recipe import SRDiffRecipe
from restora.training.sr_diff.sources import Having, PairSource
from restora.training.tasks import Pairs, make_optimiser

FIT_PHOTOS = 64  # whose tokens are in memory at once


@dataclass(frozen=True)
class TokenBatch:
    """Tokens (B, T, F) of degraded pictures, and of the same pictures clean."""

    degraded: Tensor
    clean: Tensor


class TokenBatches:
    """Tokens of photos that are not held out, each degraded in one of the ways it is stored in."""

    def __init__(self, store: PairSource, *, batch: int, seed: int) -> None:
        """
        Args:
            store: Of the tokens.
            batch: B.
            seed: Of the draws.

        Raises:
            UsageError: All photos, or all of a task, are held out.
        """
        self._store, self._batch, self._seed = store, batch, seed
        self._photos = np.array(learned_from(store))
        self._having = Having(store, self._photos.tolist())
        if self._having.missing():
            raise UsageError(
                f"srdiff.holdout leaves no photo of the task {self._having.missing()[0]} to learn "
                "from; lower it or add photos."
            )

    def batch(self, step: int, *, device: str = "cpu") -> TokenBatch:
        """That of optimiser step ``step``."""
        rng, store, count = np.random.default_rng((self._seed, step)), self._store, self._batch
        photos = self._photos[rng.integers(len(self._photos), size=count)].tolist()
        tasks = [store.tasks[task] for task in rng.integers(len(store.tasks), size=count)]
        variants = rng.integers(store.variants, size=count).tolist()
        photos = self._having.redraw(rng, photos, tasks)
        degraded = [
            store.tokens(photo, task, variant)
            for photo, task, variant in zip(photos, tasks, variants, strict=True)
        ]
        clean = [store.clean_tokens(photo) for photo in photos]
        return TokenBatch(_stack(degraded, device), _stack(clean, device))


class RefinerTask(PlainStage):
    """The refiner alone; see :class:`restora.training.tasks.Task`."""

    def __init__(
        self, recipe: SRDiffRecipe, network: SRDiff, store: PairSource, *, compiled: bool = False
    ) -> None:
        """
        Args:
            recipe: What to train.
            network: Its refiner is fitted to the clean photos, unless it was before.
            store: Of the tokens.
            compiled: Run the refiner through ``torch.compile``.

        Raises:
            UsageError: All photos are held out.
        """
        self.network = network
        self.encoders = store.encoders
        self._recipe, self._store = recipe, store
        if not network.refiner.fitted:
            network.refiner.fit(_clean_tokens(store))
        self._run: Any = torch.compile(network.refiner) if compiled else network.refiner
        self._parameters = [*network.refiner.parameters()]
        self.optimiser = make_optimiser([{"params": self._parameters, "scale": 1.0}], recipe.train)

    def to(self, device: str) -> None:
        self.network.to(device)

    def step(self, batch: TokenBatch, *, done: float) -> dict[str, Tensor]:  # noqa: ARG002 - no ramp
        section, settings = self._recipe.srdiff, self._recipe.train
        self.network.train()
        half = settings.precision == "bf16"
        with torch.autocast(batch.clean.device.type, torch.bfloat16, enabled=half):
            found = self._run(batch.degraded).float()
        parts = refinement_loss(self.network.refiner, found, batch.clean)
        loss = section.l1_weight * parts["l1"] + section.cosine_weight * parts["cosine"]
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._parameters, settings.clip_norm)
        self.optimiser.step()
        return parts

    def monitor(self, network: SRDiff, pairs: Pairs) -> dict[str, float]:
        """Held out: how near the tokens are to the clean ones, before and after."""
        del pairs  # degraded in another way than the store's
        return refinement_figures(network, self._store)


def refinement_loss(refiner: Refiner, found: Tensor, clean: Tensor) -> dict[str, Tensor]:
    """The mean error, and one minus the cosine of each token, both standardised.

    Args:
        refiner: Says in what units.
        found: (B, T, D) what it gives for degraded pictures.
        clean: (B, T, F) of the same pictures clean, as the encoder gives them.
    """
    found, wanted = (refiner.standardised(x) for x in (found, refiner.project(clean)))
    cosine = functional.cosine_similarity(found, wanted, dim=2)
    return {"l1": (found - wanted).abs().mean(), "cosine": 1 - cosine.mean()}


def learned_from(store: PairSource) -> list[int]:
    """The numbers of the photos that are not held out.

    Raises:
        UsageError: There are none.
    """
    found = [number for number in range(len(store)) if not store.held_out(number)]
    if not found:
        raise UsageError("srdiff.holdout leaves no photo to learn from; lower it or add photos.")
    return found


def _clean_tokens(store: PairSource) -> Iterator[Tensor]:
    """(n, T, F) at a time, of photos that are not held out."""
    photos = learned_from(store)
    for start in range(0, len(photos), FIT_PHOTOS):
        yield _stack([store.clean_tokens(i) for i in photos[start : start + FIT_PHOTOS]], "cpu")


def _stack(tokens: Sequence[Any], device: str) -> Tensor:
    return torch.from_numpy(np.stack(tokens)).to(device).float()
