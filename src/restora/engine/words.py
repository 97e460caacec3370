"""The words a network is told of a picture: written once for the whole of it, or asked for.

A caption is never a secret: who wrote it, and what of it is not read, is in the plan.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from restora.engine.wishes import Wishes
from restora.errors import MissingExtra, UsageError, WeightsError
from restora.images import Picture
from restora.images.orientation import apply_orientation
from restora.semantics.lookup import TEXT_ENCODERS, load_captioner, load_text_encoder
from restora.semantics.protocols import Captioner, Floats, TextEncoder
from restora.semantics.words import describe, one_line, reading_of

if TYPE_CHECKING:
    from restora.networks.ssp_ir.config import SSPIRConfig

DEFAULT_CAPTIONER = "tags"
NOBODY = "empty"  # the captioner that writes nothing
ASKED = "asked"  # in the place of a captioner: a user wrote it


@dataclass(frozen=True)
class Words:
    """What is said of a picture.

    Attributes:
        prompt: The caption; empty for none.
        captioner: Who wrote it: the name of a captioner, or :data:`ASKED`; None: nobody did.
        why: The decision in words, a line each.
    """

    prompt: str
    captioner: str | None
    why: tuple[str, ...]


def write_words(
    picture: Picture,
    wishes: Wishes,
    config: SSPIRConfig,
    *,
    taught: str | None,
    device: str = "cpu",
    name: str | None = None,
) -> Words:
    """The caption that is asked for, or what a captioner says.

    Args:
        picture: Gray or RGB; captioners see it upright.
        wishes: What the user asks for.
        config: Of the network that reads it.
        taught: Fingerprint of the text encoder it was taught with; None: that is not known.
        device: Where captioner and encoder run, in PyTorch's words.
        name: The picture's path, which captions from files are found by.

    Raises:
        InputError: There is no caption of that name.
        MissingExtra: Words are asked for and what reads or writes them is not installed.
        UsageError: There is no such captioner, or it needs a name.
        WeightsError: The text encoder is another than the network was taught with.
    """
    if wishes.prompt is not None:
        return _asked(one_line(wishes.prompt), config, taught, device)
    try:
        captioner, reader = _tools(wishes, config, taught, device)
    except MissingExtra as error:
        if _asks(wishes):
            raise
        return Words("", None, (f"no caption: {error}",))
    assert captioner is not None  # nobody wrote one
    prompt = describe(_shown(picture), captioner, name)
    if not prompt:
        why = "asked for" if captioner.name == NOBODY else f"{captioner.name} wrote none"
        return Words("", captioner.name, (f"no caption: {why}",))
    told = f'caption by {captioner.name}: "{prompt}"'
    return Words(prompt, captioner.name, (told, *_why_unread(prompt, reader)))


def words_unseen(wishes: Wishes) -> Words:
    """The words of a picture that nobody looks at: those that are asked for, or none."""
    if wishes.prompt is None:
        return Words("", None, ("no caption: the picture was not looked at",))
    return _told(one_line(wishes.prompt))


def prepare_words(
    wishes: Wishes, config: SSPIRConfig, *, taught: str | None, device: str = "cpu"
) -> None:
    """Load what writes and reads captions now; see :func:`write_words`.

    Raises:
        MissingExtra, UsageError, WeightsError: As there.
    """
    try:
        _tools(wishes, config, taught, device)
    except MissingExtra:
        if _asks(wishes):
            raise


def reader_of(config: SSPIRConfig, taught: str | None, device: str) -> TextEncoder:
    """The text encoder of a network, loaded once a process.

    Args:
        config: The network.
        taught: Fingerprint of the encoder in its training; None: that is not known.
        device: Where it runs.

    Raises:
        InputError, MissingExtra: It cannot be loaded.
        UsageError: The weight does not say where it is.
        WeightsError: It is another than the network was taught with.
    """
    name = config.text_encoder
    if name in (form.removesuffix(":PATH") for form in TEXT_ENCODERS if form.endswith(":PATH")):
        raise UsageError(
            f"This SSP-IR reads words with {name} and does not say where it is: its network has "
            f"to name it as text_encoder, such as {name}:PATH."
        )
    reader = _load_reader(name, config.text_tokens, device)
    if taught is not None and reader.fingerprint() != taught:
        raise WeightsError(
            f"This SSP-IR was taught with the text encoder {taught}, and {name} is "
            f"{reader.fingerprint()} here."
        )
    return reader


@lru_cache(maxsize=2)
def _load_reader(name: str, max_tokens: int, device: str) -> TextEncoder:
    return load_text_encoder(name, max_tokens=max_tokens, device=device)


@lru_cache(maxsize=1)  # one may be of billions of weights
def _load_captioner(name: str, device: str) -> Captioner:
    return load_captioner(name, device=device)


def _asks(wishes: Wishes) -> bool:
    """Whether the user asks for words of any kind."""
    return bool(wishes.prompt or wishes.caption_model is not None or wishes.negative_prompt)


def _tools(
    wishes: Wishes, config: SSPIRConfig, taught: str | None, device: str
) -> tuple[Captioner | None, TextEncoder | None]:
    """Who writes the caption, where nobody did, and who reads it, where there is one to read."""
    captioner = None
    if wishes.prompt is None:
        name = DEFAULT_CAPTIONER if wishes.caption_model is None else wishes.caption_model
        captioner = _load_captioner(name, device)
    wordless = wishes.prompt == "" or wishes.caption_model == NOBODY
    reads = not wordless or bool(wishes.negative_prompt)
    return captioner, reader_of(config, taught, device) if reads else None


def _asked(prompt: str, config: SSPIRConfig, taught: str | None, device: str) -> Words:
    told = _told(prompt)
    if not prompt:
        return told
    unread = _why_unread(prompt, reader_of(config, taught, device))
    return Words(prompt, ASKED, (*told.why, *unread))


def _told(prompt: str) -> Words:
    return Words(
        prompt, ASKED, (f'caption asked for: "{prompt}"' if prompt else "no caption: asked for",)
    )


def _why_unread(prompt: str, reader: TextEncoder | None) -> tuple[str, ...]:
    if reader is None:
        return ()
    reading = reading_of(prompt, reader)
    if not reading.unread:
        return ()
    return (
        f"the text encoder reads {reading.used} of its {reading.total} tokens, so not: "
        f'"{" ".join(reading.unread)}"',
    )


def _shown(picture: Picture) -> Floats:
    """A picture as (H, W, 3), upright."""
    pixels = picture.pixels
    if picture.space == "gray":
        pixels = np.broadcast_to(pixels, (*pixels.shape[:2], 3))
    return apply_orientation(pixels, picture.metadata.orientation)
