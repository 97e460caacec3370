"""One file over HTTP, to the size and checksum it was promised with; goes on where it broke off.

What has arrived lies in ``NAME.part``, and beside it, in ``NAME.mark``, which file of the server
that is. A server is asked to go on only where it still has that file (``If-Range``); one that does
not know how sends all anew. Whatever it does, the checksum of the whole decides at the end.
"""

from __future__ import annotations

import errno
import hashlib
import http.client
import json
import os
import re
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from restora.errors import OutputError, UsageError, WeightsError
from restora.weights.cards import LONGEST_REASON, one_line

__all__ = ["Progress", "check_url", "download", "gives_up_encryption", "read_small"]

Progress = Callable[[int, int], None]  # bytes there, and bytes in all

TIMEOUT_S = 30.0  # for the connection, and without a byte
SLOW_S = 60.0  # in which less than this comes: nobody waits for the end of that
SLOW_BYTES = 60_000
CHUNK_BYTES = 1 << 18
LONGEST_URL = 4000
_GOES_ON = "The same command goes on from there."


def check_url(url: str) -> str:
    """The address, if it is one that is fetched from.

    Raises:
        UsageError: It is none of http or https, or is no address.
    """
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    usable = usable and len(url) <= LONGEST_URL
    if not usable or not url.isascii() or re.search(r"[\s\x00-\x1f\x7f]", url):
        raise UsageError(
            f"{url[:LONGEST_REASON]!r} is no address that can be fetched: http:// or https:// only."
        )
    if parts.username is not None:
        raise UsageError("An address with a name or password in it is not fetched.")
    return url


def gives_up_encryption(before: str, after: str) -> bool:
    """Whether one address is of https, and the other not."""
    return urlsplit(before).scheme == "https" != urlsplit(after).scheme


def read_small(url: str, *, most_bytes: int) -> tuple[bytes, str]:
    """A small file whose size nobody promised, and the address it came from at last.

    Raises:
        UsageError: The address cannot be used.
        WeightsError: It cannot be had, or is larger than ``most_bytes``.
    """
    with _open(url, {}) as answer:
        length, data = answer.length, bytearray()
        try:
            for piece in _pieces(answer):
                data += piece
                if len(data) > most_bytes:
                    break
        except (OSError, http.client.HTTPException) as error:
            raise WeightsError(f"{url}: the download broke off ({_reason(error)}).") from error
        if len(data) > most_bytes:
            raise WeightsError(f"{url}: larger than the {most_bytes:,} bytes a card may have.")
        if length is not None and (missing := length - len(data)):
            raise WeightsError(f"{url}: the download broke off {missing} bytes before its end.")
        return bytes(data), str(answer.url)


def download(
    url: str, target: Path, *, size_bytes: int, sha256: str, progress: Progress = lambda *_: None
) -> None:
    """Fetch a file, or what of it is not there yet.

    Args:
        url: Where it is.
        target: Where it goes; its folder is there. Until all of it is there and right, it lies
            beside it as ``.part``, and another call goes on from that.
        size_bytes: How large it is. Not a byte more is ever taken.
        sha256: Its checksum, in hexadecimal.
        progress: Told of every piece that arrives.

    Raises:
        OutputError: The disk does not take it.
        UsageError: The address cannot be used.
        WeightsError: It cannot be had, the download broke off, or it is another file.
    """
    part = target.with_name(f"{target.name}.part")
    mark = target.with_name(f"{target.name}.mark")
    resumed = _fill(url, part, mark, size_bytes, progress)
    if _hash(part) != sha256 and resumed:  # the pieces were of two files: once more, from the start
        part.unlink()
        _fill(url, part, mark, size_bytes, progress)
    if _hash(part) != sha256:
        part.unlink()
        mark.unlink(missing_ok=True)
        raise WeightsError(
            f"{url}: not the file the card describes, its SHA-256 is another; nothing of it is "
            "kept."
        )
    try:
        part.replace(target)
        mark.unlink(missing_ok=True)
    except OSError as error:
        raise _unwritable(target, error) from error


def _fill(url: str, part: Path, mark: Path, size_bytes: int, progress: Progress) -> bool:
    """Bring ``part`` to its size; says whether some of it was there before."""
    there = part.stat().st_size if part.is_file() else 0
    if there > size_bytes:
        there = 0
    if there == size_bytes and part.is_file():
        return True
    known = _read_mark(mark, url)
    answer, there = _open_from(url, there, known, size_bytes)
    with answer:
        if there == 0:
            _check_length(url, answer, size_bytes)
        _check_space(part, size_bytes - there)
        # An answer that goes on need not say again which file it is of.
        validator = _validator(answer.headers) or (known if there else None)
        try:
            mark.write_text(json.dumps({"url": url, "validator": validator}))
            file = part.open("r+b" if there else "wb")
        except OSError as error:
            raise _unwritable(part, error) from error
        with file:
            file.seek(there)
            file.truncate()
            _copy(answer, file, size_bytes, progress)
    return there > 0


def _copy(answer: Any, file: Any, size_bytes: int, progress: Progress) -> None:
    """All that comes to the end of a file, which is on the disk then."""
    url, there, pieces = answer.url, file.tell(), _pieces(answer)
    progress(there, size_bytes)
    while True:
        try:
            piece = next(pieces, b"")
        except (OSError, http.client.HTTPException) as error:
            raise WeightsError(
                f"{url}: the download broke off after {there:,} of {size_bytes:,} bytes "
                f"({_reason(error)}). {_GOES_ON}"
            ) from error
        if not piece:
            break
        if there + len(piece) > size_bytes:
            raise WeightsError(f"{url}: sends more than the {size_bytes:,} bytes of the card.")
        try:
            file.write(piece)
        except OSError as error:
            raise _unwritable(Path(file.name), error) from error
        there += len(piece)
        progress(there, size_bytes)
    try:
        file.flush()
        os.fsync(file.fileno())
    except OSError as error:
        raise _unwritable(Path(file.name), error) from error
    if there < size_bytes:
        raise WeightsError(
            f"{url}: the download broke off after {there:,} of {size_bytes:,} bytes. {_GOES_ON}"
        )


def _pieces(answer: Any) -> Iterator[bytes]:
    """What comes, as it comes; an OSError if next to nothing does."""
    since, count = time.monotonic(), 0
    while piece := answer.read1(CHUNK_BYTES):
        yield piece
        count += len(piece)
        if time.monotonic() - since > SLOW_S:
            if count < SLOW_BYTES:
                raise TimeoutError(f"{count:,} bytes in the last {SLOW_S:.0f} seconds")
            since, count = time.monotonic(), 0


class _Refused(WeightsError):
    """A server answered, and not with the file."""

    def __init__(self, url: str, code: int) -> None:
        if 300 <= code < 400:
            said = "sends on to where nothing is fetched from, or in a circle"
        else:
            said = f"answers {code} {http.client.responses.get(code, '')}".rstrip()
        super().__init__(f"{url}: the server {said}.")
        self.code = code


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows a server to other addresses of the web, and never from a safe one to an open one."""

    def redirect_request(  # noqa: PLR0917 - theirs
        self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> Any:
        try:
            check_url(newurl)
        except UsageError:
            fp.close()
            raise
        if gives_up_encryption(req.full_url, newurl):
            fp.close()
            raise WeightsError(
                f"{req.full_url}: sent on to an address without encryption, refused."
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> urllib.request.OpenerDirector:
    """Opens http and https; none of the files and FTP that the usual one opens too."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _Redirects(),
    ):
        opener.add_handler(handler)
    return opener


def _open(url: str, asked: Mapping[str, str]) -> Any:
    headers = {"User-Agent": "restora", "Accept-Encoding": "identity", **asked}
    request = urllib.request.Request(check_url(url), headers=headers)
    try:
        return _opener().open(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        error.close()
        raise _Refused(url, error.code) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise WeightsError(f"{url}: cannot be reached ({_reason(error)}).") from error


def _open_from(url: str, there: int, validator: str | None, size_bytes: int) -> tuple[Any, int]:
    """The file from a byte on or, where the server will not have it so, from its start: 0."""
    if there and validator is not None:
        try:
            answer = _open(url, {"Range": f"bytes={there}-", "If-Range": validator})
        except _Refused as error:
            if error.code != http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
                raise
        else:
            if answer.status != http.client.PARTIAL_CONTENT:
                return answer, 0
            if _goes_on(answer, there, size_bytes):
                return answer, there
            answer.close()  # it would be so for ever
    return _open(url, {}), 0


def _goes_on(answer: Any, there: int, size_bytes: int) -> bool:
    """Whether a piece of a file starts at this byte; it may end before the file does."""
    told = answer.headers.get("Content-Range", "")
    return bool(re.fullmatch(rf"bytes {there}-[0-9]+/({size_bytes}|\*)", told))


def _check_length(url: str, answer: Any, size_bytes: int) -> None:
    if answer.length not in (None, size_bytes):
        raise WeightsError(
            f"{url}: has {answer.length:,} bytes, the card says {size_bytes:,}; nothing of it is "
            "taken."
        )


def _check_space(part: Path, needed: int) -> None:
    if shutil.disk_usage(part.parent).free < needed:
        raise _unwritable(part, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))


def _validator(headers: Any) -> str | None:
    """What tells this file of the server from a later one of the same address."""
    tag = headers.get("ETag")
    if tag and not tag.startswith("W/"):
        return str(tag)
    return None if headers.get("Last-Modified") is None else str(headers["Last-Modified"])


def _read_mark(mark: Path, url: str) -> str | None:
    try:
        kept = json.loads(mark.read_text())
        said = kept["validator"] if kept["url"] == url else None
    except (OSError, ValueError, TypeError, KeyError):  # none, or cut off with the machine
        return None
    usable = isinstance(said, str) and said.isascii() and said.isprintable()
    return said if usable else None


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _reason(error: BaseException) -> str:
    inner = getattr(error, "reason", None)
    if isinstance(inner, BaseException):
        error = inner
    # Some quote what a server sent.
    return one_line(getattr(error, "strerror", None) or str(error) or type(error).__name__)


def _unwritable(path: Path, error: OSError) -> OutputError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutputError(f"{path} cannot be written: the disk is full. {_GOES_ON}")
    return OutputError(f"{path} cannot be written: {_reason(error)}.")
