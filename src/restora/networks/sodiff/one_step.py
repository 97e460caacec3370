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

    def __init__(
        self,
        unet: nn.Module,
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
            residual: Nothing from the U-Net leaves a latent as it is.
        """
        super().__init__()
        self.residual = residual
        self.unet: Any = unet
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
        mixed = choice @ self.unet.sinusoids(self.timesteps).to(choice.dtype)
        found: Tensor = self.unet(latent, mixed, prompt, return_dict=False)[0]
        return found + self.noise_between(latent, latent, choice) if self.residual else found

    def clean(self, latent: Tensor, noise: Tensor, choice: Tensor) -> Tensor:
        """``(latent - sqrt(1 - abar) noise) / sqrt(abar)`` at the chosen timestep of each."""
        kept, mixed = (self._of(choice, each) for each in (self.signal, self.noise))
        return (latent - mixed * noise) / kept

    def noise_between(self, latent: Tensor, clean: Tensor, choice: Tensor) -> Tensor:
        """What would have to be taken for noise to get exactly ``clean``."""
        kept, mixed = (self._of(choice, each) for each in (self.signal, self.noise))
        return (latent - kept * clean) / mixed

    @staticmethod
    def _of(choice: Tensor, values: Tensor) -> Tensor:
        return (choice.float() @ values)[:, None, None, None]
