"""Reading PBM, PGM and PPM, in words and in bytes, of 8 and 16 bits a sample.

Source: the Netpbm project's pages on pbm, pgm and ppm.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from restora.errors import InputError
from restora.images.decode import Request, check_size, cut_off, damaged, salvage_note
from restora.images.picture import Picture, Pixels, Space
from restora.images.samples import floats

__all__ = ["read_ppm"]

# More words before the pixels are nobody's.
_HEADER_MAX_BYTES = 1 << 16
_WHITE = b" \t\n\v\f\r"
_TOKEN = re.compile(rb"(?:[ \t\n\v\f\r]|#[^\r\n]*(?:[\r\n]|\Z))*([^ \t\n\v\f\r#]+)")
_COMMENT = re.compile(rb"#[^\r\n]*")
# One white byte stands before the pixels, and the end of a comment is none.
_BEFORE_PIXELS = re.compile(rb"(?:#[^\r\n]*[\r\n])*[ \t\n\v\f\r]")
_PIECE_BYTES = 1 << 20
_WORD_MAX_BYTES = 10
_PEAK_MAX = 65535


@dataclass(frozen=True)
class _Header:
    kind: int  # 1-6, as in P1 to P6
    width_px: int
    height_px: int
    peak: int
    end: int

    @property
    def channels(self) -> int:
        return 3 if self.kind in {3, 6} else 1

    @property
    def row_samples(self) -> int:
        return self.width_px * self.channels


def read_ppm(data: bytes, request: Request) -> Picture:
    """Decode the first picture of a file.

    Raises:
        InputError: It is cut off, damaged or too large.
    """
    header = _read_header(data, request)
    check_size(request, width_px=header.width_px, height_px=header.height_px)
    pixels, rows = _decode(data, header, request)
    notes: tuple[str, ...] = ()
    if rows < header.height_px:
        if not request.salvage:
            raise cut_off(request, f": about {rows} of {header.height_px} rows decode")
        if rows == 0:
            raise InputError(f"{request.name} is damaged and nothing of it decodes.")
        notes = (salvage_note(rows, header.height_px),)
    space: Space = "rgb" if header.channels == 3 else "gray"
    return Picture(
        pixels=pixels,
        space=space,
        bits=16 if header.peak > 255 else 8,
        format="PPM",
        notes=notes,
    )


def _read_header(data: bytes, request: Request) -> _Header:
    kind = data[1] - ord("0")
    start, at, numbers = data[:_HEADER_MAX_BYTES], 2, []
    for _ in range(2 if kind in {1, 4} else 3):
        found = _TOKEN.match(start, at)
        if (found is None or found.end() == len(start)) and len(data) > len(start):
            raise damaged(request, f"its header is longer than {_HEADER_MAX_BYTES:,} bytes")
        if found is None or found.end() == len(start):
            raise InputError(
                f"{request.name} is cut off inside its header: there is no picture in it."
            )
        word, at = found[1], found.end()
        if not word.isdigit() or len(word) > _WORD_MAX_BYTES:
            raise damaged(request, "its header holds something that is no number")
        numbers.append(int(word))
    width, height, peak = (*numbers, 1)[:3]
    if not 1 <= peak <= _PEAK_MAX:
        raise damaged(request, f"it says its largest number is {peak}, which has to be 1-65535")
    if kind > 3:
        gap = _BEFORE_PIXELS.match(start, at)
        if gap is None:
            raise damaged(request, "no white space stands between its header and its pixels")
        at = gap.end()
    return _Header(kind, width, height, peak, at)


def _decode(data: bytes, header: _Header, request: Request) -> tuple[Pixels, int]:
    """The pixels, ``(H, W, C)``, and how many rows are there."""
    samples: NDArray[Any]
    flat: NDArray[Any]
    if header.kind == 4:
        row_bytes = -(-header.width_px // 8)
        packed = np.frombuffer(data, np.uint8, offset=min(header.end, len(data)))
        rows = min(header.height_px, len(packed) // row_bytes)
        samples = packed[: rows * row_bytes].reshape(rows, row_bytes)
    else:
        wanted = header.row_samples * header.height_px
        if header.kind <= 3:
            flat = _from_words(data[header.end :], header, wanted, request)
        else:
            kind = np.dtype(">u2" if header.peak > 255 else np.uint8)
            coded = memoryview(data)[header.end : header.end + wanted * kind.itemsize]
            flat = np.frombuffer(coded[: len(coded) // kind.itemsize * kind.itemsize], kind)
        rows = min(header.height_px, len(flat) // header.row_samples)
        samples = flat[: rows * header.row_samples].reshape(rows, header.row_samples)

    def fetch(top: int, bottom: int) -> NDArray[Any]:
        there: NDArray[Any] = samples[top : min(bottom, rows)]
        if header.kind == 4:
            there = np.unpackbits(there, axis=1)[:, : header.width_px]
        missing = bottom - top - len(there)
        shown = np.pad(there, ((0, missing), (0, 0))) if missing else there
        light: NDArray[Any] = np.minimum(shown, header.peak)
        return 1 - light if header.kind in {1, 4} else light  # there, 1 is ink

    shape = (header.height_px, header.width_px, header.channels)
    return floats(fetch, shape=shape, peak=header.peak), rows


def _from_words(
    text: bytes, header: _Header, wanted: int, request: Request
) -> NDArray[np.uint8 | np.uint16]:
    """The numbers of a file that writes them out, as many as there are."""
    if b"#" in text:
        text = _COMMENT.sub(b"", text)
    if header.kind == 1:  # every digit is a sample, with or without space between
        digits = np.frombuffer(text.translate(None, _WHITE)[:wanted], np.uint8)
        if ((digits != ord("0")) & (digits != ord("1"))).any():
            raise _bad_words(request)
        ones: NDArray[np.uint8] = (digits == ord("1")).astype(np.uint8)
        return ones
    kind = np.uint8 if header.peak < 256 else np.uint16
    found: NDArray[Any] = np.empty(min(wanted, len(text) // 2 + 1), kind)
    count = at = 0
    while at < len(text) and count < len(found):
        end = at + _PIECE_BYTES
        if end < len(text):  # to the end of a word, and no word is long
            end = next((k for k in range(end, end - 12, -1) if text[k] in _WHITE), end)
        words = text[at:end].split()[: len(found) - count]  # what stands behind them is nobody's
        if not all(map(bytes.isdigit, words)) or max(map(len, words), default=0) > _WORD_MAX_BYTES:
            raise _bad_words(request)
        numbers = np.array(words, dtype="S10").astype(np.int64)
        if len(numbers) and numbers.max() > header.peak:
            raise _bad_words(request)
        found[count : count + len(numbers)] = numbers
        count, at = count + len(numbers), end
    return found[:count]


def _bad_words(request: Request) -> InputError:
    return damaged(request, "it holds something that is no number up to its largest")
