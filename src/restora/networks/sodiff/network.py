"""SODiff: a compressed picture becomes a latent, the latent is cleaned in one step, and shown.

Source: SODiff (Yang et al., arXiv 2508.07346). What the paper leaves open was chosen here.
Shapes: B pictures of H×W pixels; latents of C channels at h×w = H/f × W/f; T tokens of D numbers;
K candidate timesteps.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from restora._optional import require
from restora.networks.prior import EXTRA, Codec, make_unet, signal_and_noise
from restora.networks.sodiff.config import SODiffConfig
from restora.networks.sodiff.one_step import OneStep
from restora.networks.sodiff.prompts import PROMPTS
from restora.networks.sodiff.time_predictor import TimePredictor, bucket, pick

# Attention, feed-forward and convolutions of the U-Net, as the authors' next works have it; not its
# first convolution, nor what embeds the timestep.
LORA_TARGETS = (
    *("to_q", "to_k", "to_v", "to_out.0", "proj_in", "proj_out", "ff.net.0.proj", "ff.net.2"),
    *("conv1", "conv2", "conv_shortcut", "conv_out", "downsamplers.0.conv", "upsamplers.0.conv"),
)


class SODiff(nn.Module):
    """The whole of it; what trains only (reconstruction, critic) is not in here."""

    def __init__(self, config: SODiffConfig) -> None:
        """
        Raises:
            MissingExtra: diffusers, or for LoRA peft, is not installed.
        """
        super().__init__()
        self.config = config
        self.codec = Codec(config.prior)
        unet = make_unet(config.prior)
        if config.lora is not None:
            peft = require("peft", extra=EXTRA)
            unet.add_adapter(  # type: ignore[operator]
                peft.LoraConfig(
                    r=config.lora.rank,
                    lora_alpha=config.lora.alpha,
                    init_lora_weights="gaussian",
                    target_modules=list(LORA_TARGETS),
                )
            )
        schedule = signal_and_noise(config.prior.schedule)
        self.step = OneStep(unet, schedule, config.candidates, residual=config.residual)
        self.prompter = PROMPTS[config.prompt](config.saipe)
        self.predictor = TimePredictor(config.predictor)

    @property
    def unet(self) -> nn.Module:
        """The prior's U-Net, with LoRA beside it where there is."""
        found: nn.Module = self.step.unet
        return found

    def forward(
        self, picture: Tensor, quality: Tensor | None = None, start: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Restore whole pictures.

        Args:
            picture: (B, 3, H, W), 0-1, H and W multiples of ``config.multiple_px``.
            quality: (B,) 1-100 for a timestep by quality; None: by what the predictor sees.
            start: (B, 3, H, W), 0-1, what the step starts from; None: the pictures themselves.

        Returns:
            Restored pictures (B, 3, H, W), not clipped, and the strength (B, 1) the predictor
            sees, ``(100 - quality) / 100``.
        """
        logits, strength = self.predictor(picture)
        choice = self.choose(logits) if quality is None else self.choose_for(quality)
        latent = self.codec.encode(picture if start is None else start)
        latent = self.step(latent, self.prompter(picture), choice)
        return self.codec.decode(latent), strength

    def choose(self, logits: Tensor) -> Tensor:
        """The timestep the predictor holds best, (B, K), from its logits (B, K)."""
        if self.config.timestep is not None:
            return logits.new_ones(len(logits), 1)
        return functional.one_hot(pick(logits), logits.shape[1]).to(logits.dtype)

    def choose_for(self, quality: Tensor) -> Tensor:
        """The timestep (B, K) that pictures of a quality (B,), 1-100, are to take."""
        if self.config.timestep is not None:
            return quality.new_ones(len(quality), 1)
        count = len(self.config.candidates)
        return functional.one_hot(bucket((100 - quality) / 100, count), count).to(quality.dtype)

    def frozen_in_step(self) -> Iterable[nn.Module]:
        """What the published second stage does not train: the codec, and SAIPE."""
        yield self.codec
        if self.config.prompt == "saipe":
            yield self.prompter

    @torch.no_grad()
    def merged(self) -> SODiff:
        """The same network with LoRA's changes inside the U-Net's own weights."""
        if self.config.lora is None:
            return self
        plain = SODiff(self.config.model_copy(update={"lora": None})).eval()
        plain.load_state_dict(merge_lora(self))
        return plain


def merge_lora(network: SODiff) -> dict[str, Tensor]:
    """The weights of a SODiff without its LoRA: each base weight plus its change."""
    from peft.tuners.lora import LoraLayer  # noqa: PLC0415 - it is there if there is a LoRA

    changes: dict[str, Tensor] = {}
    for name, module in network.named_modules():
        if isinstance(module, LoraLayer):
            change: Any = module  # its layers all have the method, their common base does not
            changes[f"{name}.weight"] = change.get_delta_weight("default")
    weights = {}
    for name, value in network.state_dict().items():
        if ".lora_" in name:
            continue
        plain = name.replace(".base_layer.", ".")
        weights[plain] = value + changes[plain] if plain in changes else value.clone()
    return weights


def with_lora(weights: dict[str, Tensor], network: SODiff) -> dict[str, Tensor]:
    """Weights of a SODiff without LoRA under the names of one that has it, its changes none yet."""
    fresh = network.state_dict()
    return {
        name: value if ".lora_" in name else weights[name.replace(".base_layer.", ".")]
        for name, value in fresh.items()
    }
