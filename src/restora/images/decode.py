"""What all readers share: guarded decoding by Pillow, and its modes turned into pixels.

The plugins are called directly, not through ``Image.open``: that would warn about large pictures
through Python's warnings and change behaviour by module-wide settings, and neither is safe when
several threads read. The size is checked here instead, before anything is decoded.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFile

from restora.errors import InputError, RestoraError
from restora.images.picture import Alpha, Pixels, Space
from restora.images.samples import band, floats, pillow_floats, strips

__all__ = [
    "MORE_PIXELS",
    "SALVAGE",
    "Decoded",
    "Request",
    "check_size",
    "damaged",
    "from_pillow",
    "guarded",
    "load",
    "split",
]

# Remedies.
MORE_PIXELS = "Allow more with --max-megapixels (in Python: max_pixels), if you trust the file."
SALVAGE = "Use --salvage to restore the part that decodes."


@dataclass(frozen=True)
class Request:
    """What a reader was asked for: the name for messages, and how patient to be."""

    name: str
    salvage: bool
    max_pixels: int


@dataclass(frozen=True, eq=False)
class Decoded:
    """Pixels out of a file, in stored orientation; the fields are those of ``Picture``."""

    pixels: Pixels
    space: Space
    bits: int = 8
    alpha: Alpha | None = None


def damaged(request: Request, why: object) -> InputError:
    """The error for a file that is recognised but does not decode."""
    reason = str(why).strip().rstrip(".")
    return InputError(f"{request.name} is damaged and does not decode ({reason}).")


@contextmanager
def guarded(request: Request) -> Iterator[None]:
    """Turn whatever a decoder throws at a bad file into an ``InputError``."""
    try:
        yield
    except (RestoraError, MemoryError):
        raise
    except Exception as error:  # decoders raise a dozen kinds, from struct.error to SyntaxError
        raise damaged(request, error or type(error).__name__) from error


def check_size(request: Request, *, width_px: int, height_px: int) -> None:
    """Refuse empty and oversized pictures before a byte of them is decoded.

    Raises:
        InputError: A side is zero, or there are more pixels than asked for.
    """
    size = f"{width_px}×{height_px}"
    if width_px <= 0 or height_px <= 0:
        raise InputError(f"{request.name} says it is {size} pixels in size: there is no picture.")
    if width_px * height_px > request.max_pixels:
        raise InputError(
            f"{request.name} says it is {size} pixels in size, more than the limit of "
            f"{request.max_pixels:,} pixels.",
            remedy=MORE_PIXELS,
        )


def load(
    image: ImageFile.ImageFile, request: Request, *, low: ImageFile.ImageFile | None = None
) -> int | None:
    """Decode a lazily opened file.

    Args:
        image: Opened, size checked, nothing decoded yet.
        request: With ``salvage``, what decodes before the damage is kept.
        low: The same file once more, where ``image`` gives the high byte of each sample and this
            one the low; either byte may be 0 in all of a sound picture.

    Returns:
        None if all is well; with salvage, the number of rows up to the last one that holds
        anything, where decoding stopped early.

    Raises:
        InputError: It does not decode; with salvage, nothing of it does.
    """
    rows = [_load(part, request) for part in (image, low) if part is not None]
    if rows[0] is None:
        return None
    most = max(count or 0 for count in rows)
    if most == 0:
        raise InputError(f"{request.name} is damaged and nothing of it decodes.")
    return most


def _load(image: ImageFile.ImageFile, request: Request) -> int | None:
    try:
        image.load()
    except MemoryError:
        raise
    except Exception as error:
        if not request.salvage:
            if "truncated" in str(error):
                raise cut_off(request) from error
            raise InputError(damaged(request, error).message, remedy=SALVAGE) from error
        with guarded(request):  # a palette may be damaged too
            return _keep_partial(image)
    return None


def cut_off(request: Request, how_much: str = "") -> InputError:
    """The error for a file that ends early; ``how_much`` is a clause such as ``", 3 of 9 ..."``."""
    return InputError(f"{request.name} is cut off{how_much}.", remedy=SALVAGE)


def salvage_note(rows: int, height_px: int) -> str:
    """The sentence for the user about a rescued part."""
    if rows == height_px:
        return "The file is damaged: all rows could be decoded, but some of them may be wrong."
    percent = 100 * rows // height_px
    return f"The file is damaged: about {rows} of {height_px} rows ({percent} %) could be decoded."


def _keep_partial(image: ImageFile.ImageFile) -> int:
    """Make a half decoded image usable; returns the rows up to the last that holds anything."""
    if image._im is None:
        return 0
    args = image.tile[0].args if image.format == "BMP" else None
    upwards = isinstance(args, tuple) and args[-1] == -1  # the last row comes first
    image.tile = []  # nothing left to load: what is there is the picture
    parts = list(strips(image.height, image.width))
    for top, bottom in parts if upwards else reversed(parts):
        rows = np.flatnonzero(band(image, top, bottom).reshape(bottom - top, -1).any(axis=1))
        if rows.size:
            return image.height - top - int(rows[0]) if upwards else top + int(rows[-1]) + 1
    return 0


def split(image: Image.Image, *, colours: int) -> tuple[Pixels, Alpha]:
    """Pixels and alpha of an 8-bit image whose channel ``colours`` is the alpha."""
    alpha = np.asarray(image.getchannel(colours)).copy()
    return pillow_floats(image, channels=colours), alpha


def from_pillow(image: Image.Image, request: Request) -> Decoded:  # noqa: PLR0911 one line a mode
    """Pixels of a loaded Pillow image of any mode.

    Raises:
        InputError: The mode holds something that is not a picture of 8 or 16 bits.
    """
    image = _simpler(image)
    shape = (image.height, image.width, 1)
    match image.mode:
        case "L":
            return Decoded(pillow_floats(image, channels=1), "gray")
        case "RGB":
            return Decoded(pillow_floats(image, channels=3), "rgb")
        case "CMYK":
            return Decoded(pillow_floats(image, channels=4), "cmyk")
        case "LA":
            pixels, alpha = split(image, colours=1)
            return Decoded(pixels, "gray", alpha=alpha)
        case "RGBA":
            pixels, alpha = split(image, colours=3)
            return Decoded(pixels, "rgb", alpha=alpha)
        case "I;16" | "I;16B" | "I;16L":
            gray = floats(lambda top, end: band(image, top, end), shape=shape, peak=65535)
            return Decoded(gray, "gray", bits=16)
        case "I" if _fits_16_bits(image):
            gray = floats(lambda top, end: band(image, top, end), shape=shape, peak=65535)
            return Decoded(gray, "gray", bits=16)
    raise InputError(
        f"{request.name} holds {_KINDS.get(image.mode, image.mode)} samples; "
        f"Restora reads 8 and 16 bit gray, RGB and CMYK."
    )


_KINDS = {"F": "floating point", "I": "signed or 32-bit", "LAB": "Lab colour", "HSV": "HSV"}


def _simpler(image: Image.Image) -> Image.Image:
    """Reduce Pillow's many modes to few, without loss."""
    if "transparency" in image.info or image.mode in {"PA", "RGBa"}:
        # A palette entry or one colour is see-through. Straight to RGBA: the way over RGB warns.
        return image.convert("RGBA")
    simpler = {"1": "L", "P": "RGB", "RGBX": "RGB", "YCbCr": "RGB", "La": "LA"}.get(image.mode)
    return image.convert(simpler) if simpler else image


def _fits_16_bits(image: Image.Image) -> bool:
    low, high = image.getextrema()
    return (
        isinstance(low, int | float) and isinstance(high, int | float) and 0 <= low <= high < 65536
    )
