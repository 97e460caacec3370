"""A trained network as the file that ships: ONNX with half-precision weights, and its card."""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from restora._optional import require
from restora.errors import WeightsError
from restora.images.atomic import write_atomically
from restora.networks.fbcnn import (
    FBCNN,
    count_macs_per_pixel,
    quality_to_strength,
    strength_to_quality,
)
from restora.networks.onnx_weights import read_onnx_weights
from restora.training.checkpoint import Checkpoint
from restora.weights.cards import Card, Training

OPSET = 20
EXAMPLE_PX = 64
HALF_LEAST = 256  # smaller tensors stay float32: nothing is gained by halving them


class FBCNNGraph(nn.Module):
    """The graph other programs see.

    ``picture`` (1, C, H, W) in 0-1 and ``quality`` (1,), 1-100 or NaN for "predict", become
    ``restored`` (1, C, H, W), not clipped, and ``predicted_quality`` (1,), 1-100.
    """

    def __init__(self, network: FBCNN) -> None:
        super().__init__()
        self.network = network

    def forward(self, picture: Tensor, quality: Tensor) -> tuple[Tensor, Tensor]:
        strength = quality_to_strength(quality)[:, None]
        restored, predicted = self.network(picture, strength)
        return restored, strength_to_quality(predicted)[:, 0]


def export_onnx(network: FBCNN) -> bytes:
    """The network as ONNX: any height and width, weights stored as float16, computed in float32."""
    onnx = require("onnx", extra="train")
    require("onnxscript", extra="train")
    network = network.eval().to("cpu", memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    example = (
        torch.zeros(1, network.config.channels, EXAMPLE_PX, EXAMPLE_PX + 16),
        torch.full((1,), float("nan")),
    )
    height, width = torch.export.Dim("height"), torch.export.Dim("width")
    with warnings.catch_warnings():  # the exporter warns about its own insides
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            FBCNNGraph(network).eval(),
            example,
            input_names=["picture", "quality"],
            output_names=["restored", "predicted_quality"],
            dynamic_shapes={"picture": {2: height, 3: width}, "quality": None},
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    if program is None:
        raise WeightsError("PyTorch's ONNX exporter gave nothing back.")
    model = program.model_proto
    _forget_origin(model)
    _halve_weights(model)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def _forget_origin(model: object) -> None:
    """Drop the traces of source lines, which name folders of the machine that exported."""
    graph = model.graph  # type: ignore[attr-defined]
    for part in (model, graph, *graph.node, *graph.value_info, *graph.input, *graph.output):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")


def _halve_weights(model: object) -> None:
    """Store large weights as float16 and cast them where they are used.

    The initialisers keep the names of the PyTorch parameters, so that one file serves both.
    """
    onnx = require("onnx", extra="train")
    graph = model.graph  # type: ignore[attr-defined]
    casts = []
    for tensor in graph.initializer:
        tensor.name = tensor.name.removeprefix("network.")
    for node in graph.node:
        node.input[:] = [name.removeprefix("network.") for name in node.input]
    for tensor in graph.initializer:
        array = onnx.numpy_helper.to_array(tensor)
        if array.dtype != np.float32 or array.size < HALF_LEAST:
            continue
        full = f"{tensor.name}.float32"
        tensor.CopyFrom(onnx.numpy_helper.from_array(array.astype(np.float16), tensor.name))
        casts.append(
            onnx.helper.make_node("Cast", [tensor.name], [full], to=onnx.TensorProto.FLOAT)
        )
        for node in graph.node:
            node.input[:] = [full if name == tensor.name else name for name in node.input]
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def export_weight(
    checkpoint: Checkpoint,
    folder: Path,
    *,
    title: str,
    data: str,
    device: str,
    overlap_px: int,
    history: str = "",
    curve: str = "",
    scores: dict[str, dict[str, float]] | None = None,
) -> Card:
    """Write ``<name>.onnx`` and ``<name>.json`` for the averaged weights of a checkpoint.

    Args:
        checkpoint: The training.
        folder: Where the two files go.
        title, data, device, history, curve, scores: For the card; see
            :class:`restora.weights.cards.Card`.
        overlap_px: Overlap of tiles that hides their borders.
    """
    network = FBCNN(checkpoint.recipe.network)
    network.load_state_dict(checkpoint.average)
    model = export_onnx(network)
    card = Card(
        name=checkpoint.recipe.name,
        method=checkpoint.recipe.method,
        title=title,
        paper="Jiang, Zhang, Timofte: Towards Flexible Blind JPEG Artifacts Removal, ICCV 2021",
        channels=checkpoint.recipe.network.channels,
        parameters=sum(p.numel() for p in network.parameters()),
        macs_per_pixel=count_macs_per_pixel(network),
        overlap_px=overlap_px,
        licence="Apache-2.0",
        sha256=hashlib.sha256(model).hexdigest(),
        size_bytes=len(model),
        training=Training(
            recipe=checkpoint.recipe.model_dump(mode="json"),
            data=data,
            device=device,
            steps=checkpoint.step,
            seconds=round(checkpoint.seconds),
            history="; ".join([*([history] if history else []), *checkpoint.history]),
            curve=curve,
        ),
        scores=scores or {},
    )
    _check_readable(model, network)
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / f"{card.name}.onnx", model)
    write_atomically(folder / f"{card.name}.json", card.model_dump_json(indent=2).encode() + b"\n")
    return card


def _check_readable(model: bytes, network: FBCNN) -> None:
    """Refuse a file that PyTorch could not read back, before it replaces a good one.

    Raises:
        WeightsError: A weight is missing (the exporter stores equal ones once) or has changed.
    """
    expected = network.state_dict()
    for name, weight in read_onnx_weights(model, network.config).items():
        if not torch.allclose(weight, expected[name].cpu(), rtol=1e-2, atol=1e-3):
            raise WeightsError(f"The exported weight {name} is not the trained one.")
