"""Bytes and pixels in files without a name: nothing can find them, and nothing is left of them."""

from __future__ import annotations

import tempfile
from dataclasses import fields, replace
from typing import Any

import numpy as np

from restora.images import Picture
from restora.images.picture import Alpha, Metadata
from restora.images.samples import floats, whole_numbers


class Bytes:
    """The bytes of a file, out of memory. They vanish with the object, however the process ends."""

    def __init__(self, data: bytes) -> None:
        """Write them."""
        self._file = tempfile.TemporaryFile(prefix="restora-")  # noqa: SIM115 - it lives as long
        self._file.write(data)
        self._file.flush()
        self.size = len(data)

    def read(self) -> bytes:
        """All of them."""
        return bytes(np.memmap(self._file, np.uint8, "r")) if self.size else b""

    def close(self) -> None:
        """Give the room back."""
        self._file.close()


def metadata_bytes(metadata: Metadata) -> int:
    """How much room it takes: some files are little else."""
    return sum(len(part) for part in _parts(metadata).values())


class Pixels:
    """A picture of which nothing large is in memory: neither pixels and alpha, nor metadata.

    Pixels that will be written with 8 bits are kept as such, in a quarter of the room: rounded once
    or twice, whole numbers are the same.
    """

    def __init__(self, picture: Picture, *, bits: int | None) -> None:
        """Write them.

        Args:
            picture: The picture.
            bits: Depth it will be written with; None is its own.
        """
        # What becomes of inks, or of 16 bits in a format of 8, is computed from all there is.
        whole = picture.space != "cmyk" and 16 not in (picture.bits, bits)
        self._shape = picture.pixels.shape
        self._dtype: Any = np.uint8 if whole else np.float32
        kept = whole_numbers(picture.pixels, bits=8) if whole else picture.pixels
        self._file = tempfile.TemporaryFile(prefix="restora-")  # noqa: SIM115 - it lives as long
        self._file.write(np.ascontiguousarray(kept).data)
        self._alpha_at = kept.nbytes
        self._alpha_dtype: Any = None
        self.size = kept.nbytes
        if picture.alpha is not None:
            self._alpha_dtype = picture.alpha.dtype
            self.size += picture.alpha.nbytes
            self._file.write(np.ascontiguousarray(picture.alpha).data)
        self._metadata_at: dict[str, tuple[int, int]] = {}  # offset and length
        for name, part in _parts(picture.metadata).items():
            self._metadata_at[name] = self.size, len(part)
            self._file.write(part)
            self.size += len(part)
        self._file.flush()
        nothing = np.broadcast_to(np.float32(0), picture.pixels.shape)
        none: dict[str, Any] = dict.fromkeys(self._metadata_at)
        few = replace(picture.metadata, **none)
        self._empty = replace(picture, pixels=nothing, alpha=None, metadata=few)  # takes no room

    def picture(self) -> Picture:
        """The picture, in memory again."""
        kept = np.memmap(self._file, self._dtype, "r", shape=self._shape)
        if self._dtype is np.float32:
            pixels = np.array(kept)
        else:
            pixels = floats(lambda top, bottom: kept[top:bottom], shape=self._shape, peak=255)
        return replace(self._empty, pixels=pixels, alpha=self._alpha(), metadata=self._metadata())

    def _metadata(self) -> Metadata:
        parts: dict[str, Any] = {
            name: bytes(np.memmap(self._file, np.uint8, "r", at, (length,)))
            for name, (at, length) in self._metadata_at.items()
        }
        return replace(self._empty.metadata, **parts)

    def _alpha(self) -> Alpha | None:
        if self._alpha_dtype is None:
            return None
        shape = self._shape[:2]
        return np.array(np.memmap(self._file, self._alpha_dtype, "r", self._alpha_at, shape))

    def close(self) -> None:
        """Give the room back."""
        self._file.close()


def _parts(metadata: Metadata) -> dict[str, bytes]:
    """What of it is bytes, and not empty, by its field's name."""
    every = {field.name: getattr(metadata, field.name) for field in fields(metadata)}
    return {name: part for name, part in every.items() if isinstance(part, bytes) and part}
