"""How the literature measures JPEG repair: clean picture, JPEG, restored picture, three figures.

The clean uint8 picture is encoded at a quality, 4:2:0 in colour; the file's bytes go to the
restorer; its uint8 result is scored against the clean picture, no border left out; a figure is the
mean of the figures of the pictures. Pillow and OpenCV encode and decode to the same pixels.

Saved twice, as FBCNN's test of non-aligned double JPEG does it: encode at the first quality,
decode, drop rows at the top and columns at the left, encode at the second quality; the clean
picture is cropped alike.

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
from restora.evaluation.settings import (
    FBCNN_DOUBLE,
    LITERATURE,
    OAPT_DOUBLE,
    Setting,
    check_settings,
)

__all__ = ["USUAL_SETTINGS", "JpegProtocol", "decode", "degrade", "encode"]

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

# the gray files first: luma made from the colour files differs by at most 1
_GRAY_FOLDERS: Mapping[SetName, tuple[_Folder, ...]] = MappingProxyType(
    {
        "live1": (_LIVE1_GRAY, _LIVE1_COLOR),
        "classic5": (_CLASSIC5,),
        "bsds500": (_BSDS500,),
    }
)
_COLOR_FOLDERS: Mapping[SetName, tuple[_Folder, ...]] = MappingProxyType(
    {"live1": (_LIVE1_COLOR,), "bsds500": (_BSDS500,)}
)

USUAL_SETTINGS: Mapping[ProtocolName, tuple[Setting, ...]] = MappingProxyType(
    {
        "jpeg-gray": LITERATURE,
        "jpeg-color": LITERATURE,
        "jpeg-double": FBCNN_DOUBLE,
        "jpeg-oapt": OAPT_DOUBLE,
    }
)
"""What each protocol measures unless asked for something else: the published columns."""


@dataclass(frozen=True, slots=True)
class JpegProtocol:
    """One protocol on one test set at some settings.

    Attributes:
        name: ``"jpeg-gray"``, ``"jpeg-color"``, ``"jpeg-double"`` or ``"jpeg-oapt"``; the last two
            are gray.
        set: ``"live1"``, ``"classic5"`` (gray only) or ``"bsds500"``.
        settings: How the pictures are made bad, each once; empty means the published columns.

    Raises:
        UsageError: A name is unknown, the set has no such pictures, or a setting makes no sense.

    >>> [setting.quality for setting in JpegProtocol("jpeg-gray", "live1").settings]
    [10, 20, 30, 40]
    """

    name: ProtocolName
    set: SetName
    settings: tuple[Setting, ...] = ()

    def __post_init__(self) -> None:
        _check_name(self.name, names=get_args(ProtocolName), what="protocol")
        _check_name(self.set, names=get_args(SetName), what="test set")
        if self.set not in self._folders:
            raise UsageError(
                f"The test set {self.set} has no colour pictures; {self.name} runs on "
                f"{' or '.join(self._folders)}."
            )
        if not self.settings:
            object.__setattr__(self, "settings", USUAL_SETTINGS[self.name])
        check_settings(self.settings)

    @property
    def gray(self) -> bool:
        """Whether pictures are ``(H, W)``; else they are ``(H, W, 3)`` RGB."""
        return self.name != "jpeg-color"

    @property
    def _folders(self) -> Mapping[SetName, tuple[_Folder, ...]]:
        return _GRAY_FOLDERS if self.gray else _COLOR_FOLDERS

    def find(self, data: Path, *, limit: int | None = None) -> tuple[Path, ...]:
        """The clean pictures under the folder ``data``, by name, the first ``limit`` of them.

        Raises:
            UsageError: ``data`` holds no such pictures, or ``limit`` is under 1.
            InputError: A folder cannot be listed.
        """
        if limit is not None and limit < 1:
            raise UsageError(f"A limit of {limit} pictures leaves none; the least is 1.")
        folders = self._folders[self.set]
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


def degrade(clean: NDArray[np.uint8], setting: Setting) -> tuple[NDArray[np.uint8], bytes]:
    """The picture to score against, and the JPEG file to repair.

    Args:
        clean: ``(H, W)`` or ``(H, W, 3)`` RGB, 0-255.
        setting: One save or two.

    Returns:
        ``clean`` less the rows and columns that the shift drops, and the file of that size.

    >>> reference, file = degrade(np.zeros((24, 32), np.uint8), Setting(10, 30, (0, 4)))
    >>> reference.shape, decode(file).shape
    ((24, 28), (24, 28))
    """
    if setting.earlier is None:
        return clean, encode(clean, setting.quality)
    down, right = setting.shift_px
    once = decode(encode(clean, setting.earlier))[down:, right:]
    return clean[down:, right:], encode(np.ascontiguousarray(once), setting.quality)


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
