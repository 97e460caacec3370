"""The judge's stage: which task a picture needs, and how sure that may be called.

Source: Szegedy et al. 2016 (label smoothing); Guo et al. 2017 (one temperature, fitted on samples
that were held out, and the calibration error that it lowers).

Shapes: B samples; F numbers that the judge sees in each; K tasks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from restora.engine.judge import SURE
from restora.errors import UsageError
from restora.networks.sr_diff.judge import Judge
from restora.networks.sr_diff.network import SRDiff
from restora.training.data import PhotoStore
from restora.training.plain_stage import PlainStage
from restora.training.sr_diff.judge_views import JudgeViews, read_judge_views
from restora.training.sr_diff.recipe import SRDiffRecipe
from restora.training.tasks import Pairs, make_optimiser

SAMPLES = 12_000  # made ahead; each is drawn again and again
SMOOTHING = 0.05
BINS = 10  # of the calibration error
TEMPERATURES = np.exp(np.linspace(np.log(0.2), np.log(5), 129))


@dataclass(frozen=True)
class JudgeBatch:
    """One step's samples.

    Attributes:
        seen: (B, F).
        labels: (B,) int64: 0 for nothing, else the number of the task from 1.
    """

    seen: Tensor
    labels: Tensor


class JudgeBatches:
    """The samples of optimiser step k: a pure function of the seed and k."""

    def __init__(self, photos: PhotoStore, recipe: SRDiffRecipe) -> None:
        self._made = judge_views(photos, recipe)
        self._batch = recipe.data.batch
        self._seed = recipe.train.seed

    def batch(self, step: int, *, device: str = "cpu") -> JudgeBatch:
        """That of optimiser step ``step``."""
        rng = np.random.default_rng((self._seed, step))
        numbers = rng.choice(self._made.learned, self._batch)
        seen, labels = (
            torch.from_numpy(np.array(of[numbers])) for of in (self._made.seen, self._made.labels)
        )
        return JudgeBatch(seen.to(device), labels.to(device))


class JudgeTask(PlainStage):
    """The judge alone; see :class:`restora.training.tasks.Task`.

    The last step fits the temperature. It belongs to the very weights that it was fitted with, so
    that an average of weights has none: ``train.ema`` is 0.
    """

    def __init__(
        self,
        recipe: SRDiffRecipe,
        network: SRDiff,
        photos: PhotoStore,
        *,
        compiled: bool = False,
    ) -> None:
        """
        Args:
            recipe: Of this stage.
            network: With a judge.
            photos: What it learns from; those held out tell how good it is.
            compiled: Run it through ``torch.compile``.

        Raises:
            UsageError: The recipe has no judge, or averages weights.
        """
        if network.judge is None:
            raise UsageError("The stage judge trains network.judge, which this recipe leaves out.")
        if recipe.train.ema:
            raise UsageError(f"The stage judge needs train.ema 0, not {recipe.train.ema:g}.")
        self.network: Any = network
        self._judge: Judge = network.judge
        self._made = judge_views(photos, recipe)
        self._settings = recipe.train
        self._scores: Any = torch.compile(self._judge.scores) if compiled else self._judge.scores
        self.optimiser = make_optimiser(
            [{"params": [*self._judge.parameters()], "scale": 1.0}], recipe.train
        )

    def to(self, device: str) -> None:
        self.network.to(device)

    def step(self, batch: JudgeBatch, *, done: float) -> dict[str, Tensor]:
        self._judge.train()
        scores = self._scores(batch.seen)
        loss = functional.cross_entropy(scores, batch.labels, label_smoothing=SMOOTHING)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._judge.parameters(), self._settings.clip_norm)
        self.optimiser.step()
        right = (scores.argmax(dim=1) == batch.labels).float().mean()
        if round(done * self._settings.steps) == self._settings.steps - 1:
            scores, labels = held_out_scores(self._judge, self._made)
            self._judge.temperature.fill_(fit_temperature(scores, labels))
        return {"judgement": loss, "right": right}

    def monitor(self, network: SRDiff, pairs: Pairs) -> dict[str, float]:  # noqa: ARG002
        """What :func:`figures` tells of the held-out samples."""
        assert network.judge is not None
        scores, labels = held_out_scores(network.judge, self._made)
        return figures(scores / network.judge.temperature.cpu(), labels)


def judge_views(photos: PhotoStore, recipe: SRDiffRecipe) -> JudgeViews:
    """The samples for a recipe's judge, which task and batches share.

    Raises:
        UsageError: The recipe has no judge.
    """
    if recipe.network.judge is None:
        raise UsageError("The stage judge trains network.judge, which this recipe leaves out.")
    # A short training draws no more than this.
    count = min(SAMPLES, recipe.train.steps * recipe.data.batch)
    judge = Judge(recipe.network.judge, recipe.network.tasks)
    return read_judge_views(photos, judge, count=count, seed=recipe.train.seed)


@torch.no_grad()
def held_out_scores(judge: Judge, made: JudgeViews) -> tuple[Tensor, Tensor]:
    """Scores (N, 1 + K) of the held-out samples and their labels (N,), on the CPU."""
    device = str(next(judge.parameters()).device)
    numbers = made.held_out
    learning, _ = judge.training, judge.eval()
    scores = judge.scores(torch.from_numpy(np.array(made.seen[numbers])).to(device)).cpu()
    judge.train(learning)
    return scores, torch.from_numpy(made.labels[numbers])


def fit_temperature(scores: Tensor, labels: Tensor) -> float:
    """The temperature of least cross-entropy, 0.2-5: above 1 where the scores are too sure.

    Args:
        scores: (N, 1 + K).
        labels: (N,).
    """
    losses = [float(functional.cross_entropy(scores / t, labels)) for t in TEMPERATURES]
    return float(TEMPERATURES[int(np.argmin(losses))])


def figures(logits: Tensor, labels: Tensor) -> dict[str, float]:
    """How good judgements are, all 0-1.

    Args:
        logits: (N, 1 + K), with the temperature.
        labels: (N,).

    Returns:
        ``accuracy`` of the likeliest; of the damaged ``found``, the share that is named surely and
        rightly; of the others ``false_alarms``, the share that is named; ``calibration_error``,
        the expected difference between how sure it is and how often right.
    """
    shares = torch.softmax(logits, dim=1)
    sure, likeliest = shares.max(dim=1)
    right = (likeliest == labels).float()
    named, task = shares[:, 1:].max(dim=1)
    alarm, damaged = named >= SURE, labels > 0
    bins = (sure * BINS).long().clamp_max(BINS - 1)
    gaps = torch.zeros(BINS).index_add_(0, bins, sure - right)
    return {
        "accuracy": float(right.mean()),
        "found": float((alarm & (task + 1 == labels))[damaged].float().mean()),
        "false_alarms": float(alarm[~damaged].float().mean()),
        "calibration_error": float(gaps.abs().sum() / len(labels)),
    }
