"""The critic of the one-step stage and what trains it."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from restora.networks.prior import signal_and_noise
from restora.networks.sodiff.critic import LatentCritic, critic_loss, generator_loss
from restora.networks.sodiff.network import SODiff
from restora.training.sodiff.recipe import SODiffRecipe
from restora.training.tasks import make_optimiser


class Rival:
    """A critic that learns beside the network."""

    def __init__(self, recipe: SODiffRecipe, network: SODiff) -> None:
        kept = signal_and_noise(network.config.prior.schedule)[0].square()
        self.critic = LatentCritic(
            network.merged().unet,
            noise_schedule=kept,
            head_width=2 * network.config.prior.unet.widths[-1],
            lora_rank=recipe.sodiff.critic_lora,
        )
        self._learning = [p for p in self.critic.parameters() if p.requires_grad]
        self._optimiser = make_optimiser([{"params": self._learning, "scale": 1.0}], recipe.train)

    def to(self, device: str) -> None:
        self.critic.to(device)

    def doubt(self, made: Tensor, prompt: Tensor) -> Tensor:
        """The generator's loss on latents it made; the critic learns nothing from it."""
        for parameter in self._learning:
            parameter.requires_grad_(False)
        loss = generator_loss(self.critic(made, prompt))
        for parameter in self._learning:
            parameter.requires_grad_(True)
        return loss

    def learn(self, made: Tensor, wanted: Tensor, prompt: Tensor, *, rate: float) -> Tensor:
        """A step of the critic on clean latents and those that were made; gives its loss."""
        made, prompt = made.detach(), prompt.detach()
        loss = critic_loss(self.critic(wanted, prompt), self.critic(made, prompt))
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()
        return loss.detach()

    def state(self) -> dict[str, Any]:
        """``companions`` and ``rival`` of a checkpoint."""
        return {"companions": self.critic.state_dict(), "rival": self._optimiser.state_dict()}

    def load(self, companions: dict[str, Tensor], rival: dict[str, Any]) -> None:
        """Undo :meth:`state`."""
        self.critic.load_state_dict(companions)
        self._optimiser.load_state_dict(rival)
