"""What every traced ONNX model goes through before it ships."""

from __future__ import annotations

from typing import Any

import numpy as np

from restora._optional import require
from restora.networks.weight_files import HALF_LEAST

__all__ = ["forget_origin", "halve_weights"]


def forget_origin(model: Any) -> None:
    """Drop the traces of source lines, which name folders of the machine that exported."""
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.value_info, *graph.input, *graph.output):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")


def halve_weights(model: Any, *, least: int = HALF_LEAST) -> None:
    """Store large weights as float16 and cast them where they are used.

    The initialisers keep the names of the PyTorch parameters, so that one file serves both.

    Args:
        model: The model; it is changed.
        least: Weights of fewer numbers stay float32.
    """
    onnx = require("onnx", extra="train")
    graph = model.graph
    casts = []
    for tensor in graph.initializer:
        tensor.name = tensor.name.removeprefix("network.")
    for node in graph.node:
        node.input[:] = [name.removeprefix("network.") for name in node.input]
    for tensor in graph.initializer:
        array = onnx.numpy_helper.to_array(tensor)
        if array.dtype != np.float32 or array.size < least:
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
