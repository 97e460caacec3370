"""The time predictor's warm-up: quality, and the bucket of timesteps that goes with it.

Source: SODiff, architecture figure, for the two heads; that they learn before the U-Net does keeps
the choice from collapsing and is ours.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from restora.networks.fbcnn import quality_to_strength, strength_to_quality
from restora.networks.sodiff.network import SODiff
from restora.networks.sodiff.time_predictor import bucket
from restora.training.data import Batch
from restora.training.plain_stage import PlainStage
from restora.training.sodiff.figures import thirds
from restora.training.sodiff.recipe import SODiffRecipe
from restora.training.tasks import Pairs, make_optimiser


class PredictorTask(PlainStage):
    """The predictor alone; see :class:`restora.training.tasks.Task`."""

    def __init__(self, recipe: SODiffRecipe, network: SODiff, *, compiled: bool = False) -> None:
        self.network = network
        self._settings = recipe.train
        self._look: Any = torch.compile(network.predictor) if compiled else network.predictor
        self.optimiser = make_optimiser(
            [{"params": [*network.predictor.parameters()], "scale": 1.0}], recipe.train
        )

    def to(self, device: str) -> None:
        self.network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def step(self, batch: Batch, *, done: float) -> dict[str, Tensor]:  # noqa: ARG002 - no ramp
        self.network.train()
        strength = quality_to_strength(batch.quality)
        known = ~strength.isnan()
        half = self._settings.precision == "bf16"
        with torch.autocast(batch.clean.device.type, torch.bfloat16, enabled=half):
            logits, seen = self._look(batch.degraded)
        told, count = bucket(strength[known], logits.shape[1]), len(strength)
        choice = functional.cross_entropy(logits.float()[known], told, reduction="sum")
        parts = {
            "quality": (seen.float()[known, 0] - strength[known]).abs().sum() / count,
            "choice": choice / count,  # there may be none whose quality is known
        }
        loss = torch.stack(list(parts.values())).sum()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.predictor.parameters(), self._settings.clip_norm)
        self.optimiser.step()
        return parts

    @torch.no_grad()
    def monitor(self, network: SODiff, pairs: Pairs) -> dict[str, float]:
        """Held out: the mean timestep of each quality in turn, and the quality that is seen."""
        chosen, seen = [], []
        for _, compressed in pairs:
            logits, strength = network.predictor(compressed)
            chosen.append(float(network.config.predictor.candidates[int(logits.argmax())]))
            seen.append(float(strength_to_quality(strength)))
        return thirds("timestep", chosen) | thirds("quality_seen", seen)
