"""Finding the 8-bit grids of a network's features from pictures of the kind it restores.

Shapes: B pictures, C channels, H×W pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from restora.networks.fbcnn import FBCNN, quality_to_strength, strength_to_quality
from restora.training.quantise_graph import Grid
from restora.training.quantise_walk import (
    Prepared,
    decode,
    encode,
    head_weight,
    streams,
    tail_weight,
)

LEVELS = 255  # between the least and the greatest of 8 bits
SAMPLE_STEP = 7  # of a tensor's numbers one in so many is kept; odd, to meet every channel
UPPER_SCALES = 2
KEPT_PERCENTILE = 99.98  # of 99.97 to 99.999 and everything, the least loss
REACH_PERCENTILE = 99.99  # of a channel, when channels are weighed against each other
PROBES = 2  # random directions for each batch in which sensitivity is measured
BALANCE_STEPS = 300


class FloatSteps:
    """Steps in PyTorch, exact."""

    def made(self, name: str, tensor: Tensor) -> Tensor:
        """Called with every tensor that 8 bits will stand for; gives it back."""
        del name
        return tensor

    def head(self, net: Prepared, picture: Tensor) -> Tensor:
        folded = functional.pixel_unshuffle(picture, net.config.unshuffle)
        head = functional.conv2d(folded, head_weight(net), net.network.head.bias, padding=1)
        return self.made("skip_0", head)

    def conv(
        self,
        name: str,
        x: Tensor,
        conv: nn.Conv2d,
        *,
        relu: bool = False,
        gate: Tensor | None = None,
    ) -> Tensor:
        y: Tensor = conv(x)
        if relu:
            y = functional.relu(y)
        return self.made(name, y if gate is None else gate * y)

    def add(self, name: str, x: Tensor, y: Tensor, *, shift: Tensor | None = None) -> Tensor:
        return self.made(name, x + y if shift is None else x + y + shift)

    def up(self, name: str, x: Tensor, conv: nn.ConvTranspose2d) -> Tensor:
        return self.made(name, conv(x))

    def predict(self, net: Prepared, x: Tensor) -> Tensor:
        return strength_to_quality(net.network.predictor.head(x.mean(dim=(2, 3))))[:, 0]

    def gates(self, net: Prepared, quality: Tensor) -> list[tuple[Tensor, Tensor]]:
        pairs = net.network.controller(quality_to_strength(quality)[:, None])
        return [
            (gate, shift / units[:, None, None])
            for (gate, shift), units in zip(pairs, net.units[:-1], strict=True)
        ]

    def tail(self, net: Prepared, x: Tensor, picture: Tensor) -> Tensor:
        weight, bias = tail_weight(net)
        out = self.made("tail", functional.conv2d(x, weight, bias, padding=1))
        out = functional.pixel_shuffle(out, net.config.unshuffle)
        return out + picture if net.config.residual else out


@dataclass
class Seen:
    """How large one tensor gets.

    Attributes:
        least, greatest: Over all of it.
        sample: Some of its numbers.
    """

    least: float = 0.0
    greatest: float = 0.0
    sample: list[NDArray[np.float32]] = field(default_factory=list)

    def grid(self, percentile: float | None = None) -> Grid:
        """The grid that holds everything, or all but a share of the sample at either end."""
        low, high = self.least, self.greatest
        if percentile is not None:
            ends = np.percentile(np.concatenate(self.sample), [100 - percentile, percentile])
            low, high = min(float(ends[0]), 0.0), max(float(ends[1]), 0.0)
        scale = max((high - low) / LEVELS, 1e-8)
        return Grid(scale, round(-low / scale))


class _Observer(FloatSteps):
    """Steps that remember."""

    def __init__(self) -> None:
        self.seen: dict[str, Seen] = {}

    def made(self, name: str, tensor: Tensor) -> Tensor:
        seen = self.seen.setdefault(name, Seen())
        seen.least = min(seen.least, float(tensor.min()))
        seen.greatest = max(seen.greatest, float(tensor.max()))
        seen.sample.append(tensor.contiguous().flatten()[::SAMPLE_STEP].numpy().copy())
        return tensor


class _Prober(FloatSteps):
    """Steps that keep every tensor for its gradient."""

    def __init__(self) -> None:
        self.kept: dict[str, Tensor] = {}

    def made(self, name: str, tensor: Tensor) -> Tensor:
        tensor.retain_grad()
        self.kept[name] = tensor
        return tensor


def restore(steps: FloatSteps, net: Prepared, picture: Tensor) -> Tensor:
    """A picture (B, C, H, W) at the quality the network sees in it."""
    features, quality = encode(steps, net, picture)
    return decode(steps, net, picture, features, quality)


def observe(net: Prepared, pictures: Sequence[Tensor]) -> dict[str, Seen]:
    """How large every tensor gets on some batches."""
    observer = _Observer()
    with torch.no_grad():
        for picture in pictures:
            restore(observer, net, picture)
    return observer.seen


def equalise(network: FBCNN, pictures: Sequence[Tensor]) -> Prepared:
    """The same network with its streams in units in which 8 bits cost least.

    A tensor has one grid for all its channels, so that channels with small numbers keep few bits.
    Divisors for each channel of a stream are chosen such that the sum of all rounding errors,
    each times how much the output feels it, is least. What the output feels is measured by
    gradients in random directions. Nothing but rounding changes.

    Source of the idea: Nagel, van Baalen, Blankevoort, Welling: Data-Free Quantization Through
    Weight Equalization and Bias Correction, ICCV 2019, section 4.1.
    """
    plain = Prepared.plain(network)
    frozen = _with_units(network, plain.units)  # gradients of weights would be wasted
    felt: dict[str, Tensor] = {}
    low: dict[str, Tensor] = {}
    high: dict[str, Tensor] = {}
    random = torch.Generator().manual_seed(0)
    for picture in pictures:
        prober = _Prober()
        out = restore(prober, frozen, picture.clone().requires_grad_())
        for probe in range(PROBES):
            direction = torch.randint(0, 2, out.shape, generator=random) * 2.0 - 1
            for tensor in prober.kept.values():
                tensor.grad = None
            (out * direction).sum().backward(retain_graph=probe < PROBES - 1)  # type: ignore[no-untyped-call]
            for name, tensor in prober.kept.items():
                energy = torch.zeros(tensor.shape[1])
                if tensor.grad is not None:  # nothing flows to the predictor's own pooling
                    energy = tensor.grad.square().sum(dim=(0, 2, 3))
                felt[name] = felt.get(name, torch.zeros(())) + energy
        for name, tensor in prober.kept.items():
            flat = tensor.detach().transpose(0, 1).flatten(1).numpy()
            ends = np.percentile(flat, [100 - REACH_PERCENTILE, REACH_PERCENTILE], axis=1)
            least, greatest = torch.from_numpy(ends.astype(np.float32))
            low[name] = torch.minimum(low.get(name, torch.zeros(())), least)
            high[name] = torch.maximum(high.get(name, torch.zeros(())), greatest)
    units = tuple(
        _balance(*(torch.stack([of[name] for name in stream]) for of in (felt, low, high)))
        for stream in streams(network.config)
    )
    return _with_units(network, units)


def _balance(felt: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Divisors (C,) for a stream whose T tensors are felt and reach as told, each (T, C)."""
    used = felt.sum(dim=1) > 0
    felt, low, high = felt[used], low[used], high[used]
    logarithm = (high - low).mean(dim=0).clamp_min(1e-4).log().requires_grad_()

    def harm() -> Tensor:
        units = logarithm.exp()
        reach = (high / units).amax(dim=1) - (low / units).amin(dim=1)
        return (felt * (reach[:, None] * units).square()).sum()

    optimiser = torch.optim.Adam([logarithm], lr=0.05)
    rate = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.02, BALANCE_STEPS)
    best, found = float("inf"), logarithm.detach().clone()
    for _ in range(BALANCE_STEPS):
        loss = harm()
        if loss.item() < best:
            best, found = loss.item(), logarithm.detach().clone()
        optimiser.zero_grad()
        loss.log().backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        rate.step()
    return found.exp()


def _with_units(network: FBCNN, units: tuple[Tensor, ...]) -> Prepared:
    """A copy of the network with its streams divided by ``units``."""
    scaled = FBCNN(network.config)
    scaled.load_state_dict(network.state_dict())
    scaled.eval().requires_grad_(False)
    last = len(units) - 1

    def writes(conv: nn.Module, unit: Tensor) -> None:
        assert isinstance(conv.weight, Tensor) and isinstance(conv.bias, Tensor)
        conv.weight /= unit[:, None, None, None]
        conv.bias /= unit

    def reads(conv: nn.Module, unit: Tensor) -> None:
        assert isinstance(conv.weight, Tensor)
        conv.weight *= unit[:, None, None]

    writes(scaled.head, units[0])
    reads(scaled.tail, units[0])
    bottom = (*scaled.body_encoder, *scaled.body_decoder, *scaled.predictor.blocks)
    for k, unit in enumerate(units):
        inner = (*scaled.encoder[k], *scaled.decoder[k]) if k < last else bottom  # type: ignore[misc]
        for block in inner:
            reads(block.conv1, unit)
            writes(block.conv2, unit)
        if k < last:
            reads(scaled.down[k], unit)
            writes(scaled.down[k], units[k + 1])
            up = scaled.up[k]
            assert isinstance(up.weight, Tensor) and isinstance(up.bias, Tensor)
            up.weight *= units[k + 1][:, None, None, None]
            up.weight /= unit[:, None, None]
            up.bias /= unit
    perceptron = scaled.predictor.head[0]
    assert isinstance(perceptron.weight, Tensor)
    perceptron.weight *= units[last]
    return Prepared(scaled, units)


def choose_grids(net: Prepared, seen: Mapping[str, Seen]) -> dict[str, Grid]:
    """A grid for each tensor that was seen.

    Rare extremes of the upper streams are cut off: what their edges lose is less than what finer
    steps give all else. Other tensors are felt so little that their grids hold everything.
    """
    upper = {name for stream in streams(net.config)[:UPPER_SCALES] for name in stream}
    return {
        name: one.grid(KEPT_PERCENTILE if name in upper else None) for name, one in seen.items()
    }
