"""What an image encoder says about a picture, as one row of tokens."""

from __future__ import annotations

import numpy as np

from restora.errors import UsageError
from restora.semantics.protocols import Floats, SemanticFeatures

__all__ = ["one_row"]


def one_row(features: SemanticFeatures, count: int) -> Floats:
    """(N, ``count``, D): the pooled vector alone, or it and behind it all the tokens.

    Args:
        features: Whose tokens and pooled vector have the same D.
        count: 1, or one more than the encoder gives tokens; or as many, where its first stands
            for the whole picture already.

    Raises:
        UsageError: It gives another number of tokens.
    """
    tokens, pooled = features.tokens, features.pooled[:, None]
    if count == 1:
        return pooled
    given = tokens.shape[1]
    if count == given:
        return tokens
    if count == given + 1:
        return np.concatenate([pooled, tokens], axis=1)
    raise UsageError(f"This encoder gives {given} tokens and one for all of them, not {count}.")
