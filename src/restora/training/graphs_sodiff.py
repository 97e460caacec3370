"""The graphs of a SODiff that other programs see: prompt, predictor, encoder and decoder.

Prompt and timestep are of the whole picture, so they have graphs of their own; encoder and decoder
see tiles. What lies between is chosen outside: the timestep from the logits, and whether the latent
is the mean or drawn with a spread.

Every graph holds its part of the network under the network's own names.

Shapes: N pictures of H×W pixels, 0-1; S = saipe.side_px; latents of C channels at h×w; T tokens of
D numbers; K timesteps.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from restora.networks.sodiff.network import SODiff
from restora.training.tracing import EXAMPLE_BATCH, OpenSizes, Tracing, example_picture

# diffusers copies the features of larger batches before it enlarges them; a graph has one way only.
MOST = 63


class PromptGraph(nn.Module):
    """``picture`` (N, 3, S, S), the whole one squeezed, to ``prompt`` (N, T, D)."""

    def __init__(self, network: SODiff) -> None:
        super().__init__()
        self.prompter = network.prompter

    def forward(self, picture: Tensor) -> Tensor:
        return cast(Tensor, self.prompter(picture))


class PredictorGraph(nn.Module):
    """``picture`` (N, 3, H, W) to ``logits`` (N, K) of the timesteps and ``strength`` (N, 1)."""

    def __init__(self, network: SODiff) -> None:
        super().__init__()
        self.predictor = network.predictor

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        return cast(tuple[Tensor, Tensor], self.predictor(picture))


class EncoderGraph(nn.Module):
    """``picture`` (N, 3, H, W) to ``mean`` and ``spread`` (N, C, h, w) of its latent."""

    def __init__(self, network: SODiff) -> None:
        super().__init__()
        self.codec = network.codec

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        return self.codec.moments(picture)


class DecoderGraph(nn.Module):
    """The single step, and the picture of what comes out: ``restored`` (N, 3, H, W), not clipped.

    ``latent`` is (N, C, h, w), ``prompt`` (N, T, D), ``choice`` (N, K) a 1 among zeros.
    """

    def __init__(self, network: SODiff) -> None:
        super().__init__()
        self.codec = network.codec
        self.step = network.step

    def forward(self, latent: Tensor, prompt: Tensor, choice: Tensor) -> Tensor:
        return self.codec.decode(self.step(latent, prompt, choice))


def sodiff_tracing(network: SODiff, part: str) -> Tracing:
    """How to export one of ``prompt``, ``predictor``, ``encoder`` and ``decoder``.

    Args:
        network: Without LoRA; see :meth:`restora.networks.sodiff.network.SODiff.merged`.
        part: Which.
    """
    config, sizes = network.config, OpenSizes(most=MOST)
    multiple, side = config.multiple_px, config.saipe.side_px
    squeezed = torch.zeros(EXAMPLE_BATCH, 3, side, side)
    if part == "prompt":
        return Tracing(
            PromptGraph(network),
            (squeezed,),
            (sizes.row(),),
            ["picture"],
            ["prompt"],
            as_stored=True,
        )
    picture = example_picture(config.channels, multiple)
    if part in ("predictor", "encoder"):
        graph = (PredictorGraph if part == "predictor" else EncoderGraph)(network)
        outputs = ["logits", "strength"] if part == "predictor" else ["mean", "spread"]
        return Tracing(
            graph, (picture,), (sizes.map(multiple),), ["picture"], outputs, as_stored=True
        )
    with torch.no_grad():
        latent, prompt = network.codec.encode(picture), network.prompter(squeezed)
    choice = torch.eye(len(config.candidates))[:1].repeat(EXAMPLE_BATCH, 1)
    return Tracing(
        DecoderGraph(network),
        (latent, prompt.clone(), choice),
        (sizes.map(multiple // config.prior.codec.factor), sizes.row(), sizes.row()),
        ["latent", "prompt", "choice"],
        ["restored"],
        as_stored=True,
    )
