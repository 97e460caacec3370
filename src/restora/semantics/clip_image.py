"""Image tokens of CLIP (Radford et al., ICML 2021) through transformers."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from restora._optional import require
from restora.semantics.fingerprint import hash_tensors, make_fingerprint
from restora.semantics.pictures import resize
from restora.semantics.pretrained import EXTRA, load_network, normalise
from restora.semantics.protocols import Floats, SemanticFeatures

__all__ = ["ClipImageEncoder"]

BATCH = 16


class ClipImageEncoder:
    """Pictures to patch tokens; see :class:`restora.semantics.protocols.ImageEncoder`.

    SSP-IR takes the patches of the last block before the final norm, without the class token:
    (N, 256, 1024) for ViT-L/14. ``pooled`` is the class token after the final norm.
    """

    name = "clip"

    def __init__(self, source: str, *, device: str = "cpu") -> None:
        """Load the vision tower.

        Args:
            source: A folder or hub id of a CLIP model, whole or its vision tower alone.
            device: Where it runs, in PyTorch's words.

        Raises:
            InputError, MissingExtra, WeightsError: See
                :func:`restora.semantics.pretrained.load_network`.
        """
        self._torch = require("torch", extra=EXTRA)
        self._network = load_network("CLIPVisionModel", source, device=device)
        config = self._network.config
        self._side_px = int(config.image_size)
        self.token_dim = self.pooled_dim = int(config.hidden_size)
        self.max_tokens = (self._side_px // int(config.patch_size)) ** 2

    @cached_property
    def _digest(self) -> str:
        return hash_tensors(self._network.state_dict())

    def fingerprint(self) -> str:
        return make_fingerprint(self.name, (self.token_dim, self.max_tokens), self._digest)

    def encode(self, pictures: Floats) -> SemanticFeatures:
        squares = resize(pictures, self._side_px)
        tokens = np.empty((len(squares), self.max_tokens, self.token_dim), np.float32)
        pooled = np.empty((len(squares), self.pooled_dim), np.float32)
        with self._torch.inference_mode():
            for start in range(0, len(squares), BATCH):
                some = slice(start, start + BATCH)
                made = self._network(
                    normalise(squares[some], self._network), output_hidden_states=True
                )
                tokens[some] = made.hidden_states[-1][:, 1:].cpu().numpy()
                pooled[some] = made.pooler_output.cpu().numpy()
        return SemanticFeatures(tokens, pooled)
