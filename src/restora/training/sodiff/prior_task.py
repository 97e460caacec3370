"""The compact prior's U-Net learns to denoise clean latents with a caption.

Source: Rombach et al., CVPR 2022, section 3.2; the noise of Ho et al., NeurIPS 2020.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from restora.networks.prior import signal_and_noise
from restora.networks.sodiff.network import SODiff
from restora.training.data import Batch
from restora.training.plain_stage import PlainStage
from restora.training.sodiff.recipe import SODiffRecipe
from restora.training.sodiff.words import Words
from restora.training.tasks import Pairs, make_optimiser

MONITORED = (100, 300, 500, 700)  # timesteps of the held-out figures
SEED = 0


class PriorTask(PlainStage):
    """The U-Net alone, on the codec's latents; see :class:`restora.training.tasks.Task`."""

    def __init__(
        self, recipe: SODiffRecipe, network: SODiff, words: Words, *, compiled: bool = False
    ) -> None:
        self.network = network
        self.encoders = words.fingerprints
        self._recipe = recipe
        self._tokens: NDArray[np.float16] = words.tokens[:, 0]  # of whole photos
        self._unet: Any = torch.compile(network.unet) if compiled else network.unet
        self._signal, self._noise = signal_and_noise(recipe.network.prior.schedule)
        parameters = [p for p in network.unet.parameters() if p.requires_grad]
        self.optimiser = make_optimiser([{"params": parameters, "scale": 1.0}], recipe.train)

    def to(self, device: str) -> None:
        self.network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._signal, self._noise = self._signal.to(device), self._noise.to(device)

    def step(self, batch: Batch, *, done: float) -> dict[str, Tensor]:  # noqa: ARG002 - no ramp
        self.network.eval()  # the codec's; the U-Net behaves alike
        with torch.no_grad():
            latent = self.network.codec.encode(batch.clean)
        timestep = torch.randint(len(self._signal), (len(latent),), device=latent.device)
        tokens = torch.from_numpy(self._tokens[batch.photo.cpu().numpy()]).to(latent)
        dropped = batch.dice < self._recipe.sodiff.prompt_drop
        tokens = torch.where(dropped[:, None, None], 0, tokens)
        half = self._recipe.train.precision == "bf16"
        with torch.autocast(latent.device.type, torch.bfloat16, enabled=half):
            loss = self._miss(self._unet, latent, timestep, tokens)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.unet.parameters(), self._recipe.train.clip_norm)
        self.optimiser.step()
        return {"noise": loss}

    def _miss(
        self,
        unet: Any,
        latent: Tensor,
        timestep: Tensor,
        tokens: Tensor,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Mean squared error of the noise predicted in latents."""
        noise = torch.randn(latent.shape, generator=generator).to(latent)
        kept, mixed = (s[timestep][:, None, None, None] for s in (self._signal, self._noise))
        found = unet(kept * latent + mixed * noise, timestep, tokens, return_dict=False)[0]
        return functional.mse_loss(found.float(), noise)

    @torch.no_grad()
    def monitor(self, network: SODiff, pairs: Pairs) -> dict[str, float]:
        """Held-out error of the noise at a few timesteps, without text."""
        generator = torch.Generator().manual_seed(SEED)
        errors: dict[str, list[Tensor]] = {f"held_out_noise_{t}": [] for t in MONITORED}
        shape = (1, network.config.saipe.queries, network.config.prior.token_dim)
        for clean, _ in pairs:
            latent = network.codec.encode(clean)
            for t, name in zip(MONITORED, errors, strict=True):
                timestep = torch.full((1,), t, device=latent.device)
                nothing = latent.new_zeros(shape)
                errors[name].append(self._miss(network.unet, latent, timestep, nothing, generator))
        return {name: float(torch.stack(each).mean()) for name, each in errors.items()}
