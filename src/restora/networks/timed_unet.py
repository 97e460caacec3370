"""diffusers' U-Net, which also takes the sinusoids of a timestep instead of its number.

Imported where a prior is built, since diffusers takes seconds to import.
"""

from __future__ import annotations

from diffusers import UNet2DConditionModel
from torch import Tensor


class TimedUNet(UNet2DConditionModel):  # type: ignore[misc]
    """A U-Net whose timestep may be a mixture of embedded ones, so that gradients reach the mix."""

    def get_time_embed(self, sample: Tensor, timestep: Tensor | float) -> Tensor | None:
        """Sinusoids (B, E) of timesteps; those of shape (B, E) are taken for sinusoids already."""
        if isinstance(timestep, Tensor) and timestep.ndim == 2:
            return timestep.to(sample.dtype)
        found: Tensor | None = super().get_time_embed(sample, timestep)
        return found

    def sinusoids(self, timesteps: Tensor) -> Tensor:
        """(K,) timesteps, 0 to 999, to (K, E)."""
        found: Tensor = self.time_proj(timesteps)
        return found
