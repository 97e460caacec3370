"""What a network costs to run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from restora.networks.catalogue import Network
from restora.networks.sodiff.config import SODiffConfig
from restora.networks.sodiff.network import SODiff
from restora.networks.sr_diff.network import SRDiff
from restora.networks.ssp_ir.config import SSPIRConfig
from restora.networks.ssp_ir.network import SSPIR

TILE_PX = 512  # what attention to other places costs depends on how many there are


def count_macs_per_pixel(network: Network) -> int:
    """Multiply-adds for each input pixel of the convolutions, for a picture that is one tile.

    Everything is in it that sees the picture; what works on a few numbers for the whole of it,
    such as a controller, is left out, and so is attention to a few anchors. A SODiff is counted
    with its linear maps and attention, on a tile of 512×512 pixels, and without the prompt, which
    costs the same for every picture; an SR-Diff likewise, one step of it, without judge and
    refiner; an SSP-IR with one step, without guidance, and with what runs once, but the refiner.
    The network stays as it was: no normalisation takes the picture it is counted on into its means.
    """
    if isinstance(network, SODiff):
        parts = count_sodiff_macs(on_meta(network.config), TILE_PX)
        return round((sum(parts.values()) - parts["prompt"]) / TILE_PX**2)
    if isinstance(network, SRDiff):
        return round(_count_step_macs(network, TILE_PX) / TILE_PX**2)
    if isinstance(network, SSPIR):
        parts = count_ssp_ir_macs(network.config, TILE_PX)
        return round((sum(parts.values()) - parts["refiner"]) / TILE_PX**2)
    side_px = 16 * network.config.multiple_px
    total = 0

    def count(module: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        if isinstance(module, nn.ConvTranspose2d):  # each input pixel meets every weight once
            total += module.weight.numel() * output[0, 0].numel() // module.stride[0] ** 2
        elif isinstance(module, nn.Conv2d):
            total += module.weight.numel() * output[0, 0].numel()

    handles = [m.register_forward_hook(count) for m in network.modules()]
    training = network.training
    network.eval()
    with torch.no_grad():
        network(torch.zeros(1, network.config.channels, side_px, side_px))
    network.train(training)
    for handle in handles:
        handle.remove()
    return round(total / side_px**2)


def _count_step_macs(network: SRDiff, side_px: int) -> int:
    """Multiply-adds of one step of an SR-Diff on a square picture."""
    config = network.config
    with torch.device("meta"):
        there = SRDiff(config).eval()
        picture, time = torch.zeros(1, 3, side_px, side_px), torch.zeros(1)
        context = torch.zeros(1, config.tokens, config.context_dim)
        task = torch.zeros(1, len(config.tasks))
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            there.unet(picture, picture, time, task, context)
    return int(counter.get_total_flops() // 2)


def count_sodiff_macs(network: SODiff, side_px: int) -> dict[str, int]:
    """Multiply-adds of each part of a SODiff for a square picture.

    Args:
        network: As :func:`on_meta` makes it.
        side_px: Height and width, a multiple of ``config.multiple_px``.

    Returns:
        ``prompt``, ``predictor``, ``encoder``, ``unet`` and ``decoder``: convolutions, linear maps
        and the products of attention.
    """
    picture = torch.zeros(1, 3, side_px, side_px, device="meta")
    total: dict[str, int] = {}

    def count(name: str, module: Callable[..., Any], *inputs: Tensor) -> Any:
        total[name], output = _counted(module, *inputs)
        return output

    prompt = count("prompt", network.prompter, picture)
    count("predictor", network.predictor, picture)
    latent, _ = count("encoder", network.codec.moments, picture)
    choice = torch.zeros(1, len(network.config.candidates), device="meta")
    count("decoder", network.codec.decode, count("unet", network.step, latent, prompt, choice))
    return total


def count_ssp_ir_macs(config: SSPIRConfig, side_px: int) -> dict[str, int]:
    """Multiply-adds of each part of an SSP-IR for a square picture.

    Args:
        config: The network's numbers.
        side_px: Height and width, a multiple of ``config.multiple_px``.

    Returns:
        ``refiner``, ``processor``, ``encoder``, ``denoiser`` (one step, without guidance, with the
        longest caption) and ``decoder``, as :func:`count_sodiff_macs` counts them.
    """
    with torch.device("meta"):
        network = SSPIR(config).to("meta").eval()
        picture, time = torch.zeros(1, 3, side_px, side_px), torch.zeros(1)
        tokens = torch.zeros(1, config.tokens, config.token_dim)
        text = torch.zeros(1, config.text_tokens, config.prior.token_dim)
    total: dict[str, int] = {}
    total["refiner"], image = _counted(network.refiner, tokens)
    total["processor"], made = _counted(network.process, picture)
    total["encoder"], latent = _counted(network.codec.encode, picture)
    step = (latent, latent, time, made.features, text, image)
    total["denoiser"], _ = _counted(network.predict, *step)
    total["decoder"], _ = _counted(network.codec.decode, latent)
    return total


def _counted(module: Callable[..., Any], *inputs: Tensor) -> tuple[int, Any]:
    """Multiply-adds, and what comes out."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        output = module(*inputs)
    return counter.get_total_flops() // 2, output


def on_meta(config: SODiffConfig) -> SODiff:
    """A SODiff with its LoRA merged, of shapes alone, whatever its size.

    Raises:
        MissingExtra: diffusers is not installed.
    """
    with torch.device("meta"):
        network = SODiff(config.model_copy(update={"lora": None}))
    return network.to("meta").eval()  # tables that are made on the CPU, too
