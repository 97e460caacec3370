"""How the literature measures JPEG repair: clean picture, JPEG, restored picture, three figures.

The clean uint8 picture is encoded at a quality, 4:2:0 in colour; the file's bytes go to the
restorer; its uint8 result is scored against the clean picture, no border left out; a figure is the
mean of the figures of the pictures. Pillow and OpenCV encode and decode to the same pixels.

Gray means MATLAB's luma: BT.601 studio range, 16-235, rounded. LIVE1 and Classic5 come as such gray
files. BSDS500 is made gray here from the decoded RGB of its JPEG files; that convention gives the
published plain-JPEG row (27.80/0.768/25.10 at quality 10), full-range luma gives 27.04/0.769/24.31.
"""

from __future__ import annotations

import difflib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from restora.errors import InputError, UsageError
from restora.evaluation.metrics import studio_luma
from restora.evaluation.published import ProtocolName, SetName

__all__ = ["JpegProtocol", "check_qualities", "decode", "encode"]

_LOSSLESS = frozenset({".png", ".webp", ".bmp", ".tif", ".tiff", ".pgm", ".ppm"})


@dataclass(frozen=True, slots=True)
class _Folder:
    """Where a set's clean pictures lie under the data folder: a name, and the suffixes taken."""

    name: str
    suffixes: frozenset[str]
    usual: str


_LIVE1_GRAY = _Folder("live1_gray", _LOSSLESS, "*.png")
_LIVE1_COLOR = _Folder("live1_color", _LOSSLESS, "*.webp")
_CLASSIC5 = _Folder("classic5", _LOSSLESS, "*.png")
_BSDS500 = _Folder("bsds500_test", _LOSSLESS | {".jpg", ".jpeg"}, "*.jpg")

_FOLDERS: Mapping[tuple[ProtocolName, SetName], tuple[_Folder, ...]] = MappingProxyType(
    {
        # the gray files first: luma made from the colour files differs by at most 1
        ("jpeg-gray", "live1"): (_LIVE1_GRAY, _LIVE1_COLOR),
        ("jpeg-gray", "classic5"): (_CLASSIC5,),
        ("jpeg-gray", "bsds500"): (_BSDS500,),
        ("jpeg-color", "live1"): (_LIVE1_COLOR,),
        ("jpeg-color", "bsds500"): (_BSDS500,),
    }
)


@dataclass(frozen=True, slots=True)
class JpegProtocol:
    """One protocol on one test set at some JPEG qualities.

    Attributes:
        name: ``"jpeg-gray"`` or ``"jpeg-color"``.
        set: ``"live1"``, ``"classic5"`` (gray only) or ``"bsds500"``.
        qualities: JPEG qualities, 1-100, each once.

    Raises:
        UsageError: A name is unknown, the set has no such pictures, or a quality makes no sense.

    >>> JpegProtocol("jpeg-gray", "live1").qualities
    (10, 20, 30, 40)
    """

    name: ProtocolName
    set: SetName
    qualities: tuple[int, ...] = (10, 20, 30, 40)

    def __post_init__(self) -> None:
        _check_name(self.name, names=get_args(ProtocolName), what="protocol")
        _check_name(self.set, names=get_args(SetName), what="test set")
        if (self.name, self.set) not in _FOLDERS:
            others = " or ".join(s for protocol, s in _FOLDERS if protocol == self.name)
            raise UsageError(
                f"The test set {self.set} has no colour pictures; {self.name} runs on {others}."
            )
        check_qualities(self.qualities)

    @property
    def gray(self) -> bool:
        """Whether pictures are ``(H, W)``; else they are ``(H, W, 3)`` RGB."""
        return self.name == "jpeg-gray"

    def find(self, data: Path, *, limit: int | None = None) -> tuple[Path, ...]:
        """The clean pictures under the folder ``data``, by name, the first ``limit`` of them.

        Raises:
            UsageError: ``data`` holds no such pictures, or ``limit`` is under 1.
            InputError: A folder cannot be listed.
        """
        if limit is not None and limit < 1:
            raise UsageError(f"A limit of {limit} pictures leaves none; the least is 1.")
        folders = _FOLDERS[self.name, self.set]
        try:
            for folder in folders:
                paths = _pictures(data, folder)
                if paths:
                    return tuple(paths[:limit])
        except OSError as error:
            raise InputError(f"{data} cannot be searched for pictures: {error}.") from error
        expected = " or ".join(str(data / folder.name / folder.usual) for folder in folders)
        missing = "" if data.is_dir() else f"; there is no folder {data}"
        raise UsageError(
            f"The clean pictures of {self.set} were not found: {self.name} expects "
            f"{expected}{missing}."
        )

    def load(self, path: Path) -> NDArray[np.uint8]:
        """A clean picture: uint8, ``(H, W)`` or ``(H, W, 3)`` RGB, 0-255.

        Raises:
            InputError: The file is not a picture.
        """
        try:
            with Image.open(path) as image:
                picture = _pixels(image)
        except (OSError, SyntaxError) as error:  # PNG damage is a SyntaxError in Pillow
            raise InputError(f"{path} cannot be read as a picture: {error}.") from error
        if not self.gray:
            return picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=2)
        if picture.ndim == 2:
            return picture
        as_it_is = path.parent.name.lower() in (_LIVE1_GRAY.name, _CLASSIC5.name)
        if as_it_is and (picture == picture[..., :1]).all():  # studio gray stored as colour
            return np.ascontiguousarray(picture[..., 0])
        return studio_luma(picture)


def check_qualities(qualities: Sequence[int]) -> None:
    """Accept JPEG qualities of 1-100, each once.

    Raises:
        UsageError: There are none, or one makes no sense.
    """
    for quality in qualities:
        if not 1 <= quality <= 100:
            raise UsageError(f"A JPEG quality of {quality} does not exist; it runs from 1 to 100.")
    if not qualities:
        raise UsageError("No JPEG quality was given; the literature uses 10, 20, 30 and 40.")
    if len(set(qualities)) != len(qualities):
        raise UsageError(
            f"A JPEG quality is listed twice: {', '.join(str(quality) for quality in qualities)}."
        )


def encode(picture: NDArray[np.uint8], quality: int) -> bytes:
    """The JPEG file of ``(H, W)`` or ``(H, W, 3)`` RGB at a quality of 1-100, colour at 4:2:0."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality, subsampling="4:2:0")
    return file.getvalue()


def decode(data: bytes) -> NDArray[np.uint8]:
    """The pixels of a JPEG file: ``(H, W)`` if it is gray, else ``(H, W, 3)`` RGB, 0-255."""
    with Image.open(io.BytesIO(data)) as image:
        return _pixels(image)


def _pixels(image: Image.Image) -> NDArray[np.uint8]:
    """``(H, W)`` for gray files, else ``(H, W, 3)`` RGB."""
    return np.asarray(image if image.mode == "L" else image.convert("RGB"), dtype=np.uint8)


def _pictures(data: Path, folder: _Folder) -> list[Path]:
    """The pictures of ``folder`` by name; its case does not matter (FBCNN has ``Classic5``)."""
    if not data.is_dir():
        return []
    places = sorted(p for p in data.iterdir() if p.name.lower() == folder.name and p.is_dir())
    return sorted(
        path
        for place in places[:1]
        for path in place.iterdir()
        if path.suffix.lower() in folder.suffixes and not path.name.startswith(".")
    )


def _check_name(name: str, *, names: Sequence[str], what: str) -> None:
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.4)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise UsageError(f"There is no {what} {name!r}.{hint} Known are {', '.join(names)}.")
