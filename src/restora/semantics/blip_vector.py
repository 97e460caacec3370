"""SR-Diff's vector of a picture: BLIP (Li et al., ICML 2022) before it says its first word.

SR-Diff's public code gives BLIP's text decoder an empty caption, padded to 30 tokens, and takes
the last hidden state at the first. The decoder looks back only, so that this state depends on the
first symbol and the picture alone: one token gives the same vector.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from restora._optional import require
from restora.errors import UsageError, WeightsError
from restora.semantics.fingerprint import hash_tensors, make_fingerprint
from restora.semantics.pictures import resize
from restora.semantics.pretrained import EXTRA, load_network, load_tokenizer, normalise
from restora.semantics.protocols import Floats, SemanticFeatures

__all__ = ["BlipVectorEncoder"]

BATCH = 8


class BlipVectorEncoder:
    """Pictures to (N, 1, 768); see :class:`restora.semantics.protocols.ImageEncoder`.

    ``pooled`` is the one token. With ``patches`` the tokens of the vision tower follow it, class
    token first: (N, 1 + 577, 768) for BLIP base.
    """

    def __init__(self, source: str, *, patches: bool = False, device: str = "cpu") -> None:
        """Load the network.

        Args:
            source: A folder or hub id of a captioning model, such as
                ``Salesforce/blip-image-captioning-base``.
            patches: Also give the tokens of the vision tower.
            device: Where it runs, in PyTorch's words.

        Raises:
            UsageError: ``patches`` of a network whose vision tower is wider than its decoder.
            WeightsError: The tokenizer has no [CLS], or see the next.
            InputError, MissingExtra: See :func:`restora.semantics.pretrained.load_network`.
        """
        self._torch = require("torch", extra=EXTRA)
        self._first = load_tokenizer(source).cls_token_id  # not the symbol captions start with
        if self._first is None:
            raise WeightsError(f"The tokenizer in {source} knows no [CLS].")
        self._network = load_network("BlipForConditionalGeneration", source, device=device)
        config = self._network.config
        vision = config.vision_config
        self._side_px = int(vision.image_size)
        self.name = "blip-tokens" if patches else "blip-vector"
        self.token_dim = self.pooled_dim = int(config.text_config.hidden_size)
        self._places = 1 + (self._side_px // int(vision.patch_size)) ** 2 if patches else 0
        self.max_tokens = 1 + self._places
        if patches and int(vision.hidden_size) != self.token_dim:
            raise UsageError(
                f"The vision tower of {source} gives {vision.hidden_size} numbers a token and its "
                f"decoder {self.token_dim}: they do not go into one list."
            )

    @cached_property
    def _digest(self) -> str:
        return hash_tensors(self._network.state_dict())

    def fingerprint(self) -> str:
        return make_fingerprint(self.name, (self.token_dim, self.max_tokens), self._digest)

    def encode(self, pictures: Floats) -> SemanticFeatures:
        squares = resize(pictures, self._side_px)
        tokens = np.empty((len(squares), self.max_tokens, self.token_dim), np.float32)
        with self._torch.inference_mode():
            for start in range(0, len(squares), BATCH):
                some = slice(start, start + BATCH)
                seen = self._network.vision_model(
                    pixel_values=normalise(squares[some], self._network)
                ).last_hidden_state
                tokens[some, :1] = self._look(seen).cpu().numpy()
                if self._places:
                    tokens[some, 1:] = seen.cpu().numpy()
        return SemanticFeatures(tokens, tokens[:, 0].copy())

    def _look(self, seen: Any) -> Any:
        """The decoder's state (n, 1, D) at its first symbol, with all image tokens in sight."""
        symbol = self._torch.full(
            (len(seen), 1), self._first, dtype=self._torch.long, device=seen.device
        )
        made = self._network.text_decoder.bert(
            symbol, encoder_hidden_states=seen, is_decoder=True, use_cache=False
        )
        return made.last_hidden_state
