"""Words about one picture: its caption, the tokens a network reads, and what of it is not read."""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from dataclasses import dataclass

import numpy as np

from restora.errors import UsageError
from restora.semantics.protocols import Captioner, Floats, TextEncoder

__all__ = ["Reading", "describe", "encode_words", "one_line", "reading_of"]


@dataclass(frozen=True, slots=True)
class Reading:
    """How much of a caption a text encoder reads.

    Attributes:
        used: Tokens it reads, marks of start and end included.
        total: Tokens of the whole caption, counted alike.
        unread: The last words, those that are not read or only in part; empty where all are.
    """

    used: int
    total: int
    unread: tuple[str, ...]


def one_line(text: str) -> str:
    """A caption as it is printed and encoded: no control characters, single spaces."""
    return " ".join("".join(" " if _is_control(c) else c for c in text).split())


def describe(pixels: Floats, captioner: Captioner, name: str | None = None) -> str:
    """What a captioner says of one picture, in one line.

    Args:
        pixels: (H, W, 3) float32, RGB, 0-1: the whole picture.
        captioner: From :func:`restora.semantics.lookup.load_captioner`; one serves all pictures.
        name: The picture's path; captioners that look captions up need it.

    Raises:
        InputError: There is no caption of that name, or what is given is no picture.
        UsageError: The captioner needs a name.
    """
    (said,) = captioner.caption(pixels[None], None if name is None else [name])
    return one_line(said)


def encode_words(text: str, encoder: TextEncoder, count: int | None = None) -> Floats:
    """The tokens of a caption, (1, L, D) float32.

    Args:
        text: A caption; an empty one is allowed.
        encoder: From :func:`restora.semantics.lookup.load_text_encoder`.
        count: L, padded with zeros behind; ``None`` for what the encoder gives.

    Raises:
        UsageError: The encoder gives more than ``count``: it was loaded to read more.
    """
    tokens = encoder.encode([text]).tokens
    given = tokens.shape[1]
    if count is None or count == given:
        return tokens
    if count < given:
        raise UsageError(
            f"The text encoder {encoder.name} gives {given} tokens of this caption, and {count} "
            f"are read: load it with that many."
        )
    return np.pad(tokens, ((0, 0), (0, count - given), (0, 0)))


def reading_of(text: str, encoder: TextEncoder) -> Reading:
    """How much of a caption an encoder reads, and the words that it does not."""
    total, most = encoder.count_tokens(text), encoder.max_tokens
    if total <= most:
        return Reading(total, total, ())
    words = text.split()
    # Tokens only grow with the words, so that the first number too many is found by halving.
    fitting = bisect_right(
        range(len(words)), most, key=lambda n: encoder.count_tokens(" ".join(words[: n + 1]))
    )
    return Reading(most, total, tuple(words[fitting:]))


def _is_control(character: str) -> bool:
    """Whether a terminal could take it for a command."""
    return unicodedata.category(character) == "Cc"
