"""Where fetched weights are kept, and which there are.

Every fetched weight has a folder of its own name with its card and files in it. A folder takes that
name when all of it is there and checked; until then its name starts with a dot.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from restora.errors import UsageError

__all__ = ["CACHE_VARIABLE", "NAME", "card_path", "fetched_names", "models_folder"]

CACHE_VARIABLE = "RESTORA_CACHE"
# What a fetched weight may be called: a plain file name everywhere, and no path of a weight file.
NAME = re.compile(r"(?!.*\.(?:json|onnx|pth?|safetensors)$)[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")


def models_folder() -> Path:
    """The folder of fetched weights, which need not exist.

    ``RESTORA_CACHE`` names the cache; else it is where caches of this system are.

    Raises:
        UsageError: It is in a home folder, and there is none.
    """
    chosen = os.environ.get(CACHE_VARIABLE)
    try:
        return (Path(chosen).expanduser() if chosen else _usual()) / "models"
    except RuntimeError as error:
        if chosen:
            raise UsageError(f"{CACHE_VARIABLE} is {chosen!r}: there is no such home.") from error
        raise UsageError(
            f"There is no home to keep fetched weights in: set {CACHE_VARIABLE} to a folder."
        ) from error


def card_path(name: str) -> Path | None:
    """The card of a fetched weight, or None if none of that name was fetched.

    Raises:
        UsageError: As for :func:`models_folder`, where ``RESTORA_CACHE`` is what is wrong.
    """
    folder = _to_look_in()
    if folder is None or not NAME.fullmatch(name):
        return None
    path = folder / name / f"{name}.json"
    try:
        return path if path.is_file() else None
    except OSError:  # nobody may look there
        return None


def fetched_names() -> list[str]:
    """Names of all that was fetched, in order.

    Raises:
        UsageError: As for :func:`card_path`.
    """
    folder = _to_look_in()
    try:
        folders = sorted(path.name for path in folder.iterdir()) if folder is not None else []
    except OSError:  # nothing was ever fetched
        return []
    return [name for name in folders if card_path(name) is not None]


def _to_look_in() -> Path | None:
    """The folder, or None where nothing can ever have been fetched: whoever runs has no home."""
    try:
        return models_folder()
    except UsageError:
        if os.environ.get(CACHE_VARIABLE):
            raise
        return None


def _usual() -> Path:
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
        return Path(local) / "restora" / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "restora"
    chosen = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # Relative ones are to be passed over: XDG Base Directory Specification.
    return (chosen if chosen.is_absolute() else Path.home() / ".cache") / "restora"
