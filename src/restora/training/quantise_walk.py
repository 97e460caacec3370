"""FBCNN walked step by step, so that 8-bit arithmetic can be put between any two steps.

The same walk is done three times: in PyTorch to see how large every tensor gets, in PyTorch with
every tensor rounded as the file will round it, and to write the file. What a step does is up to
the :class:`Steps` given; what the steps are is said here. A test holds the walk to the network.

Each scale of the U-Net has one stream of features that blocks only ever add to. Where the stream
is kept in other units, a divisor for each of its channels, nothing changes but the weights that
read from it and write to it: :func:`restora.training.quantise_fit.equalise` uses that.

Shapes: B pictures, C channels, H×W pixels. Scales count from 0, full size, to the bottom.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeVar

import torch
from torch import Tensor, nn

from restora.networks.blocks import ResidualBlock
from restora.networks.fbcnn import FBCNN, FBCNNConfig

T = TypeVar("T")


@dataclass(frozen=True)
class Prepared:
    """A network whose streams are in other units.

    Attributes:
        network: The network. Its own ``forward`` is wrong where ``units`` are not all 1, because
            the shifts of its controller are not in these units.
        units: For each scale, (C,) what a stream was divided by.
    """

    network: FBCNN
    units: tuple[Tensor, ...]

    @classmethod
    def plain(cls, network: FBCNN) -> Prepared:
        """The network as it is."""
        return cls(network, tuple(torch.ones(width) for width in network.config.widths))

    @property
    def config(self) -> FBCNNConfig:
        return self.network.config


class Steps(Protocol[T]):
    """What the network is made of. ``name`` is that of the tensor that comes out."""

    def head(self, net: Prepared, picture: T) -> T:
        """(B, C, H, W) in 0-1 to ``skip_0``."""

    def conv(
        self,
        name: str,
        x: T,
        conv: nn.Conv2d,
        *,
        relu: bool = False,
        gate: T | None = None,
    ) -> T:
        """A convolution, then ReLU or a gate for each channel."""

    def add(self, name: str, x: T, y: T, *, shift: T | None = None) -> T:
        """A sum, with a shift for each channel."""

    def up(self, name: str, x: T, conv: nn.ConvTranspose2d) -> T: ...

    def predict(self, net: Prepared, x: T) -> T:
        """The predictor's features to a quality (B,), 1-100."""

    def gates(self, net: Prepared, quality: T) -> list[tuple[T, T]]:
        """A quality to the gate and shift of each scale."""

    def tail(self, net: Prepared, x: T, picture: T) -> T:
        """``tail.in`` and the picture to the restored picture."""


def encode(steps: Steps[T], net: Prepared, picture: T) -> tuple[dict[str, T], T]:
    """A picture to its features, named as in the file, and the predicted quality."""
    network = net.network
    x = steps.head(net, picture)
    features = {"skip_0": x}
    for k, (blocks, down) in enumerate(zip(network.encoder, network.down, strict=True)):
        for b, block in enumerate(blocks):  # type: ignore[arg-type,var-annotated]
            x = _residual(steps, f"encoder.{k}.{b}", block, x)
        x = steps.conv(f"skip_{k + 1}", x, down)  # type: ignore[arg-type]
        features[f"skip_{k + 1}"] = x
    for b, block in enumerate(network.body_encoder):
        x = _residual(steps, f"body_encoder.{b}", block, x)  # type: ignore[arg-type]
    features["body"] = x
    for b, block in enumerate(network.predictor.blocks):
        x = _residual(steps, f"predictor.{b}", block, x)  # type: ignore[arg-type]
    return features, steps.predict(net, x)


def decode(steps: Steps[T], net: Prepared, picture: T, features: dict[str, T], quality: T) -> T:
    """A picture, its features and a quality to the restored picture."""
    network = net.network
    x = features["body"]
    for b, block in enumerate(network.body_decoder):
        x = _residual(steps, f"body_decoder.{b}", block, x)  # type: ignore[arg-type]
    gates = steps.gates(net, quality)
    for k in reversed(range(len(network.up))):
        x = steps.add(f"decoder.{k}.in", x, features[f"skip_{k + 1}"])
        x = steps.up(f"decoder.{k}.up", x, network.up[k])  # type: ignore[arg-type]
        for b, block in enumerate(network.decoder[k]):  # type: ignore[arg-type]
            x = _residual(steps, f"decoder.{k}.{b}", block, x, gates[k])
    return steps.tail(net, steps.add("tail.in", x, features["skip_0"]), picture)


def _residual(
    steps: Steps[T], name: str, block: ResidualBlock, x: T, gate: tuple[T, T] | None = None
) -> T:
    hidden = steps.conv(f"{name}.hidden", x, block.conv1, relu=True)
    gamma, beta = gate or (None, None)
    branch = steps.conv(f"{name}.branch", hidden, block.conv2, gate=gamma)
    return steps.add(f"{name}.sum", x, branch, shift=beta)


def streams(config: FBCNNConfig) -> list[list[str]]:
    """For each scale, the tensors that are in its stream's units."""
    last = len(config.widths) - 1
    found = []
    for k, count in enumerate(config.blocks):
        blocks = [
            f"{place}.{b}.{part}"
            for place in (
                (f"encoder.{k}", f"decoder.{k}") if k < last else ("body_encoder", "body_decoder")
            )
            for b in range(count)
            for part in ("branch", "sum")
        ]
        if k == last:
            blocks += [
                f"predictor.{b}.{part}"
                for b in range(config.predictor_blocks)
                for part in ("branch", "sum")
            ]
        else:
            blocks.append(f"decoder.{k}.up")
        found.append([f"skip_{k}", *blocks, "tail.in" if k == 0 else f"decoder.{k - 1}.in"])
    return found


def exact_tensors(config: FBCNNConfig) -> frozenset[str]:
    """The sums that are not rounded where they are added to, only where a convolution reads them.

    Those at full size, which are felt most, and those with a shift.
    """
    last = len(config.widths) - 1
    shifted = tuple(f"decoder.{k}." for k in range(last))
    return frozenset(
        name
        for k, stream in enumerate(streams(config))
        for name in stream
        if not name.endswith((".branch", ".up")) and (k == 0 or name.startswith(shifted))
    )


def head_weight(net: Prepared) -> Tensor:
    """The head's weight for the unshuffled picture itself, the change to luma and chroma inside."""
    weight = net.network.head.weight
    if not net.config.ycbcr:
        return weight
    split = weight.reshape(len(weight), net.config.channels, -1, *weight.shape[2:])
    return torch.einsum("ocpyx,cd->odpyx", split, net.network.to_ycbcr).flatten(1, 2)


def tail_weight(net: Prepared) -> tuple[Tensor, Tensor]:
    """Weight and bias of the tail, the change back to RGB inside."""
    weight, bias = net.network.tail.weight, net.network.tail.bias
    assert bias is not None
    if not net.config.ycbcr:
        return weight, bias
    matrix, channels = net.network.to_rgb, net.config.channels
    split = weight.reshape(channels, -1, *weight.shape[1:])
    bias = torch.einsum("cp,dc->dp", bias.reshape(channels, -1), matrix)
    return torch.einsum("cpiyx,dc->dpiyx", split, matrix).flatten(0, 1), bias.flatten()
