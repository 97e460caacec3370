"""Image tokens in the light install: an encoder that ships, in ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from restora.errors import WeightsError
from restora.semantics.pictures import resize
from restora.semantics.protocols import Floats, SemanticFeatures
from restora.weights.registry import load_card, load_weight

__all__ = ["OnnxImageEncoder", "open_part"]

BATCH = 8


class OnnxImageEncoder:
    """Pictures to (N, 49, 1280) for lite0; see :class:`restora.semantics.protocols.ImageEncoder`.

    The same network as :class:`restora.semantics.efficientnet_encoder.EfficientNetEncoder`, its
    weights rounded to half precision: tokens agree to two thousandths of their length. It bears
    the fingerprint of that one, so that what was trained with either runs with the other.

    Attributes:
        side_px: Side of the squares it looks at.
    """

    def __init__(self, name: str = "lite0", *, threads: int = 1) -> None:
        """Load the network.

        Args:
            name: A weight of the method ``image-encoder`` that ships, or the path of its card.
            threads: Threads inside the network; 0 takes every core.

        Raises:
            WeightsError: The weight is missing, damaged or no image encoder.
        """
        card = load_card(name)
        if card.method != "image-encoder":
            raise WeightsError(f"The weight {card.name} is no image encoder.")
        self.name = card.name
        self._fingerprint = card.encoders["image"]
        self._session = open_part(name, "encoder", threads=threads)
        self.side_px = int(self._session.get_inputs()[0].shape[2])
        self.max_tokens, self.token_dim = map(int, self._session.get_outputs()[0].shape[1:])
        self.pooled_dim = self.token_dim

    def fingerprint(self) -> str:
        return self._fingerprint

    def encode(self, pictures: Floats) -> SemanticFeatures:
        return self.look(resize(pictures, self.side_px))

    def look(self, squares: NDArray[np.uint8]) -> SemanticFeatures:
        """Encode pictures that are squeezed already, (N, ``side_px``, ``side_px``, 3), 0-255."""
        tokens = np.empty((len(squares), self.max_tokens, self.token_dim), np.float32)
        for start in range(0, len(squares), BATCH):
            some = slice(start, start + BATCH)
            picture = np.divide(squares[some].transpose(0, 3, 1, 2), 255, dtype=np.float32)
            feeds = {"picture": np.ascontiguousarray(picture)}
            tokens[some] = self._session.run(["tokens"], feeds)[0]
        return SemanticFeatures(tokens, tokens.mean(1))


def open_part(name: str, part: str, *, threads: int) -> Any:
    """One file of an encoder that ships, as a session of ONNX Runtime on the CPU.

    Args:
        name: The weight, or the path of its card.
        part: One of its parts.
        threads: Threads inside the network; 0 takes every core.

    Raises:
        WeightsError: The file is missing or damaged.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    model = load_weight(name, part)
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime has no public tree of errors
        raise WeightsError(f"ONNX Runtime cannot load {part} of {name}: {error}") from error
