"""The single step from a compressed latent to a clean one, at a timestep that was chosen for it.

Source: SODiff (Yang et al., arXiv 2508.07346), architecture figure; the formula as in D3SR.
Shapes: B latents of C channels at h×w, K candidate timesteps, T tokens of D numbers.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class OneStep(nn.Module):
    """A prior's U-Net, asked once."""

    signal: Tensor
    noise: Tensor
    timesteps: Tensor
    unit: Tensor

    def __init__(
        self,
        unet: Any,
        schedule: tuple[Tensor, Tensor],
        candidates: tuple[int, ...],
        *,
        residual: bool = False,
    ) -> None:
        """
        Args:
            unet: :class:`restora.networks.timed_unet.TimedUNet`.
            schedule: sqrt(abar) and sqrt(1 - abar) of every timestep.
            candidates: The K timesteps there are to choose from.
            residual: The U-Net gives how the latent has to change, in parts of ``unit``, whatever
                the timestep; nothing from it leaves a latent as it is.
        """
        super().__init__()
        self.residual = residual
        self.unet: Any = unet
        if residual:
            # What is lost differs tenfold from channel to channel. In its own unit each weighs
            # alike, so that one rate suits the output of all.
            self.register_buffer("unit", torch.ones(self.unet.config.in_channels))
        chosen = list(candidates)
        self.register_buffer("signal", schedule[0][chosen].clone(), persistent=False)
        self.register_buffer("noise", schedule[1][chosen].clone(), persistent=False)
        self.register_buffer("timesteps", torch.tensor(chosen), persistent=False)

    def forward(self, latent: Tensor, prompt: Tensor, choice: Tensor) -> Tensor:
        """The clean latent (B, C, h, w).

        Args:
            latent: (B, C, h, w), that of the compressed picture; no noise is added.
            prompt: (B, T, D).
            choice: (B, K), which timestep each takes: one 1, else 0. Gradients reach it.
        """
        return self.clean(latent, self.predict(latent, prompt, choice), choice)

    def predict(self, latent: Tensor, prompt: Tensor, choice: Tensor) -> Tensor:
        """What the step takes for noise, (B, C, h, w)."""
        # Embedded timesteps are mixed, not the timesteps: by its number the sinusoid's slope
        # is useless at high frequency.
        mixed = _mix(choice, self.unet.sinusoids(self.timesteps))
        found: Tensor = self.unet(latent, mixed, prompt, return_dict=False)[0]
        if not self.residual:
            return found
        return self.noise_between(latent, latent + found * self.unit[:, None, None], choice)

    def clean(self, latent: Tensor, noise: Tensor, choice: Tensor) -> Tensor:
        """``(latent - sqrt(1 - abar) noise) / sqrt(abar)`` at the chosen timestep of each."""
        kept, mixed = self._gains(choice)
        return (latent - mixed * noise) / kept

    def noise_between(self, latent: Tensor, clean: Tensor, choice: Tensor) -> Tensor:
        """What would have to be taken for noise to get exactly ``clean``."""
        kept, mixed = self._gains(choice)
        return (latent - kept * clean) / mixed

    def _gains(self, choice: Tensor) -> tuple[Tensor, Tensor]:
        """sqrt(abar) and sqrt(1 - abar) of each, (B, 1, 1, 1), float32 whatever the latents are."""
        kept, mixed = (_mix(choice, each[:, None]) for each in (self.signal, self.noise))
        return kept[:, :, None, None], mixed[:, :, None, None]


def _mix(choice: Tensor, values: Tensor) -> Tensor:
    """What each chose (B, K) of values (K, E): (B, E), float32.

    Not as a matrix product: autocast would make that one half precision.
    """
    return (choice.float()[:, :, None] * values.float()).sum(dim=1)
