"""Pictures of two folders that belong together by their names. Nothing is decoded here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from restora.errors import InputError
from restora.images.enlarge import FACTORS
from restora.images.formats import format_of_suffix

__all__ = ["Pair", "factor_of", "pair_by_stem", "pictures_by_stem", "sots_key"]

NAMES_TOLD = 3  # of the files a message is about


@dataclass(frozen=True)
class Pair:
    """A degraded picture and its clean one.

    Attributes:
        stem: Of the degraded file, which tells pairs apart where several share a clean picture.
        degraded: Its file.
        clean: The file of the clean picture.
    """

    stem: str
    degraded: Path
    clean: Path


def pair_by_stem(
    degraded: Path, clean: Path, *, key: Callable[[str], str] | None = None
) -> list[Pair]:
    """Pair the pictures of two folders by their names without suffix.

    Order alone pairs wrongly from the first missing file on, and nothing shows it; so every
    picture must have its partner.

    Args:
        degraded: A folder; what lies in folders below it does not count.
        clean: A folder.
        key: From the stem of a degraded file to that of its clean one, such as :func:`sots_key`;
            several may then share a clean picture. None: they are equal.

    Returns:
        The pairs, sorted by the stem of the degraded file.

    Raises:
        InputError: A folder cannot be read or holds no pictures, two pictures of one folder have
            the same stem, or some have no partner.
    """
    bad, good = pictures_by_stem(degraded), pictures_by_stem(clean)
    wanted = {stem: stem if key is None else key(stem) for stem in bad}
    used = set(wanted.values())
    alone = [
        _without_partner(folder, files, other)
        for folder, files, other in (
            (degraded, [bad[stem] for stem in bad if wanted[stem] not in good], clean),
            (clean, [good[stem] for stem in good if stem not in used], degraded),
        )
        if files
    ]
    if alone:
        raise InputError(" ".join(alone))
    return [Pair(stem, bad[stem], good[wanted[stem]]) for stem in bad]


def pictures_by_stem(folder: Path) -> dict[str, Path]:
    """The pictures of a folder by their names without suffix, in order.

    Raises:
        InputError: The folder cannot be read or holds no pictures, or two differ in nothing but
            their suffix.
    """
    try:
        files = sorted(path for path in folder.iterdir() if _is_picture(path))
    except FileNotFoundError as error:
        raise InputError(f"There is no folder {folder}.") from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"{folder}: the folder cannot be read ({reason}).") from error
    if not files:
        raise InputError(f"{folder}: the folder holds no pictures.")
    found: dict[str, Path] = {}
    double = [path for path in files if found.setdefault(path.stem, path) != path]
    if double:
        raise InputError(
            f"{folder}: pictures are told apart by their names without suffix, and "
            f"{_listed(double)} {_are(double)} called like another there."
        )
    return dict(sorted(found.items()))


def sots_key(stem: str) -> str:
    """The clean picture's stem in RESIDE's naming: what stands before the first ``_``.

    >>> sots_key("0001_0.8_0.2")
    '0001'
    """
    return stem.partition("_")[0]


def _is_picture(path: Path) -> bool:
    hidden = path.name.startswith(".")  # such as what macOS keeps beside a picture
    return format_of_suffix(path) is not None and not hidden and path.is_file()


def _without_partner(folder: Path, files: list[Path], other: Path) -> str:
    count = len(files)
    noun = "picture" if count == 1 else "pictures"
    has = "has" if count == 1 else "have"
    return f"{count} {noun} of {folder} {has} no partner in {other}: {_listed(files)}."


def _listed(files: Iterable[Path]) -> str:
    names = [path.name for path in files]
    rest = len(names) - NAMES_TOLD
    return ", ".join(names[:NAMES_TOLD]) + (f" and {rest} more" if rest > 0 else "")


def _are(files: list[Path]) -> str:
    return "is" if len(files) == 1 else "are"


def factor_of(clean: Sequence[int], degraded: Sequence[int], pair: Pair) -> int:
    """How many times as large the clean picture of a pair is, 1-4.

    Args:
        clean: Its height and width; what follows does not count.
        degraded: Those of the degraded picture.
        pair: Their files, for the message.

    Raises:
        InputError: It is so by no whole factor up to 4.
    """
    (height, width), (low, narrow) = clean[:2], degraded[:2]
    for factor in FACTORS:
        if (height, width) == (low * factor, narrow * factor):
            return factor
    raise InputError(
        f"{pair.degraded} has {narrow}×{low} pixels and {pair.clean} {width}×{height}; the clean "
        f"picture of a pair is as large or {FACTORS[1]} to {FACTORS[-1]} times."
    )
