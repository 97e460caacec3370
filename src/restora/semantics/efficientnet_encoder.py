"""Image tokens without a download: the last map of EfficientNet-Lite, one token a place."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from restora.semantics.efficientnet_lite import Classifier, load_classifier
from restora.semantics.fingerprint import hash_tensors, make_fingerprint
from restora.semantics.pictures import resize
from restora.semantics.protocols import Floats, SemanticFeatures

__all__ = ["EfficientNetEncoder"]

WIDTH = 1280
STRIDE = 32
BATCH = 32


class EfficientNetEncoder:
    """Pictures to (N, 49, 1280); see :class:`restora.semantics.protocols.ImageEncoder`.

    The tokens are the 7×7 places row by row (9×9 for lite2), before pooling; ``pooled`` is their
    mean. Pictures are squeezed into the square the network was trained on.
    """

    token_dim = WIDTH
    pooled_dim = WIDTH

    def __init__(
        self, name: str = "lite0", *, classifier: Classifier | None = None, device: str = "cpu"
    ) -> None:
        """Load the network.

        Args:
            name: One of :data:`restora.semantics.efficientnet_lite.CLASSIFIERS`.
            classifier: To use instead of the one in the package.
            device: Where it runs, in PyTorch's words.

        Raises:
            MissingExtra: A package is not installed.
            UsageError: There is no such network.
        """
        self.name = name
        self._classifier = (classifier or load_classifier(name)).to(device)
        self._side_px = self._classifier.variant.side_px
        self.max_tokens = (-(-self._side_px // STRIDE)) ** 2

    @cached_property
    def _digest(self) -> str:
        return hash_tensors(self._classifier.weights)

    def fingerprint(self) -> str:
        return make_fingerprint(self.name, (self.token_dim, self.max_tokens), self._digest)

    def encode(self, pictures: Floats) -> SemanticFeatures:
        squares = resize(pictures, self._side_px)
        tokens = np.empty((len(squares), self.max_tokens, WIDTH), np.float32)
        for start in range(0, len(squares), BATCH):
            some = slice(start, start + BATCH)
            maps = self._classifier.maps(list(squares[some]))
            tokens[some] = maps.reshape(len(maps), self.max_tokens, WIDTH)
        return SemanticFeatures(tokens, tokens.mean(1))
