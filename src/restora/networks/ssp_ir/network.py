"""SSP-IR: a latent prior that words, image tokens and a cleaned structure steer.

Source: Zhang et al., SSP-IR, IEEE TCSVT 2025, and its public code. Sampling is outside; see
:mod:`restora.engine.latent_samplers`.

Shapes: B pictures of H×W pixels, 0-1; latents of c channels at h×w = H/f × W/f; text tokens
(B, L, D); image tokens (B, T, F), refined (B, T, D').
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from restora.networks.prior import Codec, signal_and_noise
from restora.networks.ssp_ir.config import SSPIRConfig
from restora.networks.ssp_ir.processor import Processed, Processor
from restora.networks.ssp_ir.refiner import RefineLayer


class SSPIR(nn.Module):
    """Every part of it."""

    signal: Tensor
    noise: Tensor

    def __init__(self, config: SSPIRConfig) -> None:
        """Build it at random.

        Raises:
            MissingExtra: diffusers is not installed.
        """
        super().__init__()
        self.config = config
        self.codec = Codec(config.prior)
        from restora.networks.ssp_ir.guided_unet import (  # noqa: PLC0415 - imports diffusers
            GuidedControl,
            GuidedUNet,
        )

        self.unet = GuidedUNet(config)
        self.control = GuidedControl(config, self.unet) if config.control_is_there else None
        width = config.prior.unet.widths[0]
        self.processor = Processor(
            config.processor, channels=width, factor=config.prior.codec.factor
        )
        self.refiner = RefineLayer(config.refiner, config.token_dim)
        # A residual network has to know what it adds to.
        self.anchor = nn.Conv2d(config.prior.codec.latents, width, 1) if config.residual else None
        if config.residual:
            nn.init.zeros_(self.unet.base.conv_out.weight)
            nn.init.zeros_(self.unet.base.conv_out.bias)
        signal, noise = signal_and_noise(config.prior.schedule)
        self.register_buffer("signal", signal, persistent=False)
        self.register_buffer("noise", noise, persistent=False)

    def process(self, picture: Tensor) -> Processed:
        """What the Processor makes of pictures (B, 3, H, W)."""
        found: Processed = self.processor(picture)
        return found

    def start_of(self, picture: Tensor, processed: Tensor) -> Tensor:
        """The pictures (B, 3, H, W) whose latents a walk starts from."""
        return processed if self.config.start == "processed" else picture

    def predict(  # noqa: PLR0917 - as its graph takes them
        self,
        state: Tensor,
        anchor: Tensor,
        time: Tensor,
        features: Tensor,
        text: Tensor,
        image: Tensor,
    ) -> Tensor:
        """What the U-Net gives, (B, c, h, w).

        Args:
            state: (B, c, h, w), noised latents.
            anchor: (B, c, h, w), latents of the start.
            time: (B,), 0 to the steps of the schedule less one.
            features: (B, C, h, w), of the Processor.
            text: (B, L, D).
            image: (B, T, D'), refined.
        """
        if self.anchor is not None:
            features = features + self.anchor(anchor)
        control = None
        if self.control is not None:
            control = self.control(state, time, features, text, image)
        found: Tensor = self.unet(state, time, text, image, control)
        return found

    def clean_of(self, told: Tensor, state: Tensor, anchor: Tensor, time: Tensor) -> Tensor:
        """The clean latents (B, c, h, w) that go with what the U-Net gave in a state."""
        if self.config.predicts == "clean":
            return anchor + told if self.config.residual else told
        signal, noise = (s[time.long()][:, None, None, None] for s in (self.signal, self.noise))
        if self.config.predicts == "velocity":
            return signal * state - noise * told
        return (state - noise * told) / signal

    def forward(  # noqa: PLR0917 - as its graph takes them
        self,
        state: Tensor,
        anchor: Tensor,
        time: Tensor,
        features: Tensor,
        text: Tensor,
        image: Tensor,
    ) -> Tensor:
        """The clean latents as the network sees them; as :meth:`predict`."""
        told = self.predict(state, anchor, time, features, text, image)
        return self.clean_of(told, state, anchor, time)

    @torch.no_grad()
    def no_words(self, count: int, length: int) -> Tensor:
        """The tokens (B, L, D) of no caption, where that is zeros."""
        return torch.zeros(count, length, self.config.prior.token_dim, device=self.signal.device)
