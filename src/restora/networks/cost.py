"""What a network costs to run."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from restora.networks.catalogue import Network


def count_macs_per_pixel(network: Network) -> int:
    """Multiply-adds for each input pixel of the convolutions, for a picture that is one tile.

    Everything is in it that sees the picture; what works on a few numbers for the whole of it,
    such as a controller, is left out, and so is attention to a few anchors. The network stays as
    it was: no normalisation takes the picture it is counted on into its means.
    """
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
