"""Small files of every format to start from, made by code."""

from __future__ import annotations

import io
import struct
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import Image

from restora.images import Metadata, Picture, encode
from restora.images.png_chunks import chunk

__all__ = ["made", "of_folder"]

_SIZE = (19, 27)  # no multiple of a block, and a block in every direction


@cache
def made() -> tuple[bytes, ...]:
    """A file for each way of coding that Restora reads: about 60, most below 2 kB."""
    return (*_jpegs(), *_pngs(), *_tiffs(), *_others())


def of_folder(folder: Path, *, most_bytes: int) -> list[bytes]:
    """The files of a folder that are not larger than so many bytes, by name."""
    paths = sorted(path for path in folder.iterdir() if path.is_file())
    return [path.read_bytes() for path in paths if path.stat().st_size <= most_bytes]


def _samples(channels: int, *, bits: int = 8) -> Any:
    """Something between a gradient and noise."""
    height, width = _SIZE
    down, across = np.mgrid[0:height, 0:width]
    noise = np.random.default_rng(3).integers(0, 40, (height, width, channels))
    planes = np.stack([across * 6 + down * (k + 1) for k in range(channels)], axis=-1) + noise
    whole = np.clip(planes, 0, 255).astype(np.uint8)
    return whole if bits == 8 else whole.astype(np.uint16) * np.uint16(257)


def _picture(space: Any, *, bits: int = 8, alpha: bool = False) -> Picture:
    channels = {"gray": 1, "rgb": 3, "cmyk": 4}[space]
    samples = _samples(channels + 1, bits=bits)
    peak = np.float32((1 << bits) - 1)
    return Picture(
        pixels=samples[..., :channels] / peak,
        space=space,
        bits=bits,
        alpha=np.ascontiguousarray(samples[..., channels]) if alpha else None,
        metadata=Metadata(
            icc=struct.pack(">I", 140) + b"test\x04\x30\0\0mntrRGB XYZ " + bytes(116),
            exif=_EXIF,
            xmp=b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>',
            dpi=(300.0, 300.0),
            orientation=6,
            comment=b"a comment",
            photoshop=b"8BIM\x04\x04\0\0\0\0\0\0",
            png=chunk(b"gAMA", struct.pack(">I", 100_000)) + chunk(b"tEXt", b"Title\0a title"),
        ),
    )


# Orientation, resolution, a directory below with a note, and a second directory with a thumbnail.
_EXIF = (
    b"II*\0\x08\0\0\0"
    + struct.pack("<H", 3)
    + struct.pack("<HHII", 0x0112, 3, 1, 6)
    + struct.pack("<HHII", 0x011A, 5, 1, 100)
    + struct.pack("<HHII", 0x8769, 4, 1, 50)
    + struct.pack("<IH", 68, 1)
    + struct.pack("<HHII", 0x927C, 7, 8, 92)
    + bytes(2)
    + struct.pack("<H", 1)
    + struct.pack("<HHII", 0x0201, 4, 1, 92)
    + bytes(10)
    + b"MAKERnote\xff\xd8\xff"
    + struct.pack("<II", 300, 1)
)


def _pillow(image: Image.Image, form: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def _image(mode: str) -> Image.Image:
    return Image.fromarray(_samples(3)).convert(mode)


def _jpegs() -> list[bytes]:
    colour = _image("RGB")
    found = [
        _pillow(colour, "JPEG", quality=60, subsampling=sampling, **options)
        for sampling in ("4:4:4", "4:2:2", "4:2:0")
        for options in ({}, {"progressive": True}, {"restart_marker_blocks": 1})
    ]
    found += [_pillow(_image(mode), "JPEG", quality=90) for mode in ("L", "CMYK")]
    found.append(_pillow(_image("L"), "JPEG", progressive=True))
    found.append(encode(_picture("rgb"), format="JPEG", subsampling="4:2:0"))
    found.append(found[0] + found[1])  # two pictures in a file
    return found


def _pngs() -> list[bytes]:
    found = [
        encode(_picture(space, bits=bits, alpha=alpha), format="PNG")
        for space in ("gray", "rgb")
        for bits in (8, 16)
        for alpha in (False, True)
    ]
    palette = _image("P")
    found.append(_pillow(palette, "PNG", transparency=3))
    found.append(_pillow(_image("1"), "PNG"))
    found.append(_pillow(_image("L"), "PNG", transparency=20))
    found.append(_pillow(_image("RGB"), "PNG", save_all=True, append_images=[_image("RGB")]))
    return found


def _tiffs() -> list[bytes]:
    found = [
        encode(_picture(space, bits=bits, alpha=alpha), format="TIFF")
        for space, alpha in (("gray", False), ("rgb", True), ("cmyk", False))
        for bits in (8, 16)
    ]
    ways = ("tiff_lzw", "packbits", "tiff_adobe_deflate", "tiff_deflate", "jpeg", None)
    found += [_pillow(_image("RGB"), "TIFF", compression=way) for way in ways]
    found += [_pillow(_image("1"), "TIFF", compression=way) for way in ("group3", "group4")]
    found.append(_pillow(_image("P"), "TIFF"))
    for options in (
        {"planarconfig": "separate"},
        {"planarconfig": "separate", "compression": "zlib"},
        {"bigtiff": True},
        {"bigtiff": True, "compression": "zlib", "predictor": True},
        {"tile": (16, 16), "compression": "zlib"},
        {"byteorder": ">"},
    ):
        out = io.BytesIO()
        samples = _samples(3, bits=16)
        if "planarconfig" in options:
            samples = np.moveaxis(samples, -1, 0)
        tifffile.imwrite(out, samples, photometric="rgb", metadata=None, **options)
        found.append(out.getvalue())
    return found


def _others() -> list[bytes]:
    colour = _image("RGB")
    found = [
        encode(_picture("rgb", alpha=alpha), format=form, quality=quality)
        for form in ("WebP", "AVIF")
        for alpha in (False, True)
        for quality in (40, None)
    ]
    moving = {"save_all": True, "append_images": [_image("RGB").rotate(90)]}
    found += [_pillow(colour, form, **moving) for form in ("WebP", "GIF")]
    found.append(_pillow(_image("P"), "GIF", interlace=True, comment=b"hello", transparency=2))
    found += [_pillow(_image(mode), "BMP") for mode in ("RGB", "L", "1")]
    found.append(_rle_bmp())
    found += [_pillow(_image(mode), "PPM") for mode in ("RGB", "L", "1")]
    found += [
        b"P1\n# words\n4 2\n0110 1001\n",
        b"P2 3 2 15\n0 1 2\n13 14 15\n",
        b"P3\n2 2\n255\n1 2 3 255 254 253\n0 0 0 9 9 9\n",
        b"P5 3 2 1000\n" + bytes(range(12)),
        b"P6 2 2 100\n" + bytes(range(12)),
    ]
    return found


def _rle_bmp() -> bytes:
    # A run and the end of its row; three pixels as they are, a run, the end; a jump by a row and
    # three pixels, a run, the end of it all.
    body = b"\x08\x01\0\0" + b"\0\x03\x01\x02\x03\0\x05\x04\0\0" + b"\0\x02\x03\x01\x05\x02\0\x01"
    palette = bytes(range(64))
    head = struct.pack("<IiiHHIIiiII", 40, 8, 4, 1, 8, 1, len(body), 2835, 2835, 16, 0)
    start = 14 + len(head) + len(palette)
    file = struct.pack("<2sIHHI", b"BM", start + len(body), 0, 0, start)
    return file + head + palette + body
