"""SSP-IR, whatever runs its parts: one caption, one look and one noise for the whole picture.

Shapes: N tiles of H×W pixels, latents of c channels at h×w = H/f × W/f; L text tokens of D numbers;
T image tokens of F numbers from an image encoder, of D' refined.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from restora.engine.backend import Check, Draw, Encoded, Floats
from restora.engine.guidance import branches, combine
from restora.engine.latent_samplers import start_state, walk_latent
from restora.engine.latent_schedule import LatentSchedule
from restora.engine.words import reader_of
from restora.errors import WeightsError
from restora.semantics.context import one_row
from restora.semantics.words import encode_words
from restora.weights.cards import IMAGE_ENCODER, TEXT_ENCODER

if TYPE_CHECKING:
    from restora.networks.ssp_ir.config import SSPIRConfig

Array = Any  # of what runs the parts


@dataclass(frozen=True)
class Asked:
    """How a picture is sampled.

    Attributes:
        steps: Of the walk.
        sampler: ``ddpm`` or ``dpm-solver++``.
        text_guidance, image_guidance: How far words and picture count; 1 as it was taught.
        samples: Walks with noise of their own, whose mean is the result.
        prompt: The caption; empty for none.
        negative_prompt: What is told where the caption is not; empty for nothing.
        temperature: Share of the noise that counts, 0-1; 1 as it was taught.
    """

    steps: int
    sampler: str
    text_guidance: float = 1.0
    image_guidance: float = 1.0
    samples: int = 1
    prompt: str = ""
    negative_prompt: str = ""
    temperature: float = 1.0


@dataclass(frozen=True)
class Context:
    """What every tile of a picture shall know of the whole.

    Attributes:
        text: (N, L, D) of the caption.
        nothing: (N, L, D) of no caption, or of the negative one.
        image: (N, T, D') of the picture.
    """

    text: Floats
    nothing: Floats
    image: Floats

    def rows(self, count: int) -> Context:
        """N = ``count``: as they are, or one for all."""
        if len(self.image) == count:
            return self
        each = (self.text, self.nothing, self.image)
        return Context(*(np.repeat(array, count, axis=0) for array in each))


@dataclass(frozen=True)
class Told:
    """What the denoiser is told of N tiles at every step, as what runs it takes it.

    Attributes:
        anchor: (N, c, h, w), the latents a walk starts from.
        features: (N, C, h, w) of the Processor.
        text: (N, L, D).
        image: (N, T, D').
    """

    anchor: Array
    features: Array
    text: Array
    image: Array


class SspIrBackend(ABC):
    """An SSP-IR; see :class:`restora.engine.backend.Backend`.

    What runs it gives the five parts. No quality setting touches its work, so all of it is done in
    :meth:`encode`, and a session that tries settings pays for it once.
    """

    def __init__(self, config: SSPIRConfig, *, device: str = "cpu") -> None:
        """Load its image encoder; the text encoder follows when there are words.

        Args:
            config: The network's numbers.
            device: Where the encoders run, in PyTorch's words.

        Raises:
            InputError, MissingExtra, UsageError, WeightsError: The encoder cannot be loaded.
        """
        from restora.semantics.lookup import load_image_encoder  # noqa: PLC0415 - rarely needed

        self._config = config
        self._device = device
        self._schedule = LatentSchedule(**config.prior.schedule.model_dump())
        self._encoder = load_image_encoder(config.encoder, device=device) if config.image else None
        self._taught_words: str | None = None
        self._asked = Asked(min(config.walk, config.start_step + 1), config.sampler)

    @property
    def channels(self) -> int:
        return 3

    def check_encoders(self, taught: Mapping[str, str]) -> None:
        """Refuse encoders whose tokens mean something else than in training.

        The text encoder, which is not loaded yet, is held to it later.

        Args:
            taught: Fingerprints of those it was taught with, by role; what is not in it is not
                known.

        Raises:
            WeightsError: The image encoder is another.
        """
        self._taught_words = taught.get(TEXT_ENCODER)
        image = taught.get(IMAGE_ENCODER)
        if image is None or self._encoder is None or self._encoder.fingerprint() == image:
            return
        raise WeightsError(
            f"This SSP-IR was taught with the image encoder {image}, and {self._config.encoder} "
            f"is {self._encoder.fingerprint()} here."
        )

    def asked(self, asked: Asked) -> Self:
        """The same network, set to what a plan asks; this one stays as it is."""
        other = copy.copy(self)
        other._asked = asked
        return other

    def survey(
        self,
        pixels: Floats,
        *,
        alike: Context | None = None,  # noqa: ARG002 - it decides nothing, it tells
        check: Check = lambda: None,
    ) -> Context:
        config = self._config
        image: Floats = np.zeros((1, config.tokens, config.refiner.dim), np.float32)
        if self._encoder is not None:
            image = self._refine(one_row(self._encoder.encode(pixels[None]), config.tokens))
        check()
        text, nothing = self._words(self._asked.prompt, self._asked.negative_prompt)
        return Context(text, nothing, image)

    def encode(
        self, tiles: Floats, guidance: Context | None = None, *, draw: Draw | None = None
    ) -> Encoded:
        """All of the work; see :meth:`restora.engine.backend.Backend.encode`."""
        if guidance is None:
            told = [self.survey(tile) for tile in tiles]
            guidance = Context(
                *(np.concatenate(each) for each in zip(*map(_parts, told), strict=True))
            )
        restored = self._restore(tiles, guidance.rows(len(tiles)), draw)
        unseen = np.full(len(tiles), np.nan, np.float32)  # it knows nothing of qualities
        return Encoded(tiles, (restored,), unseen, guidance)

    def decode(
        self,
        encoded: Encoded,
        quality: float,  # noqa: ARG002 - it knows nothing of qualities
        *,
        insist: bool = False,  # noqa: ARG002
    ) -> Floats:
        restored: Floats = encoded.features[0]
        return restored

    def _words(self, *texts: str) -> list[Floats]:
        """The tokens (1, L, D) of captions, L the same for all, as in training."""
        config = self._config
        shape = (1, config.text_tokens, config.prior.token_dim)
        if not config.text or (config.null_text == "zeros" and not any(texts)):
            return [np.zeros(shape, np.float32)] * len(texts)
        reader = reader_of(config, self._taught_words, self._device)
        if config.null_text == "encoded":  # as many windows as the longest needs, none of zeros
            return np.split(reader.encode(texts).tokens, len(texts))
        told = [encode_words(text, reader, config.text_tokens) for text in texts]
        return [tokens * bool(text) for tokens, text in zip(told, texts, strict=True)]

    def _restore(self, tiles: Floats, context: Context, draw: Draw | None) -> Floats:
        """Restored tiles (N, H, W, C): the mean over the walks."""
        config, asked = self._config, self._asked
        count, height, width, _ = tiles.shape
        picture = self.put(tiles.transpose(0, 3, 1, 2))
        features, processed = self._process(picture)
        start = processed if config.start == "processed" else picture
        codec = config.prior.codec
        shape = (count, codec.latents, height // codec.factor, width // codec.factor)
        if config.start == "noise":
            anchor = self.put(np.zeros(shape, np.float32))
        else:
            anchor = self._compress(start)
        predict = _Guided(self, context, features, anchor, asked)
        total: Floats = np.zeros((count, 3, height, width), np.float32)
        for number in range(asked.samples):
            first = number * (asked.steps + 1)

            def noise(k: int, first: int = first) -> Array:
                drawn = np.zeros(shape, np.float32) if draw is None else draw(shape, first + k)
                return self.put(drawn * np.float32(asked.temperature))

            latent = walk_latent(
                self._schedule,
                start_state(self._schedule, anchor, noise(0), config.start_step),
                predict,
                noise,
                sampler=asked.sampler,
                steps=asked.steps,
                start_step=config.start_step,
            )
            total += self._take(self._decompress(latent))
        total /= asked.samples
        if config.keeps_detail:
            total += self._take(start - self._decompress(anchor))
        return total.transpose(0, 2, 3, 1)

    @abstractmethod
    def _refine(self, tokens: Floats) -> Floats:
        """Image tokens (N, T, D') of an encoder's (N, T, F)."""

    @abstractmethod
    def put(self, array: Floats) -> Array:
        """An array as what runs the parts takes it."""

    @abstractmethod
    def _take(self, array: Array) -> Floats:
        """An array back from there."""

    @abstractmethod
    def join(self, arrays: Sequence[Array]) -> Array:
        """Arrays there as one, along their first axis."""

    @abstractmethod
    def _process(self, picture: Array) -> tuple[Array, Array]:
        """The Processor's features (N, C, h, w), and the pictures (N, 3, H, W) it restored."""

    @abstractmethod
    def _compress(self, picture: Array) -> Array:
        """Latents (N, c, h, w) of pictures (N, 3, H, W)."""

    @abstractmethod
    def _decompress(self, latent: Array) -> Array:
        """Pictures (N, 3, H, W) of latents (N, c, h, w)."""

    @abstractmethod
    def denoise(self, state: Array, time: Array, told: Told) -> Array:
        """The clean latents (N, c, h, w) as the network sees them in states at timesteps (N,)."""


class _Guided:
    """The network with guidance: called with a state and a timestep, gives the clean latents.

    What does not change on the way is put together once.
    """

    def __init__(
        self, backend: SspIrBackend, context: Context, features: Array, anchor: Array, asked: Asked
    ) -> None:
        text_guidance = asked.text_guidance
        if np.array_equal(context.text, context.nothing):  # words lead nowhere: a look less
            text_guidance = asked.image_guidance
        self._backend = backend
        self._branches = branches(text_guidance, asked.image_guidance)
        self._count = len(context.image)
        text = [context.text if one.text else context.nothing for one in self._branches]
        image = [context.image * np.float32(one.image) for one in self._branches]
        self._told = Told(
            self._several(anchor),
            self._several(features),
            backend.put(np.concatenate(text)),
            backend.put(np.concatenate(image)),
        )

    def __call__(self, state: Array, t: int) -> Array:
        count, several = self._count, len(self._branches)
        time = self._backend.put(np.full(several * count, t, np.float32))
        seen = self._backend.denoise(self._several(state), time, self._told)
        rows = range(0, several * count, count)
        return combine(self._branches, [seen[row : row + count] for row in rows])

    def _several(self, array: Array) -> Array:
        """The same for every branch, all of them in one batch."""
        return self._backend.join([array] * len(self._branches))


def _parts(context: Context) -> tuple[Floats, Floats, Floats]:
    return context.text, context.nothing, context.image
