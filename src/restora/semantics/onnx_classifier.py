"""Classes in the light install: the encoder that ships, and the last layer of its network."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from restora.semantics.onnx_encoder import OnnxImageEncoder, open_part
from restora.semantics.protocols import Floats

__all__ = ["OnnxClassifier"]


class OnnxClassifier:
    """How likely each class of ILSVRC 2012 is.

    The same network as :class:`restora.semantics.efficientnet_lite.Classifier`, its weights rounded
    to half precision.

    Attributes:
        side_px: Side of the squares it looks at.
        digest: Hash of the weights it was made of, in hexadecimal.
    """

    def __init__(self, name: str = "lite0", *, threads: int = 1) -> None:
        """Load the network.

        Args:
            name: A weight of the method ``image-encoder`` that ships, or the path of its card.
            threads: Threads inside the network; 0 takes every core.

        Raises:
            WeightsError: The weight is missing, damaged or no image encoder.
        """
        self._encoder = OnnxImageEncoder(name, threads=threads)
        self._last = open_part(name, "classifier", threads=threads)
        self.side_px = self._encoder.side_px
        self.digest = self._encoder.fingerprint().rpartition(":")[2]

    def probabilities(self, squares: NDArray[np.uint8]) -> Floats:
        """(N, 1000), each row of sum 1, for pictures (N, ``side_px``, ``side_px``, 3), 0-255."""
        features = self._encoder.look(squares).pooled
        likely: Floats = self._last.run(["probabilities"], {"features": features})[0]
        return likely
