"""The weights inside ONNX files as a PyTorch state dictionary: one set of files, two backends."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from restora._optional import require
from restora.errors import WeightsError
from restora.networks.fbcnn import FBCNN, FBCNNConfig


def read_onnx_weights(models: Iterable[bytes], config: FBCNNConfig) -> dict[str, Tensor]:
    """The weights of an exported FBCNN, float32.

    Args:
        models: Its files: encoder and decoder, or the whole.
        config: The network's numbers.

    Raises:
        WeightsError: The files hold another network than ``config`` describes.
    """
    onnx = require("onnx", extra="train")
    require("onnx.numpy_helper", extra="train")
    arrays: dict[str, NDArray[Any]] = {}
    for model in models:
        try:
            graph = onnx.load_from_string(model).graph
        except Exception as error:  # protobuf's errors depend on its implementation
            raise WeightsError(f"This is not an ONNX file: {error}") from error
        arrays |= {t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer}
    state: dict[str, Tensor] = {}
    for name, expected in FBCNN(config).state_dict().items():
        array = arrays.get(name)
        if array is None or array.shape != tuple(expected.shape):
            found = "is missing" if array is None else f"has shape {array.shape}"
            raise WeightsError(
                f"The weight {name} {found}; the network needs shape {tuple(expected.shape)}."
            )
        state[name] = torch.from_numpy(array.astype(np.float32))
    return state
