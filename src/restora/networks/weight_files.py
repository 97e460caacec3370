"""Weight files of every kind: which network they hold, and its weights.

* ``.pth``: the authors' state dictionary (:mod:`restora.networks.released`);
* ``.safetensors``: ours, with the configuration in its header, or the authors' names without one;
* ``.onnx`` or ``.json``: ours, a card and the files beside it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from pydantic import ValidationError
from torch import Tensor

from restora._optional import require
from restora.errors import WeightsError
from restora.images.atomic import write_atomically
from restora.networks.catalogue import (
    CONFIGS,
    PROPER_NAMES,
    NetworkConfig,
    method_of,
    parse_config,
)
from restora.networks.expected import expected_weights, first_sentence
from restora.networks.fbcnn import FBCNNConfig
from restora.networks.onnx_weights import read_onnx_weights
from restora.networks.plain_values import read_plain
from restora.networks.released import from_released, is_released, to_released
from restora.networks.sodiff.config import SODiffConfig
from restora.networks.sodiff.network import SODiff, merge_lora
from restora.weights.cards import PARTS
from restora.weights.onnx_check import check_onnx
from restora.weights.registry import load_card, load_weight

NETWORK_KEY = "restora_network"  # of a safetensors header: the configuration as JSON
METHOD_KEY = "restora_method"  # and whose it is; files older than the key hold an FBCNN
HALF_LEAST = 256  # smaller tensors stay float32: nothing is gained by halving them


@dataclass(frozen=True)
class Loaded:
    """What a weight file holds.

    Attributes:
        config: The network's numbers.
        weights: Its state dictionary, float32, on the CPU.
        kind: Under whose names and in which file they were: ``"released"`` are the authors' names,
            in either kind of file.
    """

    config: NetworkConfig
    weights: dict[str, Tensor]
    kind: Literal["released", "safetensors", "onnx"]


def read_weights(path: Path) -> Loaded:
    """Read a weight file; only tensors are taken out of it, and no code in it is ever run.

    Args:
        path: ``.safetensors``; a card (``.json``), or a part of what it describes (``.onnx``: the
            others are read too), or the whole network in one ``.onnx`` beside it; anything else is
            read as a file of PyTorch.

    Raises:
        WeightsError: The file cannot be read, is damaged or holds another network.
        MissingExtra: What reads this kind of file is not installed.
    """
    suffix = path.suffix.lower()
    if suffix == ".safetensors":
        return _read_safetensors(path)
    if suffix in (".onnx", ".json"):
        return _read_onnx(path)
    return _read_pytorch(path)


def without_lora(loaded: Loaded) -> Loaded:
    """The same network with its LoRA, if there is one, inside the weights it stands beside.

    Raises:
        MissingExtra: peft, which LoRA needs, is not installed.
    """
    config = loaded.config
    if not isinstance(config, SODiffConfig) or config.lora is None:
        return loaded
    network = SODiff(config).eval()
    network.load_state_dict(loaded.weights)
    plain = config.model_copy(update={"lora": None})
    with torch.no_grad():
        return Loaded(plain, merge_lora(network), loaded.kind)


def write_safetensors(
    path: Path,
    config: NetworkConfig,
    weights: Mapping[str, Tensor],
    metadata: Mapping[str, str] | None = None,
    *,
    half: bool = False,
    released: bool = False,
) -> None:
    """Write a network as one safetensors file, atomically.

    Args:
        path: The file.
        config: The network's numbers; they go into the header, with the name of its method.
        weights: Its state dictionary.
        metadata: More for the header.
        half: Store tensors of 256 numbers and more as float16, as our ONNX files do.
        released: Use the authors' names, for programs built on their class.

    Raises:
        OutputError: The file cannot be written.
        WeightsError: ``released`` is asked of a network that those names do not describe.
        MissingExtra: safetensors is not installed.
    """
    safetensors = require("safetensors.torch", extra="train")
    named = weights
    if released:
        if not isinstance(config, FBCNNConfig):
            raise WeightsError("The authors' names are those of FBCNN; this network is none.")
        named = to_released(weights, config)
    tensors = {
        name: weight.detach()
        .to("cpu", torch.float16 if half and weight.numel() >= HALF_LEAST else torch.float32)
        .contiguous()
        for name, weight in named.items()
    }
    described = {METHOD_KEY: method_of(config), NETWORK_KEY: config.model_dump_json()}
    header = {"format": "pt", **(metadata or {}), **described}
    write_atomically(path, safetensors.save(tensors, metadata=header))


def _read_safetensors(path: Path) -> Loaded:
    safetensors = require("safetensors.torch", extra="train")
    data = _read_bytes(path)
    try:
        tensors: dict[str, Tensor] = safetensors.load(data)
        # The library reads metadata from a file it maps, which would then have to stay as it is.
        # Eight bytes of length, then JSON.
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    except Exception as error:  # its error is of a class of its own, and values may be wrong too
        raise WeightsError(
            f"{path}: this is not a safetensors file ({first_sentence(error)})."
        ) from error
    if is_released(tensors):
        config, weights = from_released(tensors, source=str(path))
        return Loaded(config, weights, "released")
    metadata = header.get("__metadata__", {})
    described = metadata.get(NETWORK_KEY)
    if described is None:
        raise WeightsError(
            f"{path}: no FBCNN weights: neither {NETWORK_KEY} in the header nor the authors' "
            f"names; found keys like {', '.join(list(tensors)[:3]) or 'none at all'}."
        )
    try:
        network = parse_config(metadata.get(METHOD_KEY, "fbcnn"), described)
    except (KeyError, ValidationError) as error:
        raise WeightsError(
            f"{path}: {NETWORK_KEY} in the header describes no network this version knows."
        ) from error
    return Loaded(network, _fit(tensors, network, source=str(path)), "safetensors")


def _read_onnx(path: Path) -> Loaded:
    name = path.stem.removesuffix(".int8")  # the 8-bit form is made of the other, and lies beside
    for part in {part for parts in PARTS.values() for part in parts}:
        name = name.removesuffix(f".{part}")
    card_path = str(path.with_name(f"{name}.json"))
    card = load_card(card_path)
    if card.method not in CONFIGS:
        raise WeightsError(f"{card_path}: this weight restores nothing by itself.")
    whole = path.suffix.lower() == ".onnx" and path.stem == name
    if whole:
        models = [_read_bytes(path)]
        check_onnx(models[0], name=str(path))
    else:
        models = [load_weight(card_path, part) for part in card.parts()]
    try:
        config = CONFIGS[card.method].model_validate(card.training.recipe.get("network"))
        if isinstance(config, SODiffConfig):  # what it was trained with is inside the weights
            config = config.model_copy(update={"lora": None})
        weights = read_onnx_weights(models, config, whole=whole)
    except ValidationError as error:
        kind = PROPER_NAMES[card.method]
        raise WeightsError(f"{card_path}: this card describes no {kind}.") from error
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error
    return Loaded(config, weights, "onnx")


def _read_pytorch(path: Path) -> Loaded:
    raw = read_plain(
        path,
        foreign="this is not a file of PyTorch weights, or holds more than weights",
        damaged="this file of weights is damaged",
    )
    if isinstance(raw, Mapping) and {"recipe", "average"} <= raw.keys():
        raise WeightsError(
            f"{path}: this is a training checkpoint; `restora export` makes a weight of it."
        )
    if not isinstance(raw, Mapping):
        raise WeightsError(f"{path}: no FBCNN weights: holds no table of tensors.")
    names = {str(name): weight for name, weight in raw.items()}
    if is_released(names) and not all(_is_plain(w) for w in names.values()):
        raise WeightsError(f"{path}: no FBCNN weights: holds other things than tensors.")
    config, weights = from_released(names, source=str(path))
    return Loaded(config, weights, "released")


def _is_plain(weight: object) -> bool:
    """Whether this is a tensor of numbers that are all there; a few bytes can claim to be many."""
    return (
        isinstance(weight, Tensor)
        and weight.layout == torch.strided
        and weight.device.type == "cpu"
        and weight.is_floating_point()
        and weight.untyped_storage().nbytes() >= weight.numel() * weight.element_size()
    )


def _fit(tensors: dict[str, Tensor], config: NetworkConfig, *, source: str) -> dict[str, Tensor]:
    """Weights under our names, float32, checked against the network they shall go into."""
    expected = expected_weights(config, found=len(tensors), source=source)
    odd = sorted(
        name
        for name in expected.keys() | tensors.keys()
        if name not in expected
        or name not in tensors
        or expected[name].shape != tensors[name].shape
    )
    if odd:
        raise WeightsError(
            f"{source}: the weights are not those of the network in the header: {odd[0]} is "
            "missing, left over or of another shape."
        )
    return {name: tensors[name].float() for name in expected}


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror}).") from error
