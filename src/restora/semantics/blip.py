"""Captions of BLIP (Li et al., ICML 2022) through transformers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from restora._optional import require
from restora.semantics.fingerprint import hash_tensors, make_fingerprint
from restora.semantics.pictures import resize
from restora.semantics.pretrained import EXTRA, load_network, load_tokenizer, normalise
from restora.semantics.protocols import Floats

__all__ = ["BlipCaptioner"]

BATCH = 8
MOST_NEW_TOKENS = 40


class BlipCaptioner:
    """One short sentence a picture; see :class:`restora.semantics.protocols.Captioner`.

    Greedy, so that a picture has one caption.
    """

    name = "blip"

    def __init__(
        self,
        source: str,
        *,
        device: str = "cpu",
        dtype: str = "float32",
        most_new_tokens: int = MOST_NEW_TOKENS,
    ) -> None:
        """Load the network.

        Args:
            source: A folder or hub id, such as ``Salesforce/blip-image-captioning-base``.
            device: Where it runs, in PyTorch's words.
            dtype: Of its numbers, such as ``"bfloat16"``.
            most_new_tokens: The longest caption.

        Raises:
            InputError, MissingExtra, WeightsError: See
                :func:`restora.semantics.pretrained.load_network`.
        """
        self._torch = require("torch", extra=EXTRA)
        self._tokenizer = load_tokenizer(source)
        self._network = load_network(
            "BlipForConditionalGeneration", source, device=device, dtype=dtype
        )
        self._side_px = int(self._network.config.vision_config.image_size)
        self._most_new_tokens = most_new_tokens

    @cached_property
    def _digest(self) -> str:
        return hash_tensors(self._network.state_dict())

    def fingerprint(self) -> str:
        return make_fingerprint(self.name, (self._most_new_tokens,), self._digest)

    def caption(
        self,
        pictures: Floats,
        names: Sequence[str] | None = None,  # noqa: ARG002 - it looks, it does not look up
    ) -> list[str]:
        squares = resize(pictures, self._side_px)
        sentences: list[str] = []
        with self._torch.inference_mode():
            for start in range(0, len(squares), BATCH):
                made = self._network.generate(
                    pixel_values=normalise(squares[start : start + BATCH], self._network),
                    max_new_tokens=self._most_new_tokens,
                    do_sample=False,
                )
                words = self._tokenizer.batch_decode(made, skip_special_tokens=True)
                sentences += [" ".join(sentence.split()) for sentence in words]
        return sentences
