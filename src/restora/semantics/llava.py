"""Captions of LLaVA-1.5 (Liu et al., CVPR 2024) through transformers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from restora._optional import require
from restora.errors import WeightsError
from restora.semantics.fingerprint import hash_tensors, hash_text, make_fingerprint
from restora.semantics.pictures import resize
from restora.semantics.pretrained import EXTRA, load_network, load_tokenizer, normalise
from restora.semantics.protocols import Floats

__all__ = ["INSTRUCTION", "LlavaCaptioner"]

BATCH = 4
MOST_NEW_TOKENS = 512  # SSP-IR's public code
NUMBERS_HASHED = 4096  # of each tensor: 28 GB would take a minute
PLACEHOLDER = "<image>"
PROMPT = "USER: {image}\n{instruction} ASSISTANT:"  # as LLaVA-1.5 was tuned

INSTRUCTION = (
    "Describe this image in detail as it would look without noise, blur or compression: "
    "the objects, their colours, materials and positions, and the surroundings."
)
"""What is asked where nothing else is: SSP-IR wants the clean picture described."""


class LlavaCaptioner:
    """A paragraph a picture; see :class:`restora.semantics.protocols.Captioner`.

    Line breaks become spaces. Greedy, so that a picture has one caption; SSP-IR's public code draws
    at temperature 0.2. The picture is squeezed into a square, not padded to one.
    """

    name = "llava"

    def __init__(
        self,
        source: str,
        *,
        instruction: str = INSTRUCTION,
        device: str = "cpu",
        dtype: str = "auto",
        most_new_tokens: int = MOST_NEW_TOKENS,
    ) -> None:
        """Load the network, once for all pictures.

        Args:
            source: A folder or hub id, such as ``llava-hf/llava-1.5-7b-hf``.
            instruction: What the model is asked.
            device: Where it runs, in PyTorch's words.
            dtype: Of its numbers; ``"auto"`` for what is stored.
            most_new_tokens: The longest caption.

        Raises:
            InputError, MissingExtra, WeightsError: See
                :func:`restora.semantics.pretrained.load_network`; also where the tokenizer knows
                no place for a picture.
        """
        self._torch = require("torch", extra=EXTRA)
        self._tokenizer = load_tokenizer(source)
        self._network = load_network(
            "LlavaForConditionalGeneration", source, device=device, dtype=dtype
        )
        config = self._network.config
        vision = config.vision_config
        self._side_px = int(vision.image_size)
        places = (self._side_px // int(vision.patch_size)) ** 2
        places += config.vision_feature_select_strategy == "full"  # keeps the class token
        self._instruction = instruction
        self._most_new_tokens = most_new_tokens
        prompt = PROMPT.format(image=PLACEHOLDER * places, instruction=instruction)
        self._prompt = self._tokenizer(prompt, return_tensors="pt")["input_ids"]
        if int((self._prompt == config.image_token_id).sum()) != places:
            raise WeightsError(f"The tokenizer of {source} does not know {PLACEHOLDER}.")

    @cached_property
    def _digest(self) -> str:
        weights = hash_tensors(self._network.state_dict(), most=NUMBERS_HASHED)
        return hash_text(weights, self._instruction)

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
                some = squares[start : start + BATCH]
                prompt = self._prompt.expand(len(some), -1).to(self._network.device)
                made = self._network.generate(
                    input_ids=prompt,
                    attention_mask=self._torch.ones_like(prompt),
                    pixel_values=normalise(some, self._network),
                    max_new_tokens=self._most_new_tokens,
                    do_sample=False,
                )
                answers = made[:, prompt.shape[1] :]
                words = self._tokenizer.batch_decode(answers, skip_special_tokens=True)
                sentences += [" ".join(sentence.split()) for sentence in words]
        return sentences
