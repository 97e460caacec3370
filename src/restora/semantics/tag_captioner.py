"""Captions without a language model: what a small classifier sees, and how the picture looks.

A sentence such as "a bright blue and green photo of a coast and a valley, finely textured". What
tells most comes first: the text encoder that ships reads 16 tokens, or 32 for SSP-IR.
"""

from __future__ import annotations

from collections.abc import Sequence

from restora.semantics.attributes import Attributes, measure_attributes
from restora.semantics.fingerprint import make_fingerprint
from restora.semantics.onnx_classifier import OnnxClassifier
from restora.semantics.pictures import check_pictures, resize
from restora.semantics.protocols import Floats
from restora.semantics.tags import class_names, name_tags, with_article

__all__ = ["TagCaptioner", "compose"]

WORDING = 1  # counts up when the words change for the same picture
BATCH = 32


class TagCaptioner:
    """Tags of EfficientNet-Lite0 and measured attributes; no PyTorch, and the same on any device.

    See :class:`restora.semantics.protocols.Captioner`.
    """

    name = "tags"

    def __init__(self, classifier: str = "lite0", *, threads: int = 1) -> None:
        """Load the classifier.

        Args:
            classifier: A weight of the method ``image-encoder`` that ships, or the path of its
                card.
            threads: Threads inside the network; 0 takes every core.

        Raises:
            MissingExtra: The package with the names of the classes is not installed.
            WeightsError: The weight is missing, damaged or no image encoder.
        """
        class_names()  # a missing package shows here, not after the first batch
        self._classifier = OnnxClassifier(classifier, threads=threads)

    def fingerprint(self) -> str:
        return make_fingerprint(self.name, (WORDING,), self._classifier.digest)

    def caption(
        self,
        pictures: Floats,
        names: Sequence[str] | None = None,  # noqa: ARG002 - it looks, it does not look up
    ) -> list[str]:
        check_pictures(pictures)
        sentences = []
        for start in range(0, len(pictures), BATCH):
            squares = resize(pictures[start : start + BATCH], self._classifier.side_px)
            tags = name_tags(self._classifier.probabilities(squares))
            attributes = measure_attributes(squares)
            sentences += [compose(*pair) for pair in zip(attributes, tags, strict=True)]
        return sentences


def compose(attributes: Attributes, tags: Sequence[str]) -> str:
    """The sentence: light, colours, tags, then the rest."""
    adjectives = f"{attributes.light} {' and '.join(attributes.hues)}".strip()
    sentence = f"{with_article(adjectives)} photo"
    if tags:
        sentence += f" of {' and '.join(map(with_article, tags))}"
    return ", ".join((sentence, *attributes.rest))
