"""Text tokens of CLIP (Radford et al., ICML 2021) and OpenCLIP through transformers.

A CLIP text tower reads windows of 77 tokens. SSP-IR encodes long captions window by window, as its
public code does: up to four times 75 tokens, each between the marks of start and end, of which
only the very first and the very last stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from restora._optional import require
from restora.errors import UsageError
from restora.semantics.fingerprint import hash_tensors, make_fingerprint
from restora.semantics.pretrained import EXTRA, load_network, load_tokenizer
from restora.semantics.protocols import Floats, SemanticFeatures

__all__ = ["ClipTextEncoder", "OpenClipTextEncoder"]

MARKS = 2  # start and end
WINDOWS = 4
BATCH = 32


class ClipTextEncoder:
    """Sentences to (N, 75 k + 2, D); see :class:`restora.semantics.protocols.TextEncoder`.

    D is 768 for Stable Diffusion 1.5. k is what the longest sentence of the call needs. Padding
    keeps what the tower makes of it, since Stable Diffusion reads it too; the mask tells it apart.
    ``pooled`` is the end mark of the first window.
    """

    name = "clip"
    windows = WINDOWS

    def __init__(self, source: str, max_tokens: int | None = None, *, device: str = "cpu") -> None:
        """Load tower and tokenizer.

        Args:
            source: A folder or hub id of a CLIP model, or the folder of a diffusers pipeline with
                ``text_encoder`` and ``tokenizer`` in it.
            max_tokens: The longest T, 75 k + 2: 77 is one plain window, 302 is four and the
                default. Longer sentences are cut.
            device: Where it runs, in PyTorch's words.

        Raises:
            UsageError: ``max_tokens`` is no such number.
            InputError, MissingExtra, WeightsError: See
                :func:`restora.semantics.pretrained.load_network`.
        """
        self._torch = require("torch", extra=EXTRA)
        tower, words = _subfolders(source)
        self._tokenizer = load_tokenizer(source, subfolder=words)
        self._network = load_network("CLIPTextModel", source, subfolder=tower, device=device)
        config = self._network.config
        self.token_dim = int(config.hidden_size)
        self._body = int(config.max_position_embeddings) - MARKS
        self.max_tokens = self.windows * self._body + MARKS if max_tokens is None else max_tokens
        if self.max_tokens <= MARKS or (self.max_tokens - MARKS) % self._body:
            raise UsageError(
                f"This tower reads {self._body} k + {MARKS} tokens, such as "
                f"{self._body + MARKS} or {2 * self._body + MARKS}, not {self.max_tokens}."
            )

    @cached_property
    def _digest(self) -> str:
        return hash_tensors(self._network.state_dict())

    def fingerprint(self) -> str:
        return make_fingerprint(self.name, (self.token_dim, self.max_tokens), self._digest)

    def encode(self, sentences: Sequence[str]) -> SemanticFeatures:
        ids, mask = self._tokenise(sentences)
        count, windows, size = ids.shape
        states, ends = self._run(ids.reshape(-1, size))
        states = states.reshape(count, windows, size, self.token_dim)
        tokens = np.concatenate(
            [
                states[:, 0, :1],
                states[:, :, 1:-1].reshape(count, windows * self._body, self.token_dim),
                states[:, -1, -1:],
            ],
            axis=1,
        )
        return SemanticFeatures(tokens, ends[::windows], mask)

    def count_tokens(self, sentence: str) -> int:
        return len(self._pieces(sentence)) + MARKS

    def _pieces(self, sentence: str) -> list[int]:
        """Numbers of all word pieces of a sentence, without marks."""
        made = self._tokenizer(sentence, add_special_tokens=False, verbose=False)
        return list(made["input_ids"])

    def _tokenise(self, sentences: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Windows (N, k, 77) with their marks, and the mask (N, 75 k + 2) of what is real."""
        words = self._tokenizer
        most = self.max_tokens - MARKS
        bodies = [self._pieces(sentence)[:most] for sentence in sentences]
        lengths = np.array([len(body) for body in bodies], np.int64)
        windows = max(1, -(-int(lengths.max(initial=0)) // self._body))
        inner = np.full((len(bodies), windows * self._body + 1), words.pad_token_id, np.int64)
        for row, body in enumerate(bodies):
            inner[row, : len(body)] = body
            inner[row, len(body)] = words.eos_token_id
        ids = np.empty((len(bodies), windows, self._body + MARKS), np.int64)
        ids[..., 0] = words.bos_token_id
        ids[..., 1:-1] = inner[:, :-1].reshape(len(bodies), windows, self._body)
        # A full window ends with its mark; in any other the mark follows the text, then padding.
        full = lengths[:, None] >= self._body * np.arange(1, windows + 1)
        ids[..., -1] = np.where(full, words.eos_token_id, words.pad_token_id)
        mask = np.arange(windows * self._body + MARKS) < lengths[:, None] + MARKS
        return ids, mask

    def _run(self, windows: NDArray[np.int64]) -> tuple[Floats, Floats]:
        """States (n, 77, D) after the final norm, and those of the end marks (n, D)."""
        states = np.empty((*windows.shape, self.token_dim), np.float32)
        ends = np.empty((len(windows), self.token_dim), np.float32)
        with self._torch.inference_mode():
            for start in range(0, len(windows), BATCH):
                some = slice(start, start + BATCH)
                ids = self._torch.from_numpy(windows[some]).to(self._network.device)
                made = self._network(input_ids=ids)
                states[some] = made.last_hidden_state.cpu().numpy()
                ends[some] = made.pooler_output.cpu().numpy()
        return states, ends


class OpenClipTextEncoder(ClipTextEncoder):
    """The text tower of Stable Diffusion 2.1: OpenCLIP ViT-H/14, (N, 77, 1024).

    Stable Diffusion 2 reads the block before the last. Its folder ``text_encoder`` already leaves
    the last one out (23 blocks of 24), so that the states after the final norm are the right ones.
    A whole ViT-H/14 with all 24 would give others. One window unless more are asked for.
    """

    name = "openclip"
    windows = 1


def _subfolders(source: str) -> tuple[str, str]:
    """Where tower and tokenizer lie: a diffusers folder keeps them apart."""
    if (Path(source) / "text_encoder").is_dir():
        return "text_encoder", "tokenizer"
    return "", ""
