"""Files to pictures.

The content decides what a file is, never its name. Every problem is one sentence with the name of
the file; problems with metadata are notes on the picture, because the pixels are still good.
"""

from __future__ import annotations

import io
import os
import stat
import threading
import warnings
from dataclasses import replace
from pathlib import Path

from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    WebPImagePlugin,
)

from restora.errors import InputError
from restora.images.decode import (
    Request,
    check_size,
    damaged,
    from_pillow,
    guarded,
    load,
    salvage_note,
)
from restora.images.formats import format_of_suffix
from restora.images.gif_lean import lean_gif
from restora.images.jpeg_read import read_jpeg
from restora.images.left_out import more
from restora.images.metadata_in import RawMetadata
from restora.images.picture import Picture
from restora.images.png_read import read_png
from restora.images.ppm_read import read_ppm
from restora.images.tiff_read import read_tiff
from restora.images.webp_size import webp_size
from restora.jpeg.sniff import no_picture, sniff

__all__ = ["MAX_BYTES", "MAX_PIXELS", "read", "read_bytes", "read_file"]

MAX_PIXELS = 250_000_000  # 3 GB as float32; larger than any camera's single shot
MAX_BYTES = 2_000_000_000  # so many pixels of 16-bit RGB as TIFF, and some more

_OWN_READERS = {"JPEG": read_jpeg, "PNG": read_png, "TIFF": read_tiff, "PPM": read_ppm}
_PLUGINS: dict[str, type[ImageFile.ImageFile]] = {
    "WEBP": WebPImagePlugin.WebPImageFile,
    "AVIF": AvifImagePlugin.AvifImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "GIF": GifImagePlugin.GifImageFile,
}
_RUNS_MAX_PIXELS = 25_000_000  # half a minute
_RUNS_SPARE_BYTES = 1 << 20
_WARNINGS_LOCK = threading.Lock()


def read(
    path: str | os.PathLike[str],
    *,
    salvage: bool = False,
    max_pixels: int = MAX_PIXELS,
    max_bytes: int = MAX_BYTES,
) -> Picture:
    """Read a picture from a file.

    Args:
        path: JPEG, PNG, TIFF, WebP, AVIF, BMP, PPM or GIF.
        salvage: Keep the part of a damaged file that decodes.
        max_pixels: Refuse larger pictures by their header, before they are decoded.
        max_bytes: Refuse larger files before they are read.

    Returns:
        The picture in stored orientation; ``notes`` says what was odd.

    Raises:
        InputError: The file is missing, unreadable, damaged, too large or no picture.
    """
    return read_bytes(
        read_file(path, max_bytes=max_bytes),
        name=os.fspath(path),
        salvage=salvage,
        max_pixels=max_pixels,
        max_bytes=max_bytes,
    )


def read_file(path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES) -> bytes:
    """The bytes of a file, or of what a link points to.

    Args:
        path: The file.
        max_bytes: Refuse larger ones.

    Raises:
        InputError: It is missing, unreadable, too large or no regular file; a pipe would keep us
            waiting for ever.
    """
    name = os.fspath(path)
    try:
        status = Path(path).stat()
        kind = status.st_mode
        if stat.S_ISDIR(kind):
            raise InputError(f"{name} is a folder, not a picture.")
        if not stat.S_ISREG(kind):
            raise InputError(f"{name} is a pipe, a socket or a device, not a file with a picture.")
        _check_bytes(status.st_size, name, max_bytes)
        with Path(path).open("rb") as file:
            data = file.read(status.st_size + 1)
            if len(data) > status.st_size:  # it grows, or lies about its size
                data += file.read(max_bytes + 1 - len(data))
        _check_bytes(len(data), name, max_bytes)
    except FileNotFoundError as error:
        raise InputError(f"There is no file {name}.") from error
    except PermissionError as error:
        raise InputError(f"{name} may not be read: permission denied.") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise InputError(f"{name} cannot be read ({reason or error}).") from error
    return data


def _check_bytes(count: int, name: str, max_bytes: int) -> None:
    if count > max_bytes:
        raise InputError(
            f"{name} has {count:,} bytes, more than the limit of {max_bytes:,}.",
            remedy="--max-megabytes allows more.",
        )


def read_bytes(
    data: bytes,
    *,
    name: str,
    salvage: bool = False,
    max_pixels: int = MAX_PIXELS,
    max_bytes: int = MAX_BYTES,
) -> Picture:
    """Read a picture from the bytes of a file.

    Args:
        data: The whole file.
        name: What messages call it; its suffix is compared with the content.
        salvage: Keep the part of a damaged file that decodes.
        max_pixels: Refuse larger pictures by their header, before they are decoded.
        max_bytes: Refuse longer data.

    Returns:
        The picture in stored orientation; ``notes`` says what was odd.

    Raises:
        InputError: The bytes are damaged, too large or no picture.
    """
    _check_bytes(len(data), name, max_bytes)
    if reason := no_picture(data, name=name):
        raise InputError(reason)
    found = sniff(data) or ""
    request = Request(name, salvage=salvage, max_pixels=max_pixels)
    reader = _OWN_READERS.get(found)
    if reader is not None:
        with guarded(request):
            picture = reader(data, request)
    else:
        picture = _read_by_plugin(data, found, request)
    promised = format_of_suffix(name)
    if promised not in {None, found}:
        note = f"The name says {promised}, the content is {found}; the content was believed."
        picture = replace(picture, notes=(*picture.notes, note))
    return picture


def _read_by_plugin(data: bytes, found: str, request: Request) -> Picture:
    lean = lean_gif(data, request) if found == "GIF" else None
    if found == "WEBP" and (size := webp_size(data)) is not None:
        check_size(request, width_px=size[0], height_px=size[1])
    try:
        image = _open(lean.data if lean else data, found)
    except Image.DecompressionBombError as error:
        raise InputError(f"{request.name} is larger than the WebP reader accepts.") from error
    except MemoryError:
        raise
    except Exception as error:
        if _is_cut_riff(data):
            raise _cut_riff(request) from error
        raise damaged(request, error or "its header makes no sense") from error
    check_size(request, width_px=image.width, height_px=image.height)
    if found == "BMP":
        _check_runs(image, data, request)
    try:
        rows = load(image, request)
    except InputError as error:
        if _is_cut_riff(data):
            raise _cut_riff(request) from error
        raise
    notes = [] if rows is None else [salvage_note(rows, image.height)]
    with guarded(request):
        decoded = from_pillow(image, request)
    if lean:  # the decoder was given one frame; to count the others takes longer than to find one
        left_out = "more frames" if lean.animated else None
    else:
        left_out = more(getattr(image, "n_frames", 1) - 1, "frame")
    if left_out:
        notes.append("The file is animated; its first frame was taken.")
    raw = _metadata(image)
    raw.comment = lean.comment if lean else raw.comment
    metadata = raw.settle()
    return Picture(
        pixels=decoded.pixels,
        space=decoded.space,
        bits=decoded.bits,
        alpha=decoded.alpha,
        metadata=metadata,
        format=found,
        notes=(*notes, *raw.notes),
        left_out=left_out,
    )


def _open(data: bytes, found: str) -> ImageFile.ImageFile:
    plugin = _PLUGINS[found]
    if found != "AVIF" or b"Exif" not in data[:65536]:
        return plugin(io.BytesIO(data))
    # Pillow parses EXIF while it opens AVIF, warns if that is damaged, and offers no way around.
    # Python's filters belong to the whole process, so at least no two of our threads change them.
    with _WARNINGS_LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return plugin(io.BytesIO(data))


def _metadata(image: Image.Image) -> RawMetadata:
    def raw_bytes(key: str) -> bytes | None:
        value = image.info.get(key)
        return value if isinstance(value, bytes) else None

    raw = RawMetadata(
        icc=raw_bytes("icc_profile"),
        exif=raw_bytes("exif"),
        xmp=raw_bytes("xmp"),
        comment=raw_bytes("comment"),
    )
    dpi = image.info.get("dpi")
    if isinstance(dpi, tuple) and len(dpi) == 2:
        raw.dpi = (float(dpi[0]), float(dpi[1]))
    return raw


def _check_runs(image: ImageFile.ImageFile, data: bytes, request: Request) -> None:
    """Refuse run-length coded BMPs that would take long: Pillow decodes them in Python."""
    if not image.tile or image.tile[0].codec_name != "bmp_rle":
        return
    pixels = image.width * image.height
    if pixels > _RUNS_MAX_PIXELS:
        raise InputError(
            f"{request.name} is a run-length coded BMP of {image.width}×{image.height} pixels, and "
            f"those are read up to {_RUNS_MAX_PIXELS:,} pixels; save it as PNG."
        )
    if len(data) > 4 * pixels + _RUNS_SPARE_BYTES:
        raise damaged(request, "it holds far more data than its size needs")


def _cut_riff(request: Request) -> InputError:
    return InputError(f"{request.name} is cut off, and of a cut WebP nothing decodes.")


def _is_cut_riff(data: bytes) -> bool:
    return data[:4] == b"RIFF" and int.from_bytes(data[4:8], "little") + 8 > len(data)
