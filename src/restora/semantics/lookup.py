"""Encoders and captioners by what a recipe or an option calls them.

A kind alone (``minilm``), or a kind and what it needs (``clip:/models/clip-vit-large-patch14``).
PyTorch and transformers are imported by what needs them, when it is made.
"""

from __future__ import annotations

from collections.abc import Iterable

from restora.errors import UsageError
from restora.semantics.blip import BlipCaptioner
from restora.semantics.blip_vector import BlipVectorEncoder
from restora.semantics.clip_image import ClipImageEncoder
from restora.semantics.clip_text import ClipTextEncoder, OpenClipTextEncoder
from restora.semantics.efficientnet_encoder import EfficientNetEncoder
from restora.semantics.given_captions import EmptyCaptioner, FileCaptioner, StaticCaptioner
from restora.semantics.llava import LlavaCaptioner
from restora.semantics.minilm import MiniLMEncoder
from restora.semantics.onnx_encoder import OnnxImageEncoder
from restora.semantics.protocols import Captioner, ImageEncoder, TextEncoder
from restora.semantics.settings import split_settings
from restora.semantics.tag_captioner import TagCaptioner

__all__ = [
    "CAPTIONERS",
    "IMAGE_ENCODERS",
    "TEXT_ENCODERS",
    "load_captioner",
    "load_image_encoder",
    "load_text_encoder",
]

IMAGE_ENCODERS = ("lite0", "lite2", "clip:PATH", "blip-vector:PATH", "blip-tokens:PATH")
TEXT_ENCODERS = ("minilm", "clip:PATH", "openclip:PATH")
CAPTIONERS = ("tags", "file:FOLDER", "static:TEXT", "empty", "blip:PATH", "llava:PATH")


def load_image_encoder(name: str, *, device: str = "cpu") -> ImageEncoder:
    """An image encoder.

    Args:
        name: As :data:`IMAGE_ENCODERS` says; PATH is a folder or a hub id.
        device: Where it runs, in PyTorch's words; lite0, which ships, always runs on the CPU.

    Raises:
        UsageError: There is no such encoder.
        InputError, MissingExtra, WeightsError: It cannot be loaded.
    """
    match _split(name, IMAGE_ENCODERS, "image encoder"):
        case "lite0", _:
            return OnnxImageEncoder("lite0")
        case "clip", source:
            return ClipImageEncoder(source, device=device)
        case ("blip-vector" | "blip-tokens") as kind, source:
            return BlipVectorEncoder(source, patches=kind == "blip-tokens", device=device)
        case size, _:
            return EfficientNetEncoder(size, device=device)


def load_text_encoder(
    name: str, *, max_tokens: int | None = None, device: str = "cpu"
) -> TextEncoder:
    """A text encoder.

    Args:
        name: As :data:`TEXT_ENCODERS` says; PATH is a folder or a hub id.
        max_tokens: The longest sentence; ``None`` for 16 (minilm), 302 (clip) or 77 (openclip).
        device: Where it runs, in PyTorch's words; minilm always runs on the CPU.

    Raises:
        UsageError: There is no such encoder, or it cannot read that many tokens.
        InputError, MissingExtra, WeightsError: It cannot be loaded.
    """
    match _split(name, TEXT_ENCODERS, "text encoder"):
        case "minilm", _:
            return MiniLMEncoder() if max_tokens is None else MiniLMEncoder(max_tokens)
        case kind, source:
            tower = ClipTextEncoder if kind == "clip" else OpenClipTextEncoder
            return tower(source, max_tokens, device=device)


def load_captioner(name: str, *, device: str = "cpu", threads: int = 1) -> Captioner:
    """A captioner.

    Args:
        name: As :data:`CAPTIONERS` says; PATH is a folder or a hub id, and may end in settings such
            as ``?temperature=0``, see :mod:`restora.semantics.settings`; ``file:`` with no folder
            reads the texts beside the pictures.
        device: Where it runs, in PyTorch's words; tags, whose network ships, always run on the CPU.
        threads: Threads of tags; 0 takes every core.

    Raises:
        UsageError: There is no such captioner or setting.
        InputError, MissingExtra, WeightsError: It cannot be loaded.
    """
    match _split(name, CAPTIONERS, "captioner"):
        case "file", folder:
            return FileCaptioner(folder or None)
        case "static", text:
            return StaticCaptioner(text)
        case "empty", _:
            return EmptyCaptioner()
        case "blip", source:
            path, settings = split_settings("blip", source)
            return BlipCaptioner(path, device=device, **settings)
        case "llava", source:
            path, settings = split_settings("llava", source)
            return LlavaCaptioner(path, device=device, **settings)
        case _:
            return TagCaptioner(threads=threads)


def _split(name: str, known: Iterable[str], what: str) -> tuple[str, str]:
    """Kind and the rest of a name such as ``clip:PATH``.

    Raises:
        UsageError: No such kind, or it lacks its rest, or has one it does not take.
    """
    kind, colon, rest = name.partition(":")
    wanted = {form.partition(":")[0]: form for form in known}
    form = wanted.get(kind)
    if form is None:
        raise UsageError(f"There is no {what} {name!r}; there are {', '.join(wanted.values())}.")
    if bool(colon) != (":" in form) or (form.endswith(":PATH") and not rest):
        raise UsageError(f"The {what} {kind} is named {form}, not {name!r}.")
    return kind, rest
