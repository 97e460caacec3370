"""SODiff's second stage: U-Net and time predictor learn to restore in one step.

Source: SODiff, architecture figure; the losses as there, their weights ours.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from restora.networks.fbcnn import quality_to_strength
from restora.networks.perceptual import EADISTS, load_dists
from restora.networks.prior import signal_and_noise
from restora.networks.sodiff.critic import LatentCritic, critic_loss, generator_loss
from restora.networks.sodiff.network import SODiff
from restora.networks.sodiff.time_predictor import balance_loss, bucket, choose
from restora.training.data import Batch
from restora.training.sodiff.recipe import SODiffRecipe
from restora.training.sodiff.regress import Restoring, load_regressor
from restora.training.sodiff.views import Views
from restora.training.tasks import Pairs, make_optimiser, pixel_loss

BALANCED_UNTIL = 0.3  # share of the steps
COOLING = 0.5  # share of the steps over which the temperature falls


class OneStepTask:
    """U-Net (or its LoRA), predictor and critic; codec and SAIPE are frozen; see ``Task``."""

    validates = True

    def __init__(
        self, recipe: SODiffRecipe, network: SODiff, views: Views, *, compiled: bool = False
    ) -> None:
        self.network = network
        self.encoders = views.fingerprints
        self._recipe = recipe
        self._section = recipe.sodiff
        self._views = views
        self._device = "cpu"
        self._prompts: dict[tuple[int, int], Tensor] = {}  # of SAIPE, which is frozen
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
        self.critic: LatentCritic | None = None
        if self._section.critic_weight:
            self.critic = LatentCritic(
                network.merged().unet,
                noise_schedule=_kept(network),
                head_width=2 * network.config.prior.unet.widths[-1],
                lora_rank=self._section.critic_lora,
            )
            learning = [p for p in self.critic.parameters() if p.requires_grad]
            self.critic_optimiser = make_optimiser(
                [{"params": learning, "scale": 1.0}], recipe.train
            )

    def to(self, device: str) -> None:
        self._device = device
        self.network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._distance.to(device)
        if self._regressor is not None:
            self._regressor.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        if self.critic is not None:
            self.critic.to(device)

    def step(self, batch: Batch, *, done: float) -> dict[str, Tensor]:
        section, settings = self._section, self._recipe.train
        network = self._hold_still()
        strength = quality_to_strength(batch.quality)
        known = ~strength.isnan()
        half = settings.precision == "bf16"
        with torch.autocast(batch.clean.device.type, torch.bfloat16, enabled=half):
            with torch.no_grad():
                latent = network.codec.encode(self._start(batch, strength).float())
                wanted = network.codec.encode(batch.clean)
            prompt = self._prompt(batch)
            logits, seen = network.predictor(batch.degraded)
            choice = self._choose(logits.float(), strength, done)
            made = self._step(latent, prompt, choice)
            restored = network.codec.decode(made).float()
        parts = {
            "pixel": pixel_loss(restored - batch.clean, settings),
            "latent": functional.mse_loss(made.float(), wanted.float()),
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
        if self.critic is not None and done >= section.critic_from:
            self.critic.requires_grad_(False)
            parts["fooled"] = generator_loss(self.critic(made.float(), prompt))
            self._wake_critic()
            loss = loss + section.critic_weight * parts["fooled"]
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        moved = [p for group in self.optimiser.param_groups for p in group["params"]]
        nn.utils.clip_grad_norm_(moved, settings.clip_norm)
        self.optimiser.step()
        if self.critic is not None and done >= section.critic_from:
            parts["critic"] = self._teach_critic(made.detach().float(), wanted.float(), prompt)
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
            return {"choice": functional.cross_entropy(logits[known], told)}
        fade = max(0.0, 1 - done / BALANCED_UNTIL)
        return {"choice": self._section.balance_weight * fade * balance_loss(choice)}

    def _prompt(self, batch: Batch) -> Tensor:
        """(B, T, D): of the whole photo each patch is from, saved at about the patch's quality."""
        copies = self._views.copies
        photos, saves = batch.photo.cpu(), self._views.nearest(batch.quality).cpu()
        prompter = self.network.prompter
        if self._recipe.network.prompt != "saipe":
            shown = torch.from_numpy(copies[photos.numpy(), 0, saves.numpy()])
            return prompter(_planes(shown, self._device))  # type: ignore[no-any-return]
        known = self._prompts
        places = list(zip(photos.tolist(), saves.tolist(), strict=True))
        new = [place for place in dict.fromkeys(places) if place not in known]
        if new:
            numbers, which = np.array(new).T
            with torch.no_grad():
                made = prompter(_planes(torch.from_numpy(copies[numbers, 0, which]), self._device))
            known.update(zip(new, made.half(), strict=True))
        return torch.stack([known[place] for place in places]).float()

    def _wake_critic(self) -> None:
        assert self.critic is not None
        for group in self.critic_optimiser.param_groups:
            for parameter in group["params"]:
                parameter.requires_grad_(True)

    def _teach_critic(self, made: Tensor, wanted: Tensor, prompt: Tensor) -> Tensor:
        assert self.critic is not None
        prompt = prompt.detach()
        loss = critic_loss(self.critic(wanted, prompt), self.critic(made, prompt))
        for mine, theirs in zip(
            self.critic_optimiser.param_groups, self.optimiser.param_groups, strict=False
        ):
            mine["lr"] = theirs["lr"]
        self.critic_optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.critic_optimiser.step()
        return loss.detach()

    @torch.no_grad()
    def monitor(self, network: SODiff, pairs: Pairs) -> dict[str, float]:
        """Held out: EA-DISTS of the result and of the input, and the mean timestep, by PSNR's sets.

        Pictures come quality by quality; ``timestep_slope`` is the rank correlation between how
        much a picture lost and the timestep it got.
        """
        before, after, lost, timesteps = [], [], [], []
        candidates = torch.tensor(network.config.candidates)
        whole = self.whole(network)
        for clean, compressed in pairs:
            logits, _ = network.predictor(compressed)
            timesteps.append(float(candidates[int(network.choose(logits).argmax())]))
            restored = whole(compressed)[0].clamp(0, 1)
            before.append(float(self._distance(compressed, clean)))
            after.append(float(self._distance(restored, clean)))
            lost.append(float((compressed - clean).square().mean()))
        third = max(1, len(after) // 3)
        return {
            "distance_before": sum(before) / len(before),
            "distance_after": sum(after) / len(after),
            **{
                f"timestep_{n}": sum(timesteps[n * third : (n + 1) * third]) / third
                for n in range(3)
            },
        }

    def extra_state(self) -> dict[str, Any]:
        if self.critic is None:
            return {}
        return {
            "companions": self.critic.state_dict(),
            "rival": self.critic_optimiser.state_dict(),
        }

    def load_extra(self, companions: dict[str, Tensor], rival: dict[str, Any]) -> None:
        if self.critic is not None:
            self.critic.load_state_dict(companions)
            self.critic_optimiser.load_state_dict(rival)


def _kept(network: SODiff) -> Tensor:
    """abar of every timestep."""
    return signal_and_noise(network.config.prior.schedule)[0].square()


def _planes(copies: Tensor, device: str) -> Tensor:
    """Bytes (B, S, S, 3) to (B, 3, S, S), 0-1."""
    return copies.to(device).permute(0, 3, 1, 2).float() / 255
