"""Pictures to files: upright, with everything they carried, all or nothing."""

from __future__ import annotations

import hashlib
import io
import os
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from restora.errors import OutputError, UsageError
from restora.images.atomic import write_atomically
from restora.images.cmyk import rgb_from_cmyk
from restora.images.exif import exif_turned_upright, exif_with_orientation
from restora.images.formats import WRITABLE, Container, format_of_suffix, writable_name
from restora.images.jpeg_segments import metadata_segments, with_metadata
from restora.images.orientation import apply_orientation, swaps_sides, xmp_with_orientation
from restora.images.picture import Alpha, Metadata, Picture, Space
from restora.images.png16 import encode_png16
from restora.images.png_chunks import SIGNATURE, metadata_chunks
from restora.images.samples import alpha_as, whole_numbers
from restora.images.tiff_write import encode_tiff

__all__ = ["check_writable", "encode", "write"]

_DEFAULT_QUALITY = 95
_EXIF_MIN_BYTES = 22  # header and a directory of one tag; anything shorter says nothing
_SUBSAMPLINGS = ("4:4:4", "4:2:2", "4:2:0")
_MODES = {
    (1, False): "L",
    (3, False): "RGB",
    (4, False): "CMYK",
    (1, True): "LA",
    (3, True): "RGBA",
}


def write(
    picture: Picture,
    path: str | os.PathLike[str],
    *,
    format: str | None = None,
    bits: int | None = None,
    quality: int | None = None,
    subsampling: str | None = None,
) -> None:
    """Write a picture to a file, whole or not at all.

    Args:
        picture: What to write.
        path: Where; an existing file is replaced in one step, and only by a finished one.
        format: As in :func:`encode`; None takes it from the suffix.
        bits: As in :func:`encode`.
        quality: As in :func:`encode`.
        subsampling: As in :func:`encode`.

    Raises:
        UsageError: The wishes contradict each other or the format.
        OutputError: The picture does not fit the format, or the disk refuses.
    """
    if format is None:
        format = format_of_suffix(path)
        if format not in WRITABLE:
            raise UsageError(
                f"The name {os.fspath(path)} does not say which format to write; "
                f"end it in .jpg, .png, .tif, .webp or .avif."
            )
    data = encode(picture, format=format, bits=bits, quality=quality, subsampling=subsampling)
    write_atomically(path, data)


def encode(
    picture: Picture,
    *,
    format: str,
    bits: int | None = None,
    quality: int | None = None,
    subsampling: str | None = None,
    quick: bool = False,
) -> bytes:
    """The bytes of a picture's file.

    Pixels and alpha are turned upright here, once, and the orientation in EXIF and XMP becomes 1.
    Where that turns anything, EXIF's width and height change places with the sides, and its
    thumbnail, which still lies as it did, is unlinked; no other byte changes.

    What a format cannot hold: WebP makes gray RGB; WebP and AVIF hold no resolution (EXIF's is
    kept); PNG, WebP and AVIF make CMYK sRGB; only JPEG keeps comments, JPEG and TIFF Photoshop's
    data, only PNG its texts and what it says of colour without a profile. A profile that would lie
    about the pixels, such as one of inks beside RGB, is left out.

    Args:
        picture: What to write.
        format: ``"JPEG"``, ``"PNG"``, ``"TIFF"``, ``"WebP"`` or ``"AVIF"``, in any spelling.
        bits: 8 or 16 a sample (16: PNG and TIFF). None: the source's, or 8 where the format has
            no other.
        quality: 1-100. None: 95 for JPEG and AVIF, lossless for WebP. 100 is lossless for WebP.
            Without meaning for PNG and TIFF, which always are.
        subsampling: ``"4:4:4"``, ``"4:2:2"`` or ``"4:2:0"``, for JPEG and AVIF; None: ``"4:4:4"``.
        quick: PNG of 8 bits: a larger file in a fraction of the time, to look at and throw away.

    Raises:
        UsageError: The wishes contradict each other or the format.
        OutputError: The picture does not fit the format.
    """
    check_writable(picture, format=format, bits=bits)
    if quality is not None and quality not in range(1, 101):
        raise UsageError(f"The quality is 1-100, not {quality}.")
    if subsampling is not None and subsampling not in _SUBSAMPLINGS:
        raise UsageError(
            f"The subsampling is one of {', '.join(_SUBSAMPLINGS)}, not {subsampling}."
        )
    name = writable_name(format)
    depth = _depth(picture, WRITABLE[name], bits)
    sheet = _prepare(picture, name, depth)
    match name:
        case "PNG" if depth == 16:
            return encode_png16(sheet.samples, alpha=sheet.alpha, metadata=sheet.metadata)
        case "PNG":
            return _encode_png8(sheet, quick=quick)
        case "TIFF":
            return encode_tiff(sheet.samples, alpha=sheet.alpha, metadata=sheet.metadata)
        case "JPEG":
            return _encode_jpeg(sheet, quality or _DEFAULT_QUALITY, subsampling)
        case "WEBP":
            return _encode_webp(sheet, quality)
    return _encode_avif(sheet, quality or _DEFAULT_QUALITY, subsampling)


def check_writable(picture: Picture, *, format: str, bits: int | None = None) -> None:
    """Refuse what :func:`encode` would refuse, before work is spent on the pixels.

    Args:
        picture: Any picture of the size, transparency and metadata to be written; what its pixels
            show does not matter.
        format: As in :func:`encode`.
        bits: As in :func:`encode`.

    Raises:
        UsageError: The wishes contradict each other or the format.
        OutputError: The picture or its metadata do not fit the format.
    """
    name = writable_name(format)
    box = WRITABLE[name]
    _depth(picture, box, bits)
    if picture.alpha is not None and not box.alpha:
        raise UsageError(
            f"{box.name} cannot hold transparency; save as PNG, TIFF, WebP or AVIF instead."
        )
    side = max(picture.height_px, picture.width_px)
    if side > box.side_max_px:
        raise OutputError(
            f"{box.name} holds pictures of at most {box.side_max_px} pixels a side, and this one "
            f"has {side}; save as PNG or TIFF instead."
        )
    if name == "JPEG":
        metadata_segments(_kept(picture.metadata, picture.space, name))


@dataclass(frozen=True, eq=False)
class _Sheet:
    """A picture ready for an encoder: upright whole numbers and the metadata that goes along."""

    samples: NDArray[Any]
    alpha: Alpha | None
    metadata: Metadata

    def image(self) -> Image.Image:
        """As a Pillow image of 8 bits."""
        height, width, colours = self.samples.shape
        mode = _MODES[(colours, self.alpha is not None)]
        samples = self.samples
        if self.alpha is not None:
            samples = np.concatenate([samples, self.alpha[..., None]], axis=2)
        return Image.frombuffer(mode, (width, height), samples, "raw", mode, 0, 1)


def _depth(picture: Picture, box: Container, bits: int | None) -> int:
    if bits is None:
        return picture.bits if picture.bits in box.depths else 8
    if bits not in {8, 16}:
        raise UsageError(f"A picture is written with 8 or 16 bits a sample, not {bits}.")
    if bits not in box.depths:
        raise UsageError(f"{box.name} holds 8 bits a sample only; save as PNG or TIFF for 16.")
    return bits


def _prepare(picture: Picture, name: str, depth: int) -> _Sheet:
    metadata = picture.metadata
    turn = metadata.orientation
    pixels = apply_orientation(picture.pixels, turn)
    space: Space = picture.space
    if space == "cmyk" and not WRITABLE[name].cmyk:
        pixels, space = rgb_from_cmyk(pixels, icc=metadata.icc), "rgb"
    alpha = picture.alpha
    if alpha is not None:
        alpha = alpha_as(apply_orientation(alpha, turn), bits=depth)
    if space == "gray" and (name == "WEBP" or (name == "AVIF" and alpha is not None)):
        space = "rgb"  # these encoders have no gray, or none with alpha
    return _Sheet(whole_numbers(pixels, bits=depth), alpha, _kept(metadata, space, name))


def _kept(metadata: Metadata, space: Space, name: str) -> Metadata:
    """The metadata for a file whose pixels stand upright."""
    exif, dpi, turn = metadata.exif, metadata.dpi, metadata.orientation
    if exif and turn == 1:
        exif = exif_with_orientation(exif, 1)
    elif exif:
        exif = exif_turned_upright(exif, swapped=swaps_sides(turn))
    return replace(
        metadata,
        icc=metadata.icc if _profile_fits(metadata.icc, space, name) else None,
        exif=exif,
        xmp=xmp_with_orientation(metadata.xmp, 1) if metadata.xmp else None,
        dpi=(dpi[1], dpi[0]) if dpi and swaps_sides(turn) else dpi,
        orientation=1,
    )


def _profile_fits(icc: bytes | None, space: Space, name: str) -> bool:
    """Whether a profile speaks of the kind of pixels the file will have."""
    if icc is None:
        return False
    of = {b"GRAY": "gray", b"RGB ": "rgb", b"CMYK": "cmyk"}.get(icc[16:20], space)
    # Much software puts sRGB's profile into gray JPEGs. Harmless, and theirs; PNG forbids it.
    return of == space or (of == "rgb" and space == "gray" and name != "PNG")


def _save(image: Image.Image, name: str, **options: Any) -> bytes:
    out = io.BytesIO()
    try:
        image.save(out, name, **options)
    except (OSError, ValueError, RuntimeError) as error:
        raise OutputError(f"The {name} encoder failed: {error}.") from error
    return out.getvalue()


def _encode_png8(sheet: _Sheet, *, quick: bool) -> bytes:
    data = _save(sheet.image(), "PNG", **({"compress_level": 1} if quick else {}))
    head = len(SIGNATURE) + 25  # IHDR always has 13 bytes and always comes first
    return data[:head] + metadata_chunks(sheet.metadata) + data[head:]


def _encode_jpeg(sheet: _Sheet, quality: int, subsampling: str | None) -> bytes:
    data = _save(
        sheet.image(),
        "JPEG",
        quality=quality,
        subsampling=subsampling or "4:4:4",
        optimize=True,
    )
    return with_metadata(data, sheet.metadata)


def _encode_webp(sheet: _Sheet, quality: int | None) -> bytes:
    lossless = quality is None or quality == 100
    # exact: keep the colours below fully transparent pixels. For lossless files quality is effort.
    return _save(
        sheet.image(),
        "WEBP",
        lossless=lossless,
        quality=50 if lossless else quality,
        alpha_quality=100,
        exact=True,
        icc_profile=sheet.metadata.icc or b"",
        exif=sheet.metadata.exif or b"",
        xmp=sheet.metadata.xmp or b"",
    )


def _encode_avif(sheet: _Sheet, quality: int, subsampling: str | None) -> bytes:
    image = sheet.image()
    if image.mode == "LA":
        image = image.convert("RGBA")  # Pillow's encoder knows no gray with alpha
    options: dict[str, Any] = {
        "quality": quality,
        "subsampling": "4:0:0" if image.mode == "L" else subsampling or "4:4:4",
        "icc_profile": sheet.metadata.icc or b"",
        "xmp": sheet.metadata.xmp or b"",
    }
    if image.mode == "RGBA":
        options["advanced"] = {"alpha:lossless": "1"}
    exif = sheet.metadata.exif
    if exif is None or len(exif) < _EXIF_MIN_BYTES:
        return _save(image, "AVIF", **options)
    # Pillow would take EXIF apart and write it anew, which breaks the maker's notes. So it gets an
    # empty one of the same length, and the true bytes replace it in the finished file.
    stand_in = _empty_exif(len(exif))
    data = _save(image, "AVIF", exif=stand_in, **options)
    if data.count(stand_in) != 1:
        raise OutputError("The AVIF encoder did not take the EXIF; save in another format.")
    return data.replace(stand_in, exif)


def _empty_exif(length: int) -> bytes:
    """A TIFF structure of that length with an empty directory, and a pattern found nowhere else."""
    pattern = hashlib.sha256(b"restora").digest()
    return (b"II*\0\x08\0\0\0" + bytes(6) + pattern * (length // 32 + 1))[:length]
