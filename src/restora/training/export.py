"""A trained network as the file that ships: ONNX with half-precision weights, and its card."""

from __future__ import annotations

import copy
import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from restora._optional import require
from restora.engine.backend_ort import OrtBackend
from restora.errors import UsageError, WeightsError
from restora.images.atomic import write_atomically
from restora.networks.catalogue import (
    PAPERS,
    PROPER_NAMES,
    Network,
    NetworkConfig,
    build,
    method_of,
)
from restora.networks.cost import count_macs_per_pixel
from restora.networks.fbcnn import FBCNN
from restora.networks.onnx_weights import COUNTER, read_onnx_weights, switched_off
from restora.networks.sodiff.config import SODiffConfig
from restora.networks.sr_diff.config import SRDiffConfig
from restora.networks.ssp_ir.config import SSPIRConfig
from restora.networks.weight_files import Loaded, without_lora
from restora.training.checkpoint import Checkpoint
from restora.training.data import PhotoStore
from restora.training.graphs import WHOLE, trace
from restora.training.int8_loss import measure_loss
from restora.training.onnx_files import forget_origin, halve_weights
from restora.training.quantise import quantise
from restora.weights.cards import Card, Training, WeightFile

TIE_BREAK = 1e-6


@dataclass(frozen=True)
class Int8Data:
    """Photos that show how large features get, and a folder of clean pictures to measure on."""

    photos: PhotoStore
    validation: Path


def export_onnx(network: Network, part: str = WHOLE) -> bytes:
    """A part of the network as ONNX: weights stored as float16, computed in float32."""
    onnx = require("onnx", extra="train")
    model = trace(_without_ties(network), part)
    forget_origin(model)
    halve_weights(model)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def write_whole(path: Path, config: NetworkConfig, weights: dict[str, Tensor]) -> None:
    """Write a network as one ONNX file for other programs, atomically.

    Raises:
        UsageError: It is a diffusion model.
    """
    check_whole(config)
    network = _filled(config, weights)
    data = export_onnx(network)
    _check_readable([data], network, whole=True)
    write_atomically(path, data)


def _filled(config: NetworkConfig, weights: dict[str, Tensor]) -> Network:
    """The network of these weights, for evaluation; LoRA is inside them."""
    plain = without_lora(Loaded(config, weights, "safetensors"))
    network = build(plain.config).eval()
    network.load_state_dict(plain.weights)
    return network


def _without_ties(network: Network) -> Network:
    """A copy in which no two weights are equal and none is nothing.

    The exporter would store equal ones once and leave zeros away, and with them their names. The
    first number of such a weight is moved by too little to matter.
    """
    network = copy.deepcopy(network).to("cpu", memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    seen: set[bytes] = set()
    for weight in network.state_dict().values():  # these are views
        first = weight.view(-1)[:1]
        if not weight.is_floating_point():  # a count, which is not exported
            continue
        while not weight.any() or _digest(weight) in seen:
            first += TIE_BREAK * (1 + first.abs())
        seen.add(_digest(weight))
    return network


def _digest(weight: Tensor) -> bytes:
    return hashlib.sha256(weight.numpy().tobytes()).digest()


def export_weight(
    checkpoint: Checkpoint,
    folder: Path,
    *,
    name: str | None = None,
    title: str,
    data: str,
    device: str,
    overlap_px: int,
    history: str = "",
    curve: str = "",
    scores: dict[str, dict[str, float]] | None = None,
    int8: Int8Data | None = None,
) -> Card:
    """Write the averaged weights of a checkpoint as a weight that can ship.

    Args:
        checkpoint: The training.
        folder: Where the files go.
        name: What it is called; None takes the recipe's name.
        title, data, device, history, curve, scores: For the card; see
            :class:`restora.weights.cards.Card`.
        overlap_px: Overlap of tiles that hides their borders.
        int8: What an 8-bit form is made and measured with; None makes none.

    Raises:
        UsageError: An 8-bit form is asked of another method than FBCNN.
    """
    if int8 is not None:
        check_int8(checkpoint.recipe.network)
    network = _filled(checkpoint.recipe.network, checkpoint.average)
    training = Training(
        recipe=checkpoint.recipe.model_dump(mode="json"),
        data=data,
        device=device,
        steps=checkpoint.step,
        seconds=round(checkpoint.seconds),
        history="; ".join([*([history] if history else []), *checkpoint.history]),
        curve=curve,
    )
    card = _card(
        network,
        name or checkpoint.recipe.name,
        title=title,
        training=training,
        overlap_px=overlap_px,
    )
    told = {"scores": scores or {}, "encoders": dict(checkpoint.encoders)}
    return _write(network, card.model_copy(update=told), folder, int8)


def check_int8(config: NetworkConfig) -> None:
    """Refuse to make an 8-bit form of what has none.

    Raises:
        UsageError: The network is of another method than FBCNN.
    """
    if method_of(config) != "fbcnn":
        raise UsageError(
            f"An 8-bit form is made of FBCNN alone, not of {PROPER_NAMES[method_of(config)]}."
        )


def check_whole(config: NetworkConfig) -> None:
    """Refuse to make one file of what runs in parts.

    Raises:
        UsageError: The network is a diffusion model.
    """
    if isinstance(config, SODiffConfig):
        raise UsageError(
            "A SODiff is four files: its prompt sees a small copy of the picture, its steps see "
            "tiles; take --format onnx."
        )
    if isinstance(config, SRDiffConfig):
        raise UsageError(
            "An SR-Diff is run step by step, after a look at the whole picture; take --format onnx."
        )
    if isinstance(config, SSPIRConfig):
        raise UsageError(
            "An SSP-IR is five files: its refiner sees tokens of the whole picture, its denoiser "
            "tiles, step by step; take --format onnx."
        )


def export_loaded(
    loaded: Loaded, folder: Path, *, name: str, title: str, overlap_px: int, source: str
) -> Card:
    """Write a weight that did not come out of a training here, such as the authors'.

    Args:
        loaded: The weight.
        folder: Where the files go.
        name: What it is called from now on.
        title, source: For the card: what it is, and where it comes from.
        overlap_px: Overlap of tiles that hides their borders.
    """
    network = _filled(loaded.config, loaded.weights)
    training = Training(
        recipe={
            "method": method_of(loaded.config),
            "network": network.config.model_dump(mode="json"),
        },
        data="not known here",
        device="not known here",
        steps=0,
        seconds=0,
        history=source,
    )
    card = _card(network, name, title=title, training=training, overlap_px=overlap_px)
    return _write(network, card.model_copy(update={"licence": "not known here"}), folder)


def _card(network: Network, name: str, *, title: str, training: Training, overlap_px: int) -> Card:
    method = method_of(network.config)
    return Card(
        name=name,
        method=method,
        title=title,
        paper=PAPERS[method],
        channels=network.config.channels,
        parameters=sum(p.numel() for p in network.parameters()),
        macs_per_pixel=count_macs_per_pixel(network),
        overlap_px=overlap_px,
        licence="Apache-2.0",
        files={},
        first=getattr(network.config, "regressor", None),
        training=training,
        scores={},
    )


def _write(network: Network, card: Card, folder: Path, int8: Int8Data | None = None) -> Card:
    """Write ``<name>.<part>.onnx``, and the card that names them, last."""
    files = {part: export_onnx(network, part) for part in card.parts()}
    _check_readable(list(files.values()), network)
    if int8 is not None:
        assert isinstance(network, FBCNN)  # checked before any work
        exact = OrtBackend(files["encoder"], files["decoder"])
        small = [bytes(model.SerializeToString()) for model in quantise(network, int8.photos)]
        files |= dict(zip(card.parts(int8=True), small, strict=True))
        loss = measure_loss(exact, OrtBackend(*small), int8.validation)
        card = card.model_copy(update={"int8_loss_db": round(loss, 3)})
    named = {
        part: WeightFile(sha256=hashlib.sha256(model).hexdigest(), size_bytes=len(model))
        for part, model in files.items()
    }
    card = card.model_copy(update={"files": named})
    folder.mkdir(parents=True, exist_ok=True)
    for part, model in files.items():
        write_atomically(folder / f"{card.name}.{part}.onnx", model)
    write_atomically(folder / f"{card.name}.json", card.model_dump_json(indent=2).encode() + b"\n")
    return card


def _check_readable(models: list[bytes], network: Network, *, whole: bool = False) -> None:
    """Refuse files that PyTorch could not read back, before it replaces a good one.

    Raises:
        WeightsError: A weight is missing (the exporter stores equal ones once) or has changed.
    """
    expected = network.state_dict()
    off = switched_off(network.config, whole=whole)  # those are in no file
    for name, weight in read_onnx_weights(models, network.config, whole=whole).items():
        if name.startswith(off) or name.endswith(COUNTER):
            continue
        if not torch.allclose(weight, expected[name].cpu(), rtol=1e-2, atol=1e-3):
            raise WeightsError(f"The exported weight {name} is not the trained one.")
