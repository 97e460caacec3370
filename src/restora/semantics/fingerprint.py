"""A short name for exactly these weights, and the check that a stored one still holds.

Features of one encoder mean nothing to a network that was trained on those of another, and nothing
but this name would show it: the shapes may well be equal.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from restora.errors import UsageError

__all__ = ["check_fingerprint", "hash_files", "hash_tensors", "hash_text", "make_fingerprint"]

HEX_DIGITS = 12


class Fingerprinted(Protocol):
    """Whatever has a fingerprint."""

    name: str

    def fingerprint(self) -> str: ...


def make_fingerprint(name: str, dimensions: Iterable[int], digest: str) -> str:
    """Such as ``minilm:384x16:0123456789ab``.

    Args:
        name: Of the kind of encoder.
        dimensions: What makes two encoders of the same weights differ.
        digest: From :func:`hash_files` or :func:`hash_tensors`.
    """
    return f"{name}:{'x'.join(map(str, dimensions))}:{digest[:HEX_DIGITS]}"


def hash_files(*files: Path) -> str:
    """SHA-256 over the bytes of files, in hexadecimal; their names do not count."""
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


def hash_tensors(tensors: Mapping[str, Any], *, most: int | None = None) -> str:
    """SHA-256 over PyTorch tensors in the order of their names, in hexadecimal.

    Args:
        tensors: Such as a state dict.
        most: How many numbers of each tensor count, its first; ``None`` for all. For networks of
            billions: whatever trains one changes nearly every tensor.
    """
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach()
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        numbers = tensor.reshape(-1)[:most].cpu()
        if numbers.is_floating_point():
            numbers = numbers.float()  # NumPy knows no bfloat16, and nothing shorter is lost
        digest.update(numbers.numpy().tobytes())
    return digest.hexdigest()


def hash_text(*texts: str) -> str:
    """SHA-256 over texts, in hexadecimal; where one ends and the next begins counts."""
    digest = hashlib.sha256()
    for text in texts:
        digest.update(hashlib.sha256(text.encode()).digest())
    return digest.hexdigest()


def check_fingerprint(stored: str, encoder: Fingerprinted, *, of: str = "This") -> None:
    """Refuse an encoder that is not the one a file was made with.

    Args:
        stored: The fingerprint in the checkpoint or the feature cache.
        encoder: What is about to be used with it.
        of: How the message calls the file.

    Raises:
        UsageError: They differ; the message names both.
    """
    now = encoder.fingerprint()
    if stored != now:
        raise UsageError(
            f"{of} was made with the encoder {stored}, but {now} is loaded: "
            f"load the first, or make it anew."
        )
