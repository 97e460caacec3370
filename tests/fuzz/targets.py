"""What a fuzzer calls: bytes in, and nothing may come out but the errors that are documented.

Each target is a plain function. It returns where the bytes gave something sound or a clear refusal,
and raises where Restora did anything else; that is a finding.
"""

from __future__ import annotations

import json
import math
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from restora.errors import InputError, OutputError
from restora.images import Picture, encode, read_bytes
from restora.jpeg import JpegFacts, inspect
from restora.jpeg.constraint import NoBins, read_bins

__all__ = ["TARGETS"]

NAME = "odd.bin"
MAX_PIXELS = 1_000_000  # small, so that a fuzzer gets through many files in a second
_WRITTEN_PIXELS = 65_536
_FORMATS = ("PNG", "TIFF", "JPEG", "WebP")


def read(data: bytes) -> None:
    """`images.read_bytes`, patient and not."""
    for salvage in (False, True):
        picture = _read(data, salvage=salvage)
        if picture is not None:
            _check_picture(picture)


def look(data: bytes) -> None:
    """`jpeg.inspect`; with the search for an earlier save, which takes long, for one file in 16."""
    facts = _facts(data)
    if facts is None:
        return
    _check_facts(facts, data)
    if facts.width_px * facts.height_px <= MAX_PIXELS and zlib.crc32(data) % 16 == 0:
        with _no_warning():
            deeper = inspect(data, name=NAME, history=True)
        found = deeper.earlier_save
        assert found is None or 0 <= found.confidence <= 1
        assert deeper.model_copy(update={"looked_back": False, "earlier_save": None}) == facts


def coefficients(data: bytes) -> None:
    """`jpeg.constraint.read_bins`, and `jpeg.coefficients` below it."""
    facts = _facts(data)
    if facts is None or facts.width_px * facts.height_px > MAX_PIXELS:
        return
    try:
        with _no_warning():
            bins = read_bins(data, facts)
    except NoBins as reason:
        assert str(reason)
        assert not str(reason).endswith(".")
        return
    assert (bins.width_px, bins.height_px) == (facts.width_px, facts.height_px)
    for component in bins.components:
        across, down = component.ratio
        rows, columns = component.quantised.shape[:2]
        assert component.quantised.shape == component.known.shape == (rows, columns, 8, 8)
        assert component.quantised.dtype == np.int16
        assert component.known.dtype == np.bool_
        assert 8 * columns * across >= bins.width_px
        assert 8 * rows * down >= bins.height_px
        assert (component.table > 0).all()


def write(data: bytes) -> None:
    """Whatever is read can be written, with all it carries, and read again."""
    picture = _read(data, salvage=True)
    if picture is None or picture.height_px * picture.width_px > _WRITTEN_PIXELS:
        return
    form = _FORMATS[len(data) % len(_FORMATS)]
    if form == "JPEG" and picture.alpha is not None:
        form = "PNG"
    try:
        with _no_warning():
            again = read_bytes(encode(picture, format=form), name="again")
    except OutputError as error:
        _check_sentence(str(error))
        return
    sides = {(again.height_px, again.width_px), (again.width_px, again.height_px)}
    assert (picture.height_px, picture.width_px) in sides
    assert again.metadata.orientation == 1


TARGETS: dict[str, Callable[[bytes], None]] = {
    "read": read,
    "inspect": look,
    "coefficients": coefficients,
    "write": write,
}


def _read(data: bytes, *, salvage: bool) -> Picture | None:
    try:
        with _no_warning():
            return read_bytes(data, name=NAME, salvage=salvage, max_pixels=MAX_PIXELS)
    except InputError as error:
        _check_sentence(str(error))
        assert str(error).startswith(NAME)
    return None


def _facts(data: bytes) -> JpegFacts | None:
    try:
        with _no_warning():
            return inspect(data, name=NAME)
    except InputError as error:
        _check_sentence(str(error))
        assert str(error).startswith(NAME)
    return None


@contextmanager
def _no_warning() -> Iterator[None]:
    """A warning would reach the user, or break a program that turns warnings into errors."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    assert not caught, f"a warning: {caught[0].message}"


def _check_sentence(message: str) -> None:
    assert message.endswith(".") or "pip install" in message, message
    assert len(message) < 1000, message


def _check_picture(picture: Picture) -> None:
    pixels = picture.pixels
    assert pixels.dtype == np.float32
    assert 0 < picture.height_px * picture.width_px <= MAX_PIXELS
    # NaN is neither.
    assert pixels.min() >= 0
    assert pixels.max() <= 1
    if picture.alpha is not None:
        assert picture.alpha.shape == pixels.shape[:2]
    metadata = picture.metadata
    assert metadata.orientation in range(1, 9)
    assert metadata.dpi is None or all(math.isfinite(v) and v > 0 for v in metadata.dpi)
    assert picture.is_neutral in {True, False}
    for note in picture.notes:
        _check_sentence(note)


def _check_facts(facts: JpegFacts, data: bytes) -> None:
    assert JpegFacts.model_validate_json(facts.model_dump_json()) == facts
    assert facts.file_size_bytes == len(data)
    assert 1 <= facts.width_px <= 65535
    assert 1 <= facts.height_px <= 65535
    assert facts.scan_count >= 0
    assert 0 <= facts.coded_bytes <= len(data)
    assert 0 <= facts.trailing_bytes <= len(data)
    assert 0 <= facts.bits_per_pixel <= 8 * len(data)
    assert facts.orientation in {None, *range(1, 9)}
    assert facts.quality is None or 1 <= facts.quality.quality <= 100
    for thumbnail in facts.thumbnails:
        assert thumbnail.offset >= 0
        assert thumbnail.size_bytes > 0
        assert thumbnail.offset < len(data)
    for label, text in facts.rows():
        assert label
        # Whatever a stranger wrote into the file, a terminal gets one printable line.
        assert text.isprintable(), repr(text)
    json.dumps(facts.model_dump(mode="json"))
