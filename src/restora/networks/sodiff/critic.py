"""The critic of SODiff: does this latent, together with this prompt, look like a clean picture's?

The contracting half of a diffusion prior already tells noisy latents of real pictures apart from
others; a small head on its middle scores every place. Sources: SODiff's architecture figure for the
prompt; D3SR (noised latents, features of the middle) and CODiff (the head) for what the figure
leaves open.

Shapes: B latents, C channels, h×w places; N tokens of D numbers.
"""

from __future__ import annotations

import copy
from math import gcd
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from restora._optional import require

EARLIEST, LATEST = 20, 980  # timesteps a latent is noised to, both included
GROUPS = 32
ADAPTER = "critic"


class LatentCritic(nn.Module):
    """Scores of realism of latents that are noised first; the higher, the more real.

    The generator's loss must reach the generator through here: nothing in ``forward`` is cut off
    but the prompt. (CODiff's released code runs the critic without a gradient, so that this loss
    does nothing.)
    """

    alphas_cumprod: Tensor

    def __init__(
        self,
        unet: nn.Module,
        *,
        noise_schedule: Tensor,
        head_width: int,
        lora_rank: int | None = None,
    ) -> None:
        """Copy the contracting half of a prior; the prior itself stays as it is.

        Args:
            unet: The prior, diffusers' ``UNet2DConditionModel``, without adapters.
            noise_schedule: Cumulative alphas of the timesteps 0 to T - 1, (T,), T above 980.
            head_width: Channels between the head's two convolutions; CODiff has twice the middle's.
            lora_rank: Train low-rank additions to the copy's layers, with alpha equal to the rank,
                in place of the copy itself.

        Raises:
            MissingExtra: A rank is asked for and peft is not installed.
            ValueError: The U-Net carries adapters: it is a generator's, no plain prior.
        """
        super().__init__()
        if any("lora_" in name for name, _ in unet.named_parameters()):
            raise ValueError("The critic copies a plain prior, but this U-Net carries adapters.")
        self.register_buffer("alphas_cumprod", noise_schedule.detach().float().clone())
        self.trunk = _contracting_half(unet)
        if lora_rank is not None:
            _add_lora(self.trunk, lora_rank)
        middle = int(self.trunk.config.block_out_channels[-1])
        self.head = nn.Sequential(
            # An even kernel: the larger half of the border is below and at the right, and the map
            # keeps its size, however small.
            nn.ZeroPad2d((1, 2, 1, 2)),
            nn.Conv2d(middle, head_width, 4),
            nn.GroupNorm(gcd(GROUPS, head_width), head_width),
            nn.SiLU(),
            nn.ZeroPad2d((1, 2, 1, 2)),
            nn.Conv2d(head_width, 1, 4),
        )

    def forward(
        self, latents: Tensor, prompt: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        """Noise the latents and score them.

        Args:
            latents: (B, C, h, w), clean or restored, scaled as the prior takes them.
            prompt: (B, N, D); no gradient goes back to it.
            generator: Draws the timestep of each latent and the noise; on any device.

        Returns:
            Scores (B, 1, h', w') of the places of the prior's middle.
        """
        device = latents.device if generator is None else generator.device
        timesteps = torch.randint(
            EARLIEST, LATEST + 1, (len(latents),), generator=generator, device=device
        ).to(latents.device)
        noise = torch.randn(
            latents.shape, generator=generator, device=device, dtype=latents.dtype
        ).to(latents.device)
        kept = self.alphas_cumprod[timesteps].to(latents.dtype)[:, None, None, None]
        noised = kept.sqrt() * latents + (1 - kept).sqrt() * noise
        features = self.trunk(noised, timesteps, encoder_hidden_states=prompt.detach()).sample
        scores: Tensor = self.head(features)
        return scores


def generator_loss(fake_scores: Tensor) -> Tensor:
    """What a generator pays for restored latents the critic sees through: mean softplus(-D)."""
    return functional.softplus(-fake_scores).mean()


def critic_loss(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """Mean binary cross-entropy of clean latents, which are 1, and restored ones, which are 0.

    The scores of the restored ones are of detached latents: the generator has no part in this.
    """
    return (functional.softplus(-real_scores).mean() + functional.softplus(fake_scores).mean()) / 2


def _contracting_half(unet: Any) -> Any:
    """A trainable copy of a U-Net whose forward ends with the features of the middle."""
    expanding = (unet.up_blocks, unet.conv_norm_out, unet.conv_act, unet.conv_out)
    left_out = {id(module): nn.Identity() for module in expanding if module is not None}
    trunk = copy.deepcopy(unet, left_out)  # the expanding half is not even copied
    trunk.up_blocks = nn.ModuleList()
    trunk.conv_norm_out, trunk.conv_act, trunk.conv_out = None, None, nn.Identity()
    return trunk.requires_grad_(True).train()


def _add_lora(trunk: nn.Module, rank: int) -> None:
    """Freeze a network but for low-rank additions to all its convolutions and linear layers."""
    peft = require("peft", extra="diffusion")
    layers = [
        name for name, module in trunk.named_modules() if isinstance(module, nn.Linear | nn.Conv2d)
    ]
    config = peft.LoraConfig(r=rank, lora_alpha=rank, target_modules=layers)
    peft.inject_adapter_in_model(config, trunk, adapter_name=ADAPTER)
    for name, weights in trunk.named_parameters():
        weights.requires_grad_("lora_" in name)
