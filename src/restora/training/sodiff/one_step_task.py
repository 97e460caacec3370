"""SODiff's second stage: U-Net and time predictor learn to restore in one step.

Source: SODiff, architecture figure; the losses as there, their weights ours.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from restora.networks.fbcnn import quality_to_strength
from restora.networks.perceptual import EADISTS, load_dists
from restora.networks.sodiff.network import SODiff
from restora.networks.sodiff.time_predictor import balance_loss, bucket, choose
from restora.training.data import Batch
from restora.training.sodiff.copies import Copies
from restora.training.sodiff.figures import thirds
from restora.training.sodiff.prompt_store import PromptStore
from restora.training.sodiff.recipe import SODiffRecipe
from restora.training.sodiff.regress import Restoring, load_regressor
from restora.training.sodiff.rival import Rival
from restora.training.tasks import Pairs, make_optimiser, pixel_loss

BALANCED_UNTIL = 0.3  # share of the steps
COOLING = 0.5  # share of the steps over which the temperature falls


class OneStepTask:
    """U-Net (or its LoRA), predictor and critic; codec and SAIPE are frozen; see ``Task``."""

    validates = True
    encoders: dict[str, str] = {}  # noqa: RUF012 - no words are used here

    def __init__(
        self,
        recipe: SODiffRecipe,
        network: SODiff,
        copies: Copies | None,
        *,
        compiled: bool = False,
    ) -> None:
        self.network = network
        self._recipe = recipe
        self._section = recipe.sodiff
        self._prompts = PromptStore(network, copies)
        self._step: Any = torch.compile(network.step) if compiled else network.step
        for part in network.frozen_in_step():
            part.requires_grad_(False)
        self._trained = [
            p for n, p in network.named_parameters() if p.requires_grad and "predictor" not in n
        ]
        self.optimiser = make_optimiser(
            [
                {"params": self._trained, "scale": 1.0},
                {
                    "params": [*network.predictor.parameters()],
                    "scale": self._section.predictor_rate,
                },
            ],
            recipe.train,
        )
        name = recipe.network.regressor
        self._regressor = None if name is None else load_regressor(name)
        self._distance = EADISTS(load_dists(self._section.distance))
        self.rival = Rival(recipe, network) if self._section.critic_weight else None

    def to(self, device: str) -> None:
        self._prompts.to(device)
        self.network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._distance.to(device)
        if self._regressor is not None:
            self._regressor.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        if self.rival is not None:
            self.rival.to(device)

    def step(self, batch: Batch, *, done: float) -> dict[str, Tensor]:
        section, settings = self._section, self._recipe.train
        network = self._hold_still()
        strength = quality_to_strength(batch.quality)
        known = ~strength.isnan()
        half = settings.precision == "bf16"
        prompt = self._prompts.get(batch)
        with torch.autocast(batch.clean.device.type, torch.bfloat16, enabled=half):
            with torch.no_grad():
                latent = network.codec.encode(self._start(batch, strength).float()).float()
                wanted = network.codec.encode(batch.clean).float()
            logits, seen = network.predictor(batch.degraded)
            choice = self._choose(logits.float(), strength, done)
            made = self._step(latent, prompt, choice)
            restored = network.codec.decode(made).float()
        parts = {
            "pixel": pixel_loss(restored - batch.clean, settings),
            "latent": functional.mse_loss(made, wanted),
            "distance": self._distance(restored, batch.clean).mean(),
            "quality": (seen.float()[:, 0] - strength)[known].abs().sum() / len(strength),
        }
        loss = (
            section.pixel_weight * parts["pixel"]
            + section.latent_weight * parts["latent"]
            + section.distance_weight * parts["distance"]
            + settings.quality_weight * parts["quality"]
        )
        if self._recipe.network.timestep is None:
            parts |= self._teach_choice(logits.float(), choice, strength, done)
            loss = loss + parts["choice"]
        rival = self.rival if done >= section.critic_from else None
        if rival is not None:
            parts["fooled"] = rival.doubt(made, prompt)
            loss = loss + section.critic_weight * parts["fooled"]
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        moved = [p for group in self.optimiser.param_groups for p in group["params"]]
        nn.utils.clip_grad_norm_(moved, settings.clip_norm)
        self.optimiser.step()
        if rival is not None:
            rate = self.optimiser.param_groups[0]["lr"]
            parts["critic"] = rival.learn(made, wanted, prompt, rate=rate)
        return parts

    def _start(self, batch: Batch, strength: Tensor) -> Tensor:
        """What the step starts from; where the batch says so it is made with the true quality."""
        told = torch.where(batch.teach, strength, torch.nan)[:, None]
        return self.whole(self.network).start(batch.degraded, told)

    def whole(self, network: SODiff) -> Restoring:
        """The network after the regressor, if there is one."""
        return Restoring(network, self._regressor)

    def _hold_still(self) -> SODiff:
        """Everything that is frozen in evaluation."""
        network = self.network.train()
        for part in network.frozen_in_step():
            part.eval()
        return network

    def _choose(self, logits: Tensor, strength: Tensor, done: float) -> Tensor:
        """A timestep for each: by quality in the warm-up, then as the predictor says."""
        if self._recipe.network.timestep is not None:
            return logits.new_ones(len(logits), 1)
        if done < self._section.warmup:
            # No one number says how bad those of unknown quality are; any will do for now.
            told = strength.nan_to_num(0.5)
            return functional.one_hot(bucket(told, logits.shape[1]), logits.shape[1]).to(logits)
        first, last = self._section.temperature
        temperature = first + (last - first) * min(1.0, done / COOLING)
        return choose(logits, temperature)

    def _teach_choice(
        self, logits: Tensor, choice: Tensor, strength: Tensor, done: float
    ) -> dict[str, Tensor]:
        """Cross-entropy to the buckets of quality in the warm-up, then balance, which fades."""
        if done < self._section.warmup:
            known = ~strength.isnan()
            told = bucket(strength[known], logits.shape[1])
            missed = functional.cross_entropy(logits[known], told, reduction="sum")
            return {"choice": missed / len(strength)}  # there may be none whose quality is known
        fade = max(0.0, 1 - done / BALANCED_UNTIL)
        return {"choice": self._section.balance_weight * fade * balance_loss(choice)}

    @torch.no_grad()
    def monitor(self, network: SODiff, pairs: Pairs) -> dict[str, float]:
        """Held out: EA-DISTS before and after, and the mean timestep of each quality in turn.

        The distances are of every fourth picture, since they cost more than restoring it.
        """
        before, after, timesteps = [], [], []
        candidates = network.config.candidates
        whole = self.whole(network)
        for number, (clean, compressed) in enumerate(pairs):
            logits, _ = network.predictor(compressed)
            timesteps.append(float(candidates[int(network.choose(logits).argmax())]))
            if number % 4 == 0:
                restored = whole(compressed)[0].clamp(0, 1)
                before.append(float(self._distance(compressed, clean)))
                after.append(float(self._distance(restored, clean)))
        return {
            "distance_before": sum(before) / len(before),
            "distance_after": sum(after) / len(after),
            **thirds("timestep", timesteps),
        }

    def extra_state(self) -> dict[str, Any]:
        return {} if self.rival is None else self.rival.state()

    def load_extra(self, companions: dict[str, Tensor], rival: dict[str, Any]) -> None:
        if self.rival is not None:
            self.rival.load(companions, rival)
