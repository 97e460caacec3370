"""The Processor by itself learns to clean pictures.

Source: SSP-IR, the part of its loss that is the Processor's; alone as a stage it is ours.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from restora.networks.ssp_ir.network import SSPIR
from restora.training.plain_stage import PlainStage
from restora.training.ssp_ir.pairs import RealBatch
from restora.training.ssp_ir.processor_loss import processor_loss
from restora.training.ssp_ir.recipe import SSPIRRecipe
from restora.training.tasks import Pairs, make_optimiser


class ProcessorTask(PlainStage):
    """See :class:`restora.training.tasks.Task`."""

    validates = True

    def __init__(self, recipe: SSPIRRecipe, network: SSPIR, *, compiled: bool = False) -> None:
        self.network = network
        self._recipe = recipe
        processor = network.processor
        self._process: Any = torch.compile(processor) if compiled else processor
        # Its features are for a ControlNet, which is not there to teach them.
        parameters = [p for name, p in processor.named_parameters() if not name.startswith("tail.")]
        self._parameters = parameters
        self.optimiser = make_optimiser([{"params": parameters, "scale": 1.0}], recipe.train)

    def to(self, device: str) -> None:
        self.network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def step(self, batch: RealBatch, *, done: float) -> dict[str, Tensor]:  # noqa: ARG002 - no ramp
        section, settings = self._recipe.sspir, self._recipe.train
        half = settings.precision == "bf16"
        with torch.autocast(batch.clean.device.type, torch.bfloat16, enabled=half):
            made = self._process(batch.degraded)
        rgb, fourier = processor_loss(made.heads, batch.clean * 2 - 1, norm=section.fourier_norm)
        loss = section.rgb_weight * rgb + section.fourier_weight * fourier
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._parameters, settings.clip_norm)
        self.optimiser.step()
        return {"loss": loss, "rgb": rgb, "fourier": fourier}

    def monitor(self, network: SSPIR, pairs: Pairs) -> dict[str, float]:  # noqa: ARG002
        return {}
