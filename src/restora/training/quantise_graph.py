"""The 8-bit network as ONNX: two graphs of 8-bit convolutions, channels last.

Weights are signed with a scale for each output channel, features unsigned with a scale and a zero
point for each tensor: what the dot product instructions of x86 and ARM take. ReLU costs nothing,
as its output cannot be below its zero point.

The gate of a decoder block costs nothing either: the scale of a convolution's weights is an input
of the node, and a few numbers, computed once, are the scale times the gate. One batch has
therefore one quality. (A bias that is no constant would do the same for the shift, but takes ONNX
Runtime off its fast kernels.)

The operators are those of ONNX Runtime (domain ``com.microsoft``), which take channels last; what
a float graph in "QDQ" form becomes there is the same nodes, with transpositions between them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from restora._optional import require
from restora.training.graphs import feature_names
from restora.training.quantise_walk import (
    Prepared,
    decode,
    encode,
    exact_tensors,
    head_weight,
    tail_weight,
)
from restora.training.tracing import OPSET

MICROSOFT = "com.microsoft"
IR_VERSION = 10  # what the oldest ONNX Runtime that is supported reads
WEIGHT_MAX = 127
TAIL_MULTIPLE = 16  # the fast kernels write this many channels at once
FLOAT = ".float32"  # ends the name of a tensor in its exact form

Port = tuple[str, str, list[str | int]]  # name, type and shape of an input or output


@dataclass(frozen=True)
class Grid:
    """Where 8-bit numbers lie: ``value = scale * (number - zero)``, number in 0-255."""

    scale: float
    zero: int


def write_graphs(net: Prepared, grids: Mapping[str, Grid]) -> tuple[Any, Any]:
    """Encoder and decoder as ONNX models.

    Features travel between them as 8-bit numbers, (N, H, W, C). All else is as in
    :mod:`restora.training.graphs`, but for the decoder's ``quality``: (1,), for the whole batch.

    Args:
        net: The network.
        grids: The grid of each tensor of the walk.
    """
    config, names = net.config, feature_names(net.network)
    picture: Port = ("picture", "FLOAT", ["batch", config.channels, "height", "width"])
    ports: list[Port] = [
        (name, "UINT8", ["batch", f"{name}_height", f"{name}_width", width])
        for name, width in zip(names, (*config.widths, config.widths[-1]), strict=True)
    ]
    exact = exact_tensors(config)
    encoder = _Writer(grids, exact)
    found, quality = encode(encoder, net, "picture")
    inside = {name: encoder.rounded(tensor) for name, tensor in found.items()}
    made: list[Port] = [(inside[name], kind, shape) for name, kind, shape in ports]
    outside = {tensor: name for name, tensor in inside.items()}
    first = encoder.model([picture], [*made, (quality, "FLOAT", ["batch"])], outside)

    decoder = _Writer(grids, exact, given=set(outside))
    restored = decode(decoder, net, "picture", inside, "quality")
    asked: Port = ("quality", "FLOAT", [1])
    second = decoder.model([picture, *made, asked], [(restored, *picture[1:])], outside)
    return first, second


class _Writer:
    """Steps that write nodes; tensors, (B, H, W, C), are known by their names in the walk."""

    def __init__(
        self, grids: Mapping[str, Grid], exact: frozenset[str], given: Iterable[str] = ()
    ) -> None:
        self._onnx = require("onnx", extra="train")
        self._grids = grids
        self._exact = exact
        self._nodes: list[Any] = []
        self._constants: dict[str, Any] = {}
        self._there = set(given)  # tensors that exist

    def head(self, net: Prepared, picture: str) -> str:
        # A 3x3 convolution of the unshuffled picture is one of the picture itself with a stride.
        # In float32: it reads few channels, and its result is all that is known of the picture.
        fold, channels = net.config.unshuffle, net.config.channels
        weight = head_weight(net).detach()
        weight = weight.reshape(len(weight), channels, fold, fold, *weight.shape[2:])
        weight = weight.permute(0, 1, 4, 2, 5, 3).flatten(4, 5).flatten(2, 3)
        bias = net.network.head.bias
        assert bias is not None
        self.node(
            "Conv",
            [
                picture,
                self.constant("head.weight", weight.numpy()),
                self.constant("head.bias", bias.detach().numpy()),
            ],
            "head",
            kernel_shape=[3 * fold] * 2,
            strides=[fold] * 2,
            pads=[fold] * 4,
        )
        if "skip_0" in self._exact:
            self.node("Transpose", ["head"], "skip_0" + FLOAT, perm=[0, 2, 3, 1])
            return "skip_0"
        self.node("QuantizeLinear", ["head", *self.grid("skip_0")], "head.rounded")
        return self.node("Transpose", ["head.rounded"], "skip_0", perm=[0, 2, 3, 1])

    def conv(
        self,
        name: str,
        x: str,
        conv: nn.Conv2d,
        *,
        relu: bool = False,
        gate: str | None = None,
    ) -> str:
        del relu  # is in the grid of what comes out
        assert conv.bias is not None
        return self._convolve(name, x, conv.weight, conv.bias, stride=conv.stride[0], gate=gate)

    def add(self, name: str, x: str, y: str, *, shift: str | None = None) -> str:
        if name in self._exact:
            total = name + FLOAT if shift is None else name + ".unshifted"
            self.node("Add", [self.float32(x), self.float32(y)], total)
            if shift is not None:
                self.node("Add", [total, shift], name + FLOAT)
            return name
        assert shift is None
        x, y = self.rounded(x), self.rounded(y)
        parts = [x, *self.grid(x), y, *self.grid(y), *self.grid(name)]
        return self.node("QLinearAdd", parts, name, domain=MICROSOFT)

    def up(self, name: str, x: str, conv: nn.ConvTranspose2d) -> str:
        # There is no 8-bit transposed convolution. One with stride 2 and kernel 2 is a 1x1
        # convolution to each corner of 2x2 pixels; of the way to their places only half is a
        # transposition, of whole rows of 2 pixels.
        assert conv.bias is not None
        width = conv.weight.shape[1]
        weight = conv.weight.permute(2, 3, 1, 0).flatten(0, 2)[..., None, None]
        flat = self._convolve(name, x, weight, conv.bias.repeat(4), to=name + ".flat")
        shape = self.node("Shape", [flat], name + ".shape")
        n, h, w = (self._side(shape, axis) for axis in range(3))
        two = self.constant("two", np.array([2]))
        rows, channels = (self.constant(f"{name}.{k}", np.array([k * width])) for k in (2, 1))
        self.node("Concat", [n, h, w, two, rows], name + ".split", axis=0)
        self.node("Reshape", [flat, name + ".split"], name + ".corners")
        self.node("Transpose", [name + ".corners"], name + ".placed", perm=[0, 1, 3, 2, 4])
        doubled = [self.node("Mul", [side, two], side + ".doubled") for side in (h, w)]
        self.node("Concat", [n, *doubled, channels], name + ".whole", axis=0)
        return self.node("Reshape", [name + ".placed", name + ".whole"], name)

    def predict(self, net: Prepared, x: str) -> str:
        axes = self.constant("spatial", np.array([1, 2]))
        y = self.node("ReduceMean", [self.float32(x), axes], "predictor.mean", keepdims=0)
        y = self._perceive("predictor.head", net.network.predictor.head, y)
        y = self.node("Sub", [self._number("one", 1), y], "predictor.share")
        y = self.node("Mul", [y, self._number("hundred", 100)], "predictor.quality")
        flat = self.constant("flat", np.array([-1]))
        return self.node("Reshape", [y, flat], "predicted_quality")

    def gates(self, net: Prepared, quality: str) -> list[tuple[str, str]]:
        controller = net.network.controller
        flat = self.constant("flat", np.array([-1]))
        share = self.node("Div", [quality, self._number("hundred", 100)], "share")
        strength = self.node("Sub", [self._number("one", 1), share], "strength")
        row = self.constant("row", np.array([1, 1]))
        x = self.node("Reshape", [strength, row], "controller.in")
        x = self._perceive("controller.trunk", controller.trunk, x)
        found = []
        linears = zip(controller.gamma, controller.beta, net.units[:-1], strict=True)
        for k, (gamma, beta, units) in enumerate(linears):
            gate = self._dense(f"gamma.{k}", gamma, x, "Sigmoid")
            gate = self.node(
                "Mul", [gate, self._number("gate_scale", controller.gate_scale)], f"gamma.{k}.gate"
            )
            shift = self._dense(f"beta.{k}", beta, x, "Tanh")
            shift = self.node(
                "Div", [shift, self.constant(f"units.{k}", units.numpy())], f"beta.{k}.units"
            )
            found.append(
                (
                    self.node("Reshape", [gate, flat], f"gate.{k}"),
                    self.node("Reshape", [shift, flat], f"shift.{k}"),
                )
            )
        return found

    def tail(self, net: Prepared, x: str, picture: str) -> str:
        weight, bias = tail_weight(net)
        count = len(weight)
        more = -count % TAIL_MULTIPLE
        weight, bias = (
            nn.functional.pad(t, (0,) * (2 * t.ndim - 1) + (more,)) for t in (weight, bias)
        )
        self._convolve("tail", x, weight, bias, to="tail.wide")
        first, last, axis = (
            self.constant(f"tail.{name}", np.array([at]))
            for name, at in (("first", 0), ("last", count), ("axis", 3))
        )
        self.node("Slice", ["tail.wide", first, last, axis], "tail.cut")
        self.node("Transpose", ["tail.cut"], "tail.planes", perm=[0, 3, 1, 2])
        self.node("DequantizeLinear", ["tail.planes", *self.grid("tail")], "tail.float32")
        folded = "tail.shuffled" if net.config.residual else "restored"
        self.node(
            "DepthToSpace", ["tail.float32"], folded, blocksize=net.config.unshuffle, mode="CRD"
        )
        if net.config.residual:
            self.node("Add", [folded, picture], "restored")
        return "restored"

    def rounded(self, name: str) -> str:
        """A tensor of the walk in its 8-bit form, which has its name."""
        if name not in self._there:
            self.node("QuantizeLinear", [name + FLOAT, *self.grid(name)], name)
        return name

    def float32(self, name: str) -> str:
        """A tensor of the walk in its float32 form."""
        if name + FLOAT not in self._there:
            self.node("DequantizeLinear", [name, *self.grid(name)], name + FLOAT)
        return name + FLOAT

    def grid(self, name: str) -> list[str]:
        """Names of the scale and the zero point of a tensor."""
        grid = self._grids[name]
        return [
            self.constant(name + ".scale", np.float32(grid.scale)),
            self.constant(name + ".zero", np.uint8(grid.zero)),
        ]

    def node(self, op: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """Append a node; gives back the name of its output."""
        self._nodes.append(
            self._onnx.helper.make_node(op, inputs, [output], name=output, **attributes)
        )
        self._there.add(output)
        return output

    def constant(self, name: str, value: ArrayLike) -> str:
        """Keep a constant; gives back its name."""
        self._constants[name] = self._onnx.numpy_helper.from_array(np.asarray(value), name)
        return name

    def model(self, inputs: list[Port], outputs: list[Port], ports: Mapping[str, str]) -> Any:
        """All nodes as a model; ``ports`` maps names inside to those at its ends."""
        helper, kinds = self._onnx.helper, self._onnx.TensorProto
        for node in self._nodes:
            node.input[:] = [ports.get(name, name) for name in node.input]
            node.output[:] = [ports.get(name, name) for name in node.output]
        ends = [
            [
                helper.make_tensor_value_info(
                    ports.get(name, name), getattr(kinds, kind), list(shape)
                )
                for name, kind, shape in side
            ]
            for side in (inputs, outputs)
        ]
        graph = helper.make_graph(self._nodes, "restora", *ends, list(self._constants.values()))
        domains = [helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)]
        return helper.make_model(
            graph, opset_imports=domains, ir_version=IR_VERSION, producer_name="restora"
        )

    def _convolve(
        self,
        name: str,
        x: str,
        weight: Tensor,
        bias: Tensor,
        *,
        stride: int = 1,
        gate: str | None = None,
        to: str | None = None,
    ) -> str:
        """An 8-bit convolution onto the grid of ``name``; ``to`` names its output otherwise."""
        x = self.rounded(x)
        numbers, scales = round_weight(weight.detach().numpy())
        unit = scales.astype(np.float64) * self._grids[x].scale  # of the sums
        shift = np.rint(bias.detach().numpy() / unit).astype(np.int32)
        scale = self.constant(name + ".weight.scale", scales)
        if gate is not None:
            scale = self.node("Mul", [gate, scale], name + ".gated")
        size = weight.shape[-1]
        self.node(
            "QLinearConv",
            [
                x,
                *self.grid(x),
                self.constant(name + ".weight", numbers),
                scale,
                self.constant(name + ".weight.zero", np.zeros(len(numbers), np.int8)),
                *self.grid(name),
                self.constant(name + ".bias", shift),
            ],
            to or name,
            domain=MICROSOFT,
            channels_last=1,
            kernel_shape=[size, size],
            strides=[stride, stride],
            pads=[1 if size == 3 else 0] * 4,
        )
        return to or name

    def _perceive(self, name: str, layers: nn.Sequential, x: str) -> str:
        """Linear layers, each with the activation that follows it, in float32."""
        activations = {nn.ReLU: "Relu", nn.Sigmoid: "Sigmoid"}
        for number in range(0, len(layers), 2):
            activation = activations[type(layers[number + 1])]
            x = self._dense(f"{name}.{number}", layers[number], x, activation)
        return x

    def _dense(self, name: str, linear: nn.Module, x: str, activation: str) -> str:
        weight, bias = (
            self.constant(f"{name}.{part}", getattr(linear, part).detach().numpy())
            for part in ("weight", "bias")
        )
        self.node("Gemm", [x, weight, bias], name, transB=1)
        return self.node(activation, [name], name + ".active")

    def _number(self, name: str, value: float) -> str:
        return self.constant(name, np.float32(value))

    def _side(self, shape: str, axis: int) -> str:
        """One number of a shape."""
        ends = [self.constant(f"axis.{k}", np.array([k])) for k in (axis, axis + 1)]
        return self.node("Slice", [shape, *ends], f"{shape}.{axis}")


def round_weight(
    weight: NDArray[np.float32],
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """A weight (O, I, h, w) as signed 8-bit numbers, and the scale (O,) of each output channel."""
    largest = np.abs(weight).max(axis=(1, 2, 3))
    scales = (np.where(largest > 0, largest, 1) / WEIGHT_MAX).astype(np.float32)
    return np.rint(weight / scales[:, None, None, None]).astype(np.int8), scales
