"""Captions of LLaVA-1.5 (Liu et al., CVPR 2024) through transformers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from restora._optional import require
from restora.errors import WeightsError
from restora.semantics.fingerprint import hash_tensors, hash_text, make_fingerprint
from restora.semantics.pictures import resize
from restora.semantics.pretrained import EXTRA, load_network, load_tokenizer, normalise
from restora.semantics.protocols import Floats

__all__ = ["INSTRUCTION", "LlavaCaptioner"]

BATCH = 4  # of greedy answers
TEMPERATURE, TOP_P = 0.2, 0.7  # SSP-IR's public code, and the next
MOST_NEW_TOKENS = 512
NUMBERS_HASHED = 4096  # of each tensor: 28 GB would take a minute
PLACEHOLDER = "<image>"
# vicuna_v1 without its opening sentences, as transformers has it.
PROMPT = "USER: {image}\n{instruction} ASSISTANT:"

INSTRUCTION = (
    "Describe this image in great detail, as it would look without noise, blur, compression or any "
    "other damage: every object, its colour, material, texture and position, and the surroundings."
)
"""What is asked where nothing else is: SSP-IR wants the clean picture described, at length."""


class LlavaCaptioner:
    """A paragraph a picture; see :class:`restora.semantics.protocols.Captioner`.

    Line breaks become spaces. Answers are drawn as SSP-IR's public code draws them, but from the
    same seed for every picture, so that on one machine a picture has one caption. The picture is
    squeezed into a square, not padded to one.
    """

    name = "llava"

    def __init__(
        self,
        source: str,
        *,
        instruction: str = INSTRUCTION,
        temperature: float = TEMPERATURE,
        top_p: float = TOP_P,
        seed: int = 0,
        device: str = "cpu",
        dtype: str = "auto",
        most_new_tokens: int = MOST_NEW_TOKENS,
    ) -> None:
        """Load the network, once for all pictures.

        Args:
            source: A folder or hub id, such as ``llava-hf/llava-1.5-7b-hf``.
            instruction: What the model is asked.
            temperature: How freely it answers; 0 takes the likeliest word every time.
            top_p: The share of the likeliest words that are drawn from, above 0 and up to 1.
            seed: Of the draws.
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
        self._most_new_tokens = most_new_tokens
        self._seed = seed
        self._drawing: dict[str, Any] = {"do_sample": False}
        self._asked: tuple[str, ...] = (instruction,)
        if temperature > 0:
            self._drawing = {
                "do_sample": True, "temperature": temperature, "top_p": top_p, "top_k": 0,
            }  # fmt: skip
            self._asked = (instruction, f"{temperature} {top_p} {seed}")
        prompt = PROMPT.format(image=PLACEHOLDER * places, instruction=instruction)
        self._prompt = self._tokenizer(prompt, return_tensors="pt")["input_ids"]
        if int((self._prompt == config.image_token_id).sum()) != places:
            raise WeightsError(f"The tokenizer of {source} does not know {PLACEHOLDER}.")

    @cached_property
    def _digest(self) -> str:
        weights = hash_tensors(self._network.state_dict(), most=NUMBERS_HASHED)
        return hash_text(weights, *self._asked)

    def fingerprint(self) -> str:
        return make_fingerprint(self.name, (self._most_new_tokens,), self._digest)

    def caption(
        self,
        pictures: Floats,
        names: Sequence[str] | None = None,  # noqa: ARG002 - it looks, it does not look up
    ) -> list[str]:
        squares = resize(pictures, self._side_px)
        # Draws of one picture must not depend on the others: each has a turn of its own.
        batch = 1 if self._drawing["do_sample"] else BATCH
        sentences: list[str] = []
        for start in range(0, len(squares), batch):
            sentences += self._answer(normalise(squares[start : start + batch], self._network))
        return sentences

    def _answer(self, pictures: Any) -> list[str]:
        """Captions of pictures (n, 3, S, S) as the network takes them."""
        torch, device = self._torch, self._network.device
        prompt = self._prompt.expand(len(pictures), -1).to(device)
        others = [] if device.type == "cpu" else [device]
        with torch.random.fork_rng(others, device_type=device.type), torch.inference_mode():
            torch.manual_seed(self._seed)
            made = self._network.generate(
                input_ids=prompt,
                attention_mask=torch.ones_like(prompt),
                pixel_values=pictures,
                max_new_tokens=self._most_new_tokens,
                **self._drawing,
            )
        answers = made[:, prompt.shape[1] :]
        words = self._tokenizer.batch_decode(answers, skip_special_tokens=True)
        return [" ".join(sentence.split()) for sentence in words]
