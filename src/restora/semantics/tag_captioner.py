"""Captions without a language model: what a small classifier sees, and how the picture looks.

A sentence such as "a bright blue and green photo of a coast and a valley, finely textured". What
tells most comes first: the text encoder that ships reads 16 tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from restora.semantics.attributes import Attributes, measure_attributes
from restora.semantics.efficientnet_lite import Classifier, load_classifier
from restora.semantics.fingerprint import hash_tensors, make_fingerprint
from restora.semantics.pictures import check_pictures, resize
from restora.semantics.protocols import Floats
from restora.semantics.tags import class_names, name_tags, with_article

__all__ = ["TagCaptioner", "compose"]

WORDING = 1  # counts up when the words change for the same picture
BATCH = 32


class TagCaptioner:
    """Tags of EfficientNet-Lite0 and measured attributes.

    See :class:`restora.semantics.protocols.Captioner`.
    """

    name = "tags"

    def __init__(self, classifier: Classifier | None = None, *, device: str = "cpu") -> None:
        """Load the classifier.

        Args:
            classifier: To use instead of EfficientNet-Lite0 from its package.
            device: Where it runs, in PyTorch's words.

        Raises:
            MissingExtra: A package is not installed.
        """
        class_names()  # a missing package shows here, not after the first batch
        self._classifier = (classifier or load_classifier("lite0")).to(device)

    @cached_property
    def _digest(self) -> str:
        return hash_tensors(self._classifier.weights)

    def fingerprint(self) -> str:
        return make_fingerprint(self.name, (WORDING,), self._digest)

    def caption(
        self,
        pictures: Floats,
        names: Sequence[str] | None = None,  # noqa: ARG002 - it looks, it does not look up
    ) -> list[str]:
        check_pictures(pictures)
        sentences = []
        for start in range(0, len(pictures), BATCH):
            squares = resize(pictures[start : start + BATCH], self._classifier.variant.side_px)
            seen = self._classifier.see(list(squares))
            tags = name_tags(self._classifier.probabilities(seen.features))
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
