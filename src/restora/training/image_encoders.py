"""An image encoder from its package as a weight that ships: ONNX with halved weights, and a card.

What was trained with features of the package's network runs in the light install with this one.
"""

from __future__ import annotations

import hashlib
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from restora._optional import require
from restora.images.atomic import write_atomically
from restora.semantics.efficientnet_encoder import EfficientNetEncoder
from restora.semantics.efficientnet_lite import Classifier, load_classifier
from restora.training.onnx_files import forget_origin, halve_weights
from restora.training.tracing import EXAMPLE_BATCH, OpenSizes, Tracing, to_onnx
from restora.weights.cards import Card, Training, WeightFile

__all__ = ["ClassesGraph", "TokensGraph", "export_image_encoder"]

PAPER = (
    "Tan, Le: EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, ICML 2019"
)
# The small ones, a twelfth of all numbers, stay whole: half precision of filters that see one
# channel each would cost five times the error of all others together.
HALF_LEAST = 30_000


class TokensGraph(nn.Module):
    """``picture`` (N, 3, S, S), 0-1, to ``tokens`` (N, T, D): the places of the last map by row."""

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self._classifier = classifier

    def forward(self, picture: Tensor) -> Tensor:
        last: Tensor = self._classifier.levels(picture)[-1]
        return last.flatten(2).transpose(1, 2)


class ClassesGraph(nn.Module):
    """``features`` (N, D), the mean of the tokens, to ``probabilities`` (N, classes)."""

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self._classifier = classifier

    def forward(self, features: Tensor) -> Tensor:
        likely: Tensor = self._classifier.classify(features)
        return likely


def export_image_encoder(name: str, folder: Path) -> Card:
    """Write ``<name>.encoder.onnx``, ``<name>.classifier.onnx`` and last the card that names them.

    Args:
        name: One of :data:`restora.weights.registry.ENCODERS`.
        folder: Where the files go.

    Raises:
        MissingExtra: The package of the network, or the exporter, is not installed.
        OutputError: A file cannot be written.
    """
    classifier = load_classifier(name)
    variant = classifier.variant
    side_px, width = variant.side_px, classifier.width
    encoder = _trace(
        TokensGraph(classifier),
        torch.zeros(EXAMPLE_BATCH, 3, side_px, side_px),
        ("picture", "tokens"),
    )
    last = _trace(
        ClassesGraph(classifier),
        torch.zeros(EXAMPLE_BATCH, width),
        ("features", "probabilities"),
    )
    parts = {
        part: bytes(model.SerializeToString())
        for part, model in (("encoder", encoder), ("classifier", last))
    }
    card = Card(
        name=name,
        method="image-encoder",
        title=f"{variant.title}: what a picture shows, place by place, and of which class it is",
        paper=PAPER,
        channels=3,
        parameters=_count_weights(encoder) + _count_weights(last),
        macs_per_pixel=_count_macs(classifier) // variant.side_px**2,
        overlap_px=0,
        licence="Apache-2.0",
        files={
            part: WeightFile(sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data))
            for part, data in parts.items()
        },
        encoders={"image": EfficientNetEncoder(name, classifier=classifier).fingerprint()},
        training=Training(
            recipe={"package": variant.package, "side_px": variant.side_px},
            data="ImageNet (ILSVRC 2012), about 1.28 million photos that belong to their authors",
            device="not known here",
            steps=0,
            seconds=0,
            history=f"trained by its authors at Google, taken from the package {variant.package}",
        ),
        scores={},
    )
    folder.mkdir(parents=True, exist_ok=True)
    for part, data in parts.items():
        write_atomically(folder / f"{name}.{part}.onnx", data)
    write_atomically(folder / f"{name}.json", card.model_dump_json(indent=2).encode() + b"\n")
    return card


def _trace(graph: nn.Module, example: Tensor, names: tuple[str, str]) -> Any:
    """A graph of one input and one output as ONNX, any number of pictures at once."""
    given, made = names
    model = to_onnx(Tracing(graph, (example,), (OpenSizes().row(),), [given], [made]))
    forget_origin(model)
    halve_weights(model, least=HALF_LEAST)
    require("onnx", extra="train").checker.check_model(model)
    return model


def _count_weights(model: Any) -> int:
    """Numbers of all layers and their biases; batch norms are inside the convolutions."""
    layers = ("Conv", "Gemm")
    names = {name for node in model.graph.node if node.op_type in layers for name in node.input[1:]}
    names |= {
        node.input[0]
        for node in model.graph.node
        if node.op_type == "Cast" and node.output[0] in names
    }
    return sum(prod(tensor.dims) for tensor in model.graph.initializer if tensor.name in names)


def _count_macs(classifier: Classifier) -> int:
    """Multiply-adds for one picture of the side it was trained on."""
    side_px = classifier.variant.side_px
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        classifier.levels(torch.zeros(1, 3, side_px, side_px))
    return int(counter.get_total_flops()) // 2
