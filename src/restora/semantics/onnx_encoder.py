"""Image tokens in the light install: an encoder that ships, in ONNX Runtime."""

from __future__ import annotations

import numpy as np
import onnxruntime

from restora.errors import WeightsError
from restora.semantics.pictures import resize
from restora.semantics.protocols import Floats, SemanticFeatures
from restora.weights.registry import load_card, load_weight

__all__ = ["OnnxImageEncoder"]

PART = "encoder"
BATCH = 8


class OnnxImageEncoder:
    """Pictures to (N, 49, 1280) for lite0; see :class:`restora.semantics.protocols.ImageEncoder`.

    The same network as :class:`restora.semantics.efficientnet_encoder.EfficientNetEncoder`, its
    weights rounded to half precision: tokens agree to two thousandths of their length. It bears
    the fingerprint of that one, so that what was trained with either runs with the other.
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
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                load_weight(name, PART), options, providers=["CPUExecutionProvider"]
            )
        except WeightsError:
            raise
        except Exception as error:  # ONNX Runtime has no public tree of errors
            raise WeightsError(f"ONNX Runtime cannot load {card.name}: {error}") from error
        self._side_px = int(self._session.get_inputs()[0].shape[2])
        self.max_tokens, self.token_dim = map(int, self._session.get_outputs()[0].shape[1:])
        self.pooled_dim = self.token_dim

    def fingerprint(self) -> str:
        return self._fingerprint

    def encode(self, pictures: Floats) -> SemanticFeatures:
        squares = resize(pictures, self._side_px)
        tokens = np.empty((len(squares), self.max_tokens, self.token_dim), np.float32)
        for start in range(0, len(squares), BATCH):
            some = slice(start, start + BATCH)
            picture = np.divide(squares[some].transpose(0, 3, 1, 2), 255, dtype=np.float32)
            feeds = {"picture": np.ascontiguousarray(picture)}
            tokens[some] = self._session.run(["tokens"], feeds)[0]
        return SemanticFeatures(tokens, tokens.mean(1))
