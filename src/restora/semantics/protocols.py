"""What every encoder and captioner is to the rest: arrays in, arrays or sentences out.

Everything is plain NumPy at this border. Pictures are (N, H, W, 3) float32, RGB, 0-1, all of one
size; resizing and normalisation live inside the encoder, so a caller can neither forget nor double
them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Captioner", "Floats", "ImageEncoder", "SemanticFeatures", "TextEncoder"]

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class SemanticFeatures:
    """What an encoder says about N pictures or sentences.

    Attributes:
        tokens: (N, T, D) float32.
        pooled: (N, P) float32, one vector for each.
        mask: (N, T), true where a token is real; ``None`` where all are.
    """

    tokens: Floats
    pooled: Floats
    mask: NDArray[np.bool_] | None = None


class ImageEncoder(Protocol):
    """Turns pictures into tokens.

    Attributes:
        name: What :func:`restora.semantics.lookup.load_image_encoder` calls it.
        token_dim: D of the tokens.
        pooled_dim: P of the pooled vector.
        max_tokens: The largest T.
    """

    name: str
    token_dim: int
    pooled_dim: int
    max_tokens: int

    def fingerprint(self) -> str:
        """Name, dimensions and a hash of the weights; the same in every process."""
        ...

    def encode(self, pictures: Floats) -> SemanticFeatures:
        """Encode (N, H, W, 3) float32, RGB, 0-1."""
        ...


class TextEncoder(Protocol):
    """Turns sentences into tokens.

    Attributes:
        name: What :func:`restora.semantics.lookup.load_text_encoder` calls it.
        token_dim: D of the tokens and of the pooled vector.
        max_tokens: The largest T.
    """

    name: str
    token_dim: int
    max_tokens: int

    def fingerprint(self) -> str:
        """Name, dimensions and a hash of the weights; the same in every process."""
        ...

    def encode(self, sentences: Sequence[str]) -> SemanticFeatures:
        """Encode N sentences; an empty one is allowed."""
        ...

    def count_tokens(self, sentence: str) -> int:
        """Tokens of all of a sentence, marks of start and end included; may exceed T."""
        ...


class Captioner(Protocol):
    """Says in words what is in pictures.

    Attributes:
        name: What :func:`restora.semantics.lookup.load_captioner` calls it.
    """

    name: str

    def fingerprint(self) -> str:
        """Name and a hash of what the captions depend on besides the pictures."""
        ...

    def caption(self, pictures: Floats, names: Sequence[str] | None = None) -> list[str]:
        """A sentence for each picture.

        Args:
            pictures: (N, H, W, 3) float32, RGB, 0-1.
            names: N file names; only captioners that look captions up need them.
        """
        ...
