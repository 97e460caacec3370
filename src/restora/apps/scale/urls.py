"""URLs of pictures, as fsspec reads them: ``s3://``, ``gs://``, ``https://``, ``zip://…::…``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from restora._optional import require
from restora.errors import InputError, OutputError

CHAIN = "::"  # what is inside, and the URL of what it is inside of
_WEB = ("http://", "https://")
_LOCAL = ("file://", "local://")
_OPEN_MAX = 8  # archives (zip, tar) that are kept open
_REASON_MAX = 200  # characters


@dataclass(frozen=True)
class Location:
    """A place in a store.

    Attributes:
        files: A filesystem of fsspec.
        path: Where in it.
        inside_of: The URL of the archive that it is in; empty: in none.
    """

    files: Any
    path: str
    inside_of: str

    def url(self, path: str) -> str:
        """The URL of another path in the same store."""
        if self.inside_of:
            protocol = self.files.protocol
            first = protocol if isinstance(protocol, str) else protocol[0]
            return f"{first}://{path}{CHAIN}{self.inside_of}"
        return str(self.files.unstrip_protocol(path))


def local_path(text: str) -> str | None:
    """The path of this machine that is meant; None: a URL is."""
    if "://" not in text or os.path.lexists(text):
        return text
    protocol = next((start for start in _LOCAL if text.startswith(start)), None)
    if protocol is None or CHAIN in text:
        return None
    return text.removeprefix(protocol)


def locate(url: str) -> Location:
    """Find the store of a URL.

    Raises:
        Exception: Whatever its library raises; see :func:`reason`.
    """
    core = require("fsspec.core", extra="scale")
    if CHAIN not in url:
        files, path = core.url_to_fs(url)
        return Location(files, path, "")
    first, rest = url.split(CHAIN, 1)
    if "://" not in first:
        raise ValueError(f"{first} is no URL; begin with what is inside, such as zip://*.jpg")
    protocol, path = first.split("://", 1)
    inside_of = _whole(rest)
    return Location(_open_archive(protocol, inside_of), path.strip("/"), inside_of)


def _whole(rest: str) -> str:
    """A URL that means the same in another folder."""
    path = local_path(rest)
    return rest if path is None else f"file://{os.path.realpath(path)}"


@lru_cache(_OPEN_MAX)
def _open_archive(protocol: str, inside_of: str) -> Any:
    """Its list of contents is read once, not for every picture in it."""
    core = require("fsspec.core", extra="scale")
    return core.url_to_fs(f"{protocol}://{CHAIN}{inside_of}")[0]


def is_web(url: str) -> bool:
    """Whether this is read by HTTP, where folders are pages with links."""
    return url.startswith(_WEB)


def safe_place(place: str, *, url: str) -> str | None:
    """Where a picture of that URL stands below a folder of results; None: nowhere safe.

    Archives and stores may hold names that lead out of any folder.
    """
    if is_web(url):
        place = unquote(place.split("?", 1)[0].split("#", 1)[0])
    parts = place.split("/")
    bad = any(part in ("", ".", "..") for part in parts)
    return None if bad or any(sign in place for sign in ("\\", "\0", CHAIN)) else place


def is_absent(error: FileNotFoundError) -> bool:
    """Whether the file is not there; by HTTP, fsspec says so of whatever goes wrong."""
    cause = error.__cause__
    by_http = type(cause).__module__.startswith("aiohttp")
    return not by_http or getattr(cause, "status", 0) in (404, 410)


def reason(error: BaseException) -> str:
    """What a store's library complains about, in a few words."""
    if isinstance(error, FileNotFoundError):
        if error.__cause__ is not None and not is_absent(error):
            return reason(error.__cause__)
        return "it is not there"
    if isinstance(error, PermissionError):
        return "permission denied"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    words = (str(error).strip().splitlines() or [""])[0].rstrip(".")
    return words[:_REASON_MAX] or type(error).__name__


@contextmanager
def told(kind: type[InputError | OutputError], url: str) -> Iterator[None]:
    """Errors of a store's library as a sentence of that kind."""
    try:
        yield
    except (InputError, OutputError):
        raise
    except Exception as error:  # every library has its own
        verb = "written" if issubclass(kind, OutputError) else "read"
        raise kind(f"{url} cannot be {verb} ({reason(error)}).") from error
