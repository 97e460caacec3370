"""The U-Net's training: from any state between clean and degraded back to the clean picture.

Source: SR-Diff, its training of stage two; IR-SDE for the loss that is published.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from restora.errors import UsageError
from restora.networks.sr_diff.network import SRDiff
from restora.training.plain_stage import PlainStage
from restora.training.sr_diff.pairs import PairBatch
from restora.training.sr_diff.recipe import SRDiffRecipe
from restora.training.tasks import Pairs, make_optimiser

LATE = 0.3
EPSILON = 1e-9
LOG_FLOOR = 1e-5  # 50 dB: below it nothing is to be gained


class RestoreTask(PlainStage):
    """The U-Net alone, with a frozen refiner; see :class:`restora.training.tasks.Task`."""

    validates = True

    def __init__(
        self,
        recipe: SRDiffRecipe,
        network: SRDiff,
        *,
        encoders: dict[str, str],
        compiled: bool = False,
    ) -> None:
        """
        Args:
            recipe: What to train.
            network: Its refiner is taken as it is.
            encoders: Fingerprint of the image encoder, by its role.
            compiled: Run the U-Net through ``torch.compile``.
        """
        self.network = network
        self.encoders = encoders
        self._recipe = recipe
        self._predict: Any = torch.compile(network.prediction) if compiled else network.prediction
        self._sde = network.config.sde.make()
        self.optimiser = make_optimiser(
            [{"params": [*network.unet.parameters()], "scale": 1.0}], recipe.train
        )

    def to(self, device: str) -> None:
        self.network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def step(self, batch: PairBatch, *, done: float) -> dict[str, Tensor]:  # noqa: ARG002 - no ramp
        """See :class:`restora.training.tasks.Task`.

        Raises:
            UsageError: The refiner was never trained, where it or its projection is wanted.
        """
        self._check_refiner()  # not before: a checkpoint brings it
        config, settings = self.network.config, self._recipe.train
        with torch.no_grad():
            context = self.network.context(batch.tokens) * batch.keep[:, None, None]
        time = draw_steps(batch.dice, config.sde.steps, late=self._recipe.srdiff.late_share)
        time = torch.where(batch.starts, config.sde.steps, time)
        noise = torch.randn_like(batch.clean)
        state = self._state(batch, time, noise)
        task = functional.one_hot(batch.task, len(config.tasks)).float()
        half = settings.precision == "bf16"
        with torch.autocast(state.device.type, torch.bfloat16, enabled=half):
            told = self._predict(state, batch.degraded, time, task, context)
        loss = self._loss(told.float(), batch, state, noise, time)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.unet.parameters(), settings.clip_norm)
        self.optimiser.step()
        return {"loss": loss}

    def _state(self, batch: PairBatch, time: Tensor, noise: Tensor) -> Tensor:
        """(B, 3, P, P), what a walk comes by at that time.

        Even at the last step the forward diffusion keeps half a percent of what was done to the
        picture. In the mean over a patch that outweighs the noise, so the U-Net would read off it
        how light the clean picture was, which a walk that starts from the degraded one cannot.
        """
        mean, spread = self._sde.marginal(batch.clean, batch.degraded, time)
        start = batch.degraded + self._sde.strength * noise
        return torch.where(batch.starts[:, None, None, None], start, mean + spread * noise)

    def _check_refiner(self) -> None:
        config, fitted = self.network.config, self.network.refiner.fitted
        if config.context == "refined" and not fitted:
            raise UsageError(
                "This recipe refines the context, and its refiner was never trained: --start with "
                "a run of the stage refiner, or set network.context to raw or none."
            )
        projects = config.refiner.projected is not None
        if config.context != "none" and projects and not fitted:
            raise UsageError(
                "This recipe projects the encoder's tokens, and the projection was never fitted: "
                "--start with a run of the stage refiner, or set network.refiner.projected to null."
            )

    def _loss(
        self, told: Tensor, batch: PairBatch, state: Tensor, noise: Tensor, time: Tensor
    ) -> Tensor:
        """One number for what the U-Net told of a batch."""
        sde, kind = self._sde, self._recipe.srdiff.loss
        clean, degraded = batch.clean, batch.degraded
        gives_clean = self.network.config.predicts == "clean"
        if kind in ("clean-l1", "clean-log"):
            found = degraded + told if gives_clean else sde.clean_of(state, degraded, told, time)
            error = found - clean
            if kind == "clean-l1":
                return error.abs().mean()
            # Half a decade is 10 dB: what PSNR counts, and all tasks count alike.
            return (error.square().mean(dim=(1, 2, 3)) + LOG_FLOOR).log10().mean() / 2
        seen = sde.noise_of(state, degraded, degraded + told, time) if gives_clean else told
        if kind == "noise-l1":
            return (seen - noise).abs().mean()
        mean, _ = sde.reverse(state, degraded, seen, time)
        return (mean - sde.optimum(state, clean, degraded, time)).abs().mean()  # type: ignore[no-any-return]

    def monitor(self, network: SRDiff, pairs: Pairs) -> dict[str, float]:  # noqa: ARG002
        return {}


def draw_steps(dice: Tensor, steps: int, *, late: float = 0.0) -> Tensor:
    """Steps of the diffusion, 1 to ``steps``, for uniform numbers (B,) of 0-1.

    A share ``late`` of them is among the last :data:`LATE` of the steps, all others anywhere. Where
    a state is near the clean picture there is little to learn but to trust it, and a walk never
    comes by such a state but through what the network made of the late ones.
    """
    is_late = dice < late
    lot = torch.where(is_late, dice / max(late, EPSILON), (dice - late) / max(1 - late, EPSILON))
    last = max(1, round(LATE * steps))
    few, any_of = ((lot * count).long().clamp(0, count - 1) for count in (last, steps))
    return torch.where(is_late, steps - few, 1 + any_of)
