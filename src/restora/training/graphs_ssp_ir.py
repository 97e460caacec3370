"""The graphs of an SSP-IR that other programs see: refiner, processor, encoder, denoiser, decoder.

Image and text encoder, which are frozen and not its own, come before. The refiner is of the whole
picture; the others see tiles, the denoiser once for each step. What lies between steps, and
guidance, is arithmetic outside.

Shapes: N pictures of H×W pixels, 0-1; latents of c channels at h×w = H/f × W/f; L text tokens of D
numbers; T image tokens of F numbers from the encoder, of D' refined.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.export import Dim

from restora.networks.ssp_ir.network import SSPIR
from restora.training.tracing import EXAMPLE_BATCH, OpenSizes, Tracing, example_picture

# diffusers copies the features of larger batches before it enlarges them; a graph has one way only.
MOST = 63


class RefinerGraph(nn.Module):
    """``tokens`` (N, T, F) to ``image`` (N, T, D')."""

    def __init__(self, network: SSPIR) -> None:
        super().__init__()
        self.refiner = network.refiner

    def forward(self, tokens: Tensor) -> Tensor:
        return self.refiner(tokens)  # type: ignore[no-any-return]


class ProcessorGraph(nn.Module):
    """``picture`` (N, 3, H, W) to ``features`` (N, C, h, w), ``processed`` and smaller pictures.

    ``processed`` (N, 3, H, W) is 0-1, not clipped: the picture itself where there is no front end.
    The smaller ones are those of the heads behind each halving, 0-1 too.
    """

    def __init__(self, network: SSPIR) -> None:
        super().__init__()
        self.processor = network.processor

    def forward(self, picture: Tensor) -> tuple[Tensor, ...]:
        made = self.processor(picture)
        smaller = made.heads[-len(self.processor.to_rgb) :]
        # A graph that does nothing would have one name for what goes in and what comes out.
        return made.features, made.picture.clone(), *(head / 2 + 0.5 for head in smaller)


class EncoderGraph(nn.Module):
    """``picture`` (N, 3, H, W) to the mean ``latent`` (N, c, h, w)."""

    def __init__(self, network: SSPIR) -> None:
        super().__init__()
        self.codec = network.codec

    def forward(self, picture: Tensor) -> Tensor:
        return self.codec.encode(picture)


class DenoiserGraph(nn.Module):
    """One look: the ``clean`` latents (N, c, h, w), whatever the U-Net itself predicts.

    ``state`` and ``anchor`` are (N, c, h, w), ``time`` (N,), ``features`` (N, C, h, w), ``text``
    (N, L, D), ``image`` (N, T, D').
    """

    def __init__(self, network: SSPIR) -> None:
        super().__init__()
        # Its parts, and no more, under their own names.
        self.unet, self.control, self.anchor = network.unet, network.control, network.anchor
        self.network = network

    def forward(  # noqa: PLR0917 - the inputs of the graph
        self,
        state: Tensor,
        anchor: Tensor,
        time: Tensor,
        features: Tensor,
        text: Tensor,
        image: Tensor,
    ) -> Tensor:
        return self.network(state, anchor, time, features, text, image)  # type: ignore[no-any-return]


class DecoderGraph(nn.Module):
    """``latent`` (N, c, h, w) to ``picture`` (N, 3, H, W), not clipped."""

    def __init__(self, network: SSPIR) -> None:
        super().__init__()
        self.codec = network.codec

    def forward(self, latent: Tensor) -> Tensor:
        return self.codec.decode(latent)


def ssp_ir_tracing(network: SSPIR, part: str) -> Tracing:
    """How to export one of a card's parts, which the graphs here are named after."""
    config, sizes = network.config, OpenSizes(most=MOST)
    multiple = config.multiple_px
    picture = example_picture(config.channels, multiple)
    if part == "refiner":
        tokens = torch.randn(EXAMPLE_BATCH, config.tokens, config.token_dim)
        return _tracing(RefinerGraph(network), {"tokens": (tokens, sizes.row())}, ["image"])
    if part in ("processor", "encoder"):
        shown = {"picture": (picture, sizes.map(multiple))}
        if part == "encoder":
            return _tracing(EncoderGraph(network), shown, ["latent"])
        smaller = [f"rgb_{2 ** (k + 1)}" for k in range(len(network.processor.to_rgb))]
        return _tracing(ProcessorGraph(network), shown, ["features", "processed", *smaller])
    with torch.no_grad():
        latent = network.codec.encode(picture)
    there = sizes.map(multiple // config.prior.codec.factor)
    if part == "decoder":
        return _tracing(DecoderGraph(network), {"latent": (latent, there)}, ["picture"])
    width = config.prior.unet.widths[0]
    text = network.no_words(EXAMPLE_BATCH, config.text_tokens)
    image = torch.zeros(EXAMPLE_BATCH, config.tokens, config.refiner.dim)
    inputs = {
        "state": (latent, there),
        "anchor": (latent.clone(), there),
        "time": (torch.full((EXAMPLE_BATCH,), 500.0), sizes.row()),
        "features": (torch.zeros(EXAMPLE_BATCH, width, *latent.shape[2:]), there),
        "text": (text, {**sizes.row(), 1: Dim("words")}),
        "image": (image, sizes.row()),
    }
    return _tracing(DenoiserGraph(network), inputs, ["clean"])


def _tracing(
    graph: nn.Module, inputs: dict[str, tuple[Tensor, dict[int, object]]], outputs: list[str]
) -> Tracing:
    """Of an example and the open sizes of each input."""
    example, shapes = zip(*inputs.values(), strict=True)
    return Tracing(graph, example, shapes, [*inputs], outputs, as_stored=True)
