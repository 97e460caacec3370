"""Fetching a weight: its card, then the files the card names, into the cache.

The only place of Restora that goes to the network for weights, and only ``restora models --fetch``
calls it. The checksums in a card are its author's word for the files; whose card it is, only the
card's own checksum tells, if it came to the user on another way.
"""

from __future__ import annotations

import errno
import hashlib
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

from restora.errors import OutputError, UsageError, WeightsError
from restora.images.atomic import write_atomically
from restora.weights.cache import NAME, models_folder
from restora.weights.cards import ENCODER, Card
from restora.weights.download import (
    Progress,
    check_url,
    download,
    gives_up_encryption,
    read_small,
)
from restora.weights.onnx_check import check_onnx
from restora.weights.registry import MOST_CARD_BYTES, load_weight, parse_card, read_card, ships

try:
    import fcntl
except ImportError:  # Windows: two at once may then spoil each other's pieces, which is found
    fcntl = None  # type: ignore[assignment]

__all__ = ["Fetched", "fetch"]

# What flock says where another has the lock; anything else says that there are none, as on some
# disks of a network, which is then as on Windows.
_HELD = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)

Told = Callable[[str, int], Progress]


@dataclass(frozen=True)
class Fetched:
    """A weight that is in the cache now.

    Attributes:
        card: What it is.
        path: Its card in the cache.
        sha256: Checksum of the card.
        new: Whether it was not there before.
    """

    card: Card
    path: Path
    sha256: str
    new: bool


def fetch(
    source: str,
    *,
    sha256: str | None = None,
    told: Told = lambda *_: lambda *_: None,
) -> Fetched:
    """Fetch a weight into the cache, or what of it is not there yet.

    Args:
        source: The address of a card, or the path of one whose files name theirs.
        sha256: Checksum the card must have, if the user knows it.
        told: Called with the name and size of each file before it is fetched; gives what is then
            called with its progress.

    Raises:
        OutputError: The cache cannot be written.
        UsageError: The source or an address in the card cannot be used, or another weight has its
            name.
        WeightsError: Something cannot be had, or is not what the card says.
    """
    data, base = _read(source)
    digest = hashlib.sha256(data).hexdigest()
    if sha256 is not None and _normal(sha256) != digest:
        raise WeightsError(f"{source}: this card's SHA-256 is {digest}, not the one you expect.")
    card = parse_card(data, where=f"{source}: this card")
    _check_name(card.name)
    if card.method == ENCODER:
        raise WeightsError(f"{source}: this weight restores nothing by itself.")
    addresses = {part: _address(card, part, base, source) for part in card.files}
    folder = models_folder() / card.name
    path = folder / f"{card.name}.json"
    try:
        new = not _is_there(path, data, card)
        if new:
            new = _put(path, data, card, addresses=addresses, told=told)
        _clear(folder)
    except OSError as error:
        raise OutputError(f"{folder} cannot be written: {error.strerror}.") from error
    return Fetched(card, path, digest, new=new)


def _put(path: Path, data: bytes, card: Card, *, addresses: Mapping[str, str], told: Told) -> bool:
    """Bring a weight into the cache; False if another was faster."""
    digest = hashlib.sha256(data).hexdigest()
    unfinished = path.parent.with_name(f".{card.name}-{digest[:16]}")
    with _alone(unfinished):
        if _is_there(path, data, card):
            return False
        for part, url in addresses.items():
            _get(card, part, url, unfinished, told)
        write_atomically(unfinished / path.name, data)
        unfinished.rename(path.parent)
    return True


def _clear(folder: Path) -> None:
    """Remove what is left of other tries at a weight that is there: of older cards, too."""
    ours = re.compile(rf"(\.{re.escape(folder.name)}-[0-9a-f]{{16}})(\.lock)?")
    found = (ours.fullmatch(path.name) for path in folder.parent.iterdir())
    for name in {match[1] for match in found if match}:
        left = folder.with_name(name)
        with suppress(OSError, UsageError), _alone(left):  # unless one is at it
            shutil.rmtree(left)


def _read(source: str) -> tuple[bytes, str | None]:
    """The bytes of a card, and the address it came from, if from one."""
    if "://" in source:
        return read_small(source, most_bytes=MOST_CARD_BYTES)
    try:
        return read_card(Path(source)), None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(
            f"{source}: there is no such card ({reason}). --fetch takes the path of a card "
            "or its address, https://..."
        ) from error


def _normal(sha256: str) -> str:
    plain = sha256.strip().lower().removeprefix("sha256:")
    if not re.fullmatch("[0-9a-f]{64}", plain):
        raise UsageError(f"--sha256 is 64 hexadecimal digits, not {sha256!r}.")
    return plain


def _check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise WeightsError(
            f"The card's name is {name!r}; a fetched one has small letters, digits, '.', '-' and "
            "'_' alone, 64 at most, and no ending of a file."
        )
    if ships(name):
        raise UsageError(f"{name} is the name of what ships with Restora; no other may bear it.")


def _address(card: Card, part: str, base: str | None, source: str) -> str:
    """Where a file of a card is: as it says, or beside the card."""
    named = card.files[part].url
    if base is None and (named is None or "://" not in named):
        raise UsageError(
            f"{source}: this card does not say where its files are (files.{part}.url, http:// or "
            "https://). A card on this machine whose files lie beside it needs no fetching: "
            f"--model {source}"
        )
    address = check_url(urljoin(base or "", named or f"{card.name}.{part}.onnx"))
    if base is not None and gives_up_encryption(base, address):
        raise UsageError(f"{source}: names {address}, without encryption, which is not fetched.")
    return address


def _is_there(path: Path, data: bytes, card: Card) -> bool:
    """Whether this very weight is in the cache already, and whole.

    Raises:
        UsageError: Another of the same name is.
    """
    if not path.parent.exists():
        return False
    try:
        if path.read_bytes() == data:
            for part in card.files:
                load_weight(str(path), part)
            return True
    except (OSError, WeightsError) as error:
        raise UsageError(
            f"{card.name} was fetched before and is damaged; delete {path.parent} and try again."
        ) from error
    raise UsageError(
        f"Another weight named {card.name} was fetched before; delete {path.parent} to have this "
        "one instead."
    )


def _get(card: Card, part: str, url: str, folder: Path, told: Told) -> None:
    """One file of a card, checked."""
    file = card.files[part]
    target = folder / f"{card.name}.{part}.onnx"
    if not target.is_file():
        progress = told(target.name, file.size_bytes)
        download(url, target, size_bytes=file.size_bytes, sha256=file.sha256, progress=progress)
    data = target.read_bytes()
    if hashlib.sha256(data).hexdigest() != file.sha256:  # the disk's doing
        target.unlink()
        raise WeightsError(f"The file {target.name} is damaged; the same command fetches it anew.")
    check_onnx(data, name=target.name)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Make a folder for one to fetch into, and keep others of this machine out of it.

    Raises:
        OSError: It cannot be made.
        UsageError: Another is fetching the same.
    """
    lock = folder.with_name(f"{folder.name}.lock")
    folder.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        if fcntl is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno in _HELD:
                    raise UsageError("Another restora is fetching this weight right now.") from None
        yield
    lock.unlink(missing_ok=True)
