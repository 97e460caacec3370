"""The published stage: all that is to learn, at once, from the noise and from the Processor's loss.

Source: SSP-IR, its training code: ``MSE + L_proc``, timesteps uniform, captions left out now and
then. Ours: image tokens are left out too, and what the U-Net gives may be other than the noise.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from restora.networks.prior import Codec
from restora.networks.ssp_ir.network import SSPIR
from restora.training.plain_stage import PlainStage
from restora.training.sr_diff.restore_task import draw_steps
from restora.training.ssp_ir.pairs import RealBatch
from restora.training.ssp_ir.processor_loss import processor_loss
from restora.training.ssp_ir.recipe import SSPIRRecipe
from restora.training.tasks import Pairs, make_optimiser


class RestoreTask(PlainStage):
    """See :class:`restora.training.tasks.Task`."""

    validates = True

    def __init__(
        self,
        recipe: SSPIRRecipe,
        network: SSPIR,
        *,
        encoders: dict[str, str],
        compiled: bool = False,
    ) -> None:
        """
        Args:
            recipe: What to train.
            network: Its codec stays as it is.
            encoders: Fingerprints of what tells it about pictures, by role.
            compiled: Run it through ``torch.compile``.
        """
        self.network = network
        self.encoders = encoders
        self._recipe = recipe
        self._predict: Any = torch.compile(network.predict) if compiled else network.predict
        for parameter in frozen_parameters(network, base=recipe.freezes_base):
            parameter.requires_grad_(False)
        self._parameters = [p for p in network.parameters() if p.requires_grad]
        self._signal, self._noise = network.signal, network.noise
        self.optimiser = make_optimiser([{"params": self._parameters, "scale": 1.0}], recipe.train)

    def to(self, device: str) -> None:
        self.network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._signal, self._noise = self.network.signal, self.network.noise

    def step(self, batch: RealBatch, *, done: float) -> dict[str, Tensor]:  # noqa: ARG002 - no ramp
        section, settings = self._recipe.sspir, self._recipe.train
        half = settings.precision == "bf16"
        autocast = torch.autocast(batch.clean.device.type, torch.bfloat16, enabled=half)
        with autocast:
            made = self.network.process(batch.degraded)
        # Not in half precision: what is to be learned is the small difference of two latents.
        latent, anchor = self._latents(batch, made.picture.detach().float())
        config = self.network.config
        time = draw_steps(batch.dice, config.start_step + 1, late=section.late_share) - 1
        noise = torch.randn_like(latent)
        still = torch.rand(len(latent), device=latent.device) < section.still_share
        time = torch.where(still, config.start_step, time)
        still = still[:, None, None, None]
        noise = noise * ~still
        signal, strength = (s[time][:, None, None, None] for s in (self._signal, self._noise))
        # Without noise over it the clean latent, however faint, would be read off.
        state = signal * torch.where(still, anchor, latent) + strength * noise
        with autocast:
            image = self.network.refiner(batch.tokens) * batch.keep_image[:, None, None]
            told = self._predict(state, anchor, time, made.features, batch.text, image)
        match config.predicts:
            case "noise":
                wanted = noise
            case "velocity":
                wanted = signal * noise - strength * latent
            case "clean":
                wanted = latent - anchor if config.residual else latent
        missed = (told.float() - wanted).square()
        if section.as_seen:  # not told before: a checkpoint brings the codec
            missed = missed * how_seen(self.network.codec)
        diffusion = missed.mean()
        rgb, fourier = processor_loss(made.heads, batch.clean * 2 - 1, norm=section.fourier_norm)
        loss = diffusion + section.rgb_weight * rgb + section.fourier_weight * fourier
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self._parameters, settings.clip_norm)
        self.optimiser.step()
        return {"loss": loss, "diffusion": diffusion, "rgb": rgb, "fourier": fourier}

    @torch.no_grad()
    def _latents(self, batch: RealBatch, processed: Tensor) -> tuple[Tensor, Tensor]:
        """Those (B, c, h, w) of the clean pictures and, if it is residual, of a walk's start."""
        codec, config = self.network.codec, self.network.config
        mean, spread = codec.moments(batch.clean)
        # The published latent is a sample; that of a codec without noise is its mean.
        drawn = mean if config.prior.codec.linear else mean + spread * torch.randn_like(mean)
        if not config.residual:  # nothing looks at it, and a large codec takes its time
            return drawn, torch.zeros_like(drawn)
        return drawn, codec.encode(self.network.start_of(batch.degraded, processed))

    def monitor(self, network: SSPIR, pairs: Pairs) -> dict[str, float]:  # noqa: ARG002
        return {}


@torch.no_grad()
def how_seen(codec: Codec) -> Tensor:
    """What an error in each channel of a latent, (1, c, 1, 1), does to the picture's squared error.

    Their mean is 1. Principal components have a spread of 1 each, whether they are what a picture
    is made of or its finest noise.
    """
    assert codec.linear is not None
    shown = codec.linear.back.weight.square().sum(dim=(0, 2, 3))
    return (shown / shown.mean())[None, :, None, None]


def frozen_parameters(network: SSPIR, *, base: bool) -> list[nn.Parameter]:
    """What does not learn: the codec, and with ``base`` the U-Net's own layers."""
    frozen = [*network.codec.parameters()]
    return [*frozen, *network.unet.base.parameters()] if base else frozen
