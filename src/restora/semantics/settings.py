"""Settings behind a captioner's path, such as ``llava:PATH?temperature=0&dtype=bfloat16``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from restora.errors import UsageError

__all__ = ["SETTINGS", "split_settings"]


def split_settings(kind: str, source: str) -> tuple[str, dict[str, Any]]:
    """A path, and the settings behind its question mark, as a captioner takes them.

    Args:
        kind: One of :data:`SETTINGS`.
        source: PATH, or PATH and ``?name=value``, more of them with ``&`` between; characters that
            mean something there are written as in web addresses.

    Raises:
        UsageError: There is no such setting, or it is not of that form or out of range.
    """
    path, _, rest = source.partition("?")
    known, found = SETTINGS[kind], {}
    try:
        pairs = parse_qsl(rest, keep_blank_values=True, strict_parsing=True) if rest else []
    except ValueError:
        raise UsageError(f"Settings are written ?name=value&name=value, not ?{rest}.") from None
    for name, value in pairs:
        if name not in known:
            raise UsageError(f"{kind} has no setting {name!r}; it has {', '.join(known)}.")
        try:
            found[name] = known[name](value)
        except ValueError as error:
            raise UsageError(f"{kind} cannot take {name}={value}: {error}") from None
    return path, found


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ValueError("it is a whole number from 1")
    return int(text)


def _seed(text: str) -> int:
    if not text.isdecimal() or int(text) >= 2**63:
        raise ValueError("it is a whole number from 0")
    return int(text)


def _temperature(text: str) -> float:
    return _number(text, lambda value: 0 <= value < float("inf"), "a number from 0")


def _share(text: str) -> float:
    return _number(text, lambda value: 0 < value <= 1, "above 0 and not above 1")


def _number(text: str, fits: Callable[[float], bool], wanted: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not fits(value):
        raise ValueError(f"it is {wanted}")
    return value


def _words(text: str) -> str:
    if not text.strip():
        raise ValueError("it is empty")
    return text


def _dtype(text: str) -> str:
    kinds = ("auto", "float32", "float16", "bfloat16")
    if text not in kinds:
        raise ValueError(f"it is one of {', '.join(kinds)}")
    return text


SETTINGS: Mapping[str, Mapping[str, Callable[[str], Any]]] = {
    "blip": {"most_new_tokens": _count, "dtype": _dtype},
    "llava": {
        "instruction": _words,
        "temperature": _temperature,
        "top_p": _share,
        "seed": _seed,
        "most_new_tokens": _count,
        "dtype": _dtype,
    },
}
"""What each kind of captioner can be told, by the names its class takes them under."""
