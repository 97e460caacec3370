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
from restora.networks.catalogue import NetworkConfig, build
from restora.networks.dagn import DAGNConfig
from restora.networks.expected import expected_weights, first_sentence
from restora.networks.sr_diff.config import SRDiffConfig
from restora.networks.ssp_ir.config import SSPIRConfig

# A network counts its own training batches under this name, and no graph has a use for it.
COUNTER = "num_batches_tracked"


def read_onnx_weights(
    models: Iterable[bytes], config: NetworkConfig, *, whole: bool = False
) -> dict[str, Tensor]:
    """The weights of an exported network, float32.

    Args:
        models: Its files: all its parts, or the whole.
        config: The network's numbers. What it has switched off is not in the files and gets its
            start values.
        whole: The one file is the whole network in one graph, not its parts.

    Raises:
        WeightsError: The files hold another network than ``config`` describes.
    """
    onnx = require("onnx", extra="train")
    require("onnx.numpy_helper", extra="train")
    arrays: dict[str, NDArray[Any]] = {}
    for model in models:
        try:
            graph = onnx.load_from_string(model).graph
            arrays |= {t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer}
        except Exception as error:  # protobuf's errors depend on its implementation
            raise WeightsError(
                f"This ONNX file is damaged, or none: {first_sentence(error)}."
            ) from error
    state: dict[str, Tensor] = {}
    off = switched_off(config, whole=whole)
    missing: list[str] = []
    wanted = expected_weights(config, found=len(arrays), source="The card")
    for name, expected in wanted.items():
        array = arrays.get(name)
        if array is None and (name.startswith(off) or name.endswith(COUNTER)):
            missing.append(name)
            continue
        if array is None or array.shape != tuple(expected.shape):
            found = "is missing" if array is None else f"has shape {array.shape}"
            raise WeightsError(
                f"The weight {name} {found}; the network needs shape {tuple(expected.shape)}."
            )
        state[name] = torch.from_numpy(array.astype(np.float32))
    if missing:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)  # a file is the same weights each time
            start = build(config).state_dict()
        state |= {name: start[name] for name in missing}
    return {name: state[name] for name in wanted}


def switched_off(config: NetworkConfig, *, whole: bool = False) -> tuple[str, ...]:
    """How the names of the weights begin that a network of this configuration never uses.

    Args:
        config: The network's numbers.
        whole: Of the graph that is all in one. The parts of a card hold more: a survey gives out
            what no other part may ask for.
    """
    if isinstance(config, SRDiffConfig):
        return _switched_off_sr_diff(config)
    if isinstance(config, SSPIRConfig):
        return _switched_off_ssp_ir(config)
    if not isinstance(config, DAGNConfig):
        return ()
    sensitive = config.sensitive and config.sensitive_blocks > 0
    insensitive = config.insensitive and config.insensitive_blocks > 0
    off: list[str] = []
    if not config.fusion:
        asking = ("fusion.query.", "fusion.query_norm.", "fusion.out.")
        off += ["fusion."] if whole else asking
    if not sensitive:  # its encoder still tells the quality
        off.append("sensitive_guidance.")
    if not insensitive:
        off.append("insensitive_guidance.")
    if whole and not (config.fusion or insensitive):
        off.append("insensitive_encoder.")
    return tuple(off)


def _switched_off_sr_diff(config: SRDiffConfig) -> tuple[str, ...]:
    if config.context == "none":
        return ("refiner.",)
    body = () if config.context == "refined" else ("refiner.body.",)
    # Without a projection these are but the units of the refiner's loss.
    units = ("refiner.mean", "refiner.scale") if config.refiner.projected is None else ()
    return (*body, *units)


def _switched_off_ssp_ir(config: SSPIRConfig) -> tuple[str, ...]:
    if not config.control_is_there:
        return ("anchor.",)  # which speaks through the ControlNet
    if config.control:
        return ()
    # Pixel attention reads the skips alone.
    middle = ("base.mid_block.", "base.controlnet_mid_block.", "image_attentions.middle.")
    return tuple(f"control.{name}" for name in middle)
