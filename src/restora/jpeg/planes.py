"""The planes of a JPEG as they are coded: luma and chroma, each at its own sampling.

Pillow hands out whole pictures: colour brought up to full size, and what lies in the blocks beyond
the picture's edges cut off. Here the decoder is talked into giving the planes themselves, by three
changes to the file's *header*; the coded data is never touched:

- the size is rounded up to whole blocks, so that the blocks at the edges come out whole;
- 4:2:0 is decoded at half size, for which libjpeg takes chroma blocks exactly as they are;
- the quantisation tables may be replaced, which is how :mod:`restora.jpeg.coefficients` gets at
  numbers that the file's own tables would clip.

Source: ITU-T T.81, Annex A.2 (blocks of scans with one and with several components); libjpeg for
which scale decodes what, and for its "fancy" upsampling.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from restora.errors import InputError, RestoraError
from restora.jpeg.decoder import JpegFile
from restora.jpeg.facts import ComponentFacts, JpegFacts
from restora.jpeg.markers import APP0, COM, DQT, SOS, ZIGZAG, Segment, read_layout, read_tables
from restora.jpeg.work import too_much_work

__all__ = ["NoBins", "Plane", "PlaneReader", "Retable"]

Plane: TypeAlias = NDArray[np.uint8]
Retable: TypeAlias = Callable[[NDArray[np.int64]], NDArray[np.int64]]

_BLOCK_PX = 8
_SOF = frozenset({0xC0, 0xC1, 0xC2})  # what Pillow's libjpeg decodes; no arithmetic coding
_APP_LAST = 0xEF
_JFIF = b"\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0"  # so that three planes are Y, Cb and Cr for sure
_RATIOS = {(1, 1), (2, 1), (1, 2), (2, 2)}
# Undoing the triangle filter: each round halves what is left of the error, from 128 at most.
_ROUNDS: Final = 14


class NoBins(RestoraError):
    """The file does not say between which bounds its true picture lies; the message is why."""


class PlaneReader:
    """Decodes the planes of one JPEG, with its own quantisation tables or with others.

    Attributes:
        ratios: For each component, how many pixels one of its samples stands for: (across, down).
        inexact: Whether chroma had to be computed back from its upsampled form, to within about
            one level; otherwise all planes are exactly the decoder's.
    """

    def __init__(self, data: bytes, facts: JpegFacts) -> None:
        """Prepare; nothing is decoded yet.

        Args:
            data: The whole file.
            facts: What :func:`restora.jpeg.inspect` says about it.

        Raises:
            NoBins: The file is of a kind whose planes cannot be had.
        """
        _refuse_unfit(facts)
        self.facts = facts
        self.ratios = tuple(_ratio(facts, component) for component in facts.components)
        chroma = set(self.ratios[1:])
        if self.ratios[0] != (1, 1) or not chroma <= _RATIOS or len(chroma) > 1:
            raise NoBins(f"its colour sampling, {facts.sampling}, is an unusual one")
        self._chroma_ratio = self.ratios[-1]
        self.inexact = self._chroma_ratio in {(2, 1), (1, 2)}
        try:
            layout = read_layout(data, name="")
        except InputError as error:
            raise NoBins("its structure is damaged") from error
        if layout.truncated or not layout.scans:
            raise NoBins("the file is cut off")
        self._data = data
        self._segments = layout.segments

    def planes(self, retable: Retable | None = None) -> tuple[Plane, ...]:
        """All planes, in whole blocks.

        Args:
            retable: Makes another table, ``(8, 8)`` of whole numbers 0-255, from each of the
                file's; None leaves them.

        Returns:
            For each component ``(rows * 8, columns * 8)`` uint8 in stored orientation.

        Raises:
            NoBins: The file is damaged and does not decode.
        """
        if len(self.ratios) == 1:
            return (self._decode("L", 1, (1, 1), retable)[..., 0],)
        if self._chroma_ratio == (1, 1):
            whole = self._decode("YCbCr", 1, (1, 1), retable)
            return whole[..., 0], whole[..., 1], whole[..., 2]
        luma = self._decode("L", 1, (1, 1), retable)[..., 0]
        if self._chroma_ratio == (2, 2):
            half = self._decode("YCbCr", 2, (2, 2), retable)
            return luma, half[..., 1], half[..., 2]
        full = self._decode("YCbCr", 1, self._chroma_ratio, retable)
        if self._chroma_ratio == (2, 1):
            return luma, _narrow(full[..., 1]), _narrow(full[..., 2])
        return luma, _narrow(full[..., 1].T).T, _narrow(full[..., 2].T).T

    def block_means(self, retable: Retable) -> tuple[Plane, ...]:
        """One sample for each block, from its lowest coefficient alone.

        Args:
            retable: As in :meth:`planes`.

        Returns:
            For each component ``(rows, columns)`` uint8.

        Raises:
            NoBins: The file is damaged and does not decode.
        """
        if len(self.ratios) == 1:
            return (self._decode("L", 8, (1, 1), retable)[..., 0],)
        across, down = self._chroma_ratio
        luma = self._decode("L", 8, (1, 1), retable)[..., 0]
        small = self._decode("YCbCr", 8, self._chroma_ratio, retable)
        return luma, small[::down, ::across, 1], small[::down, ::across, 2]

    def _decode(
        self, mode: str, scale: int, ratio: tuple[int, int], retable: Retable | None
    ) -> NDArray[np.uint8]:
        """Decode a rewritten file: ``(H, W, 1 or 3)`` uint8.

        Args:
            mode: Pillow's: ``"L"`` decodes luma alone.
            scale: 1, 2 or 8: how much smaller.
            ratio: The component that shall come out in whole blocks.
            retable: See :meth:`planes`.
        """
        width, height = (
            -(-side // (_BLOCK_PX * times)) * _BLOCK_PX * times
            for side, times in zip((self.facts.width_px, self.facts.height_px), ratio, strict=True)
        )
        size = width // scale, height // scale
        try:
            image = JpegFile(io.BytesIO(self._rewritten(width, height, retable)))
            image.draft(mode, size)
            image.load()
        except (OSError, SyntaxError, ValueError) as error:
            raise NoBins("its coded data is damaged") from error
        if image.mode != mode or image.size != size:  # a second frame header, of another picture
            raise NoBins("its headers contradict each other")
        pixels = np.asarray(image)
        return pixels.reshape(*pixels.shape[:2], -1)

    def _rewritten(self, width: int, height: int, retable: Retable | None) -> bytes:
        """The file with another size and other tables, and without its metadata."""
        parts = [b"\xff\xd8", _JFIF if len(self.ratios) == 3 else b""]
        # A scan of luma alone has no more blocks across than luma needs. Where the size is rounded
        # up beyond that for chroma's sake, such scans would be misread, and luma is not wanted.
        luma_id = self.facts.components[0].id
        wider = (width, height) != tuple(
            -(-side // _BLOCK_PX) * _BLOCK_PX
            for side in (self.facts.width_px, self.facts.height_px)
        )
        for segment in self._segments[1:]:
            if APP0 <= segment.marker <= _APP_LAST or segment.marker == COM:
                continue
            coded = self._data[segment.offset : segment.end]
            if segment.marker == DQT and retable is not None:
                coded = _with_tables(segment, retable)
            elif segment.marker in _SOF:
                size = height.to_bytes(2) + width.to_bytes(2)
                coded = coded[:5] + size + coded[9:]
            elif (
                segment.marker == SOS
                and wider
                and bytes(segment.payload[:2]) == bytes((1, luma_id))
            ):
                continue
            parts.append(coded)
        return b"".join(parts)


def _refuse_unfit(facts: JpegFacts) -> None:
    if facts.precision_bits != 8:
        raise NoBins(f"its samples have {facts.precision_bits} bits")
    if facts.arithmetic or facts.coding not in {"baseline", "extended", "progressive"}:
        kind = "arithmetic" if facts.arithmetic else facts.coding
        raise NoBins(f"its coding is {kind}")
    if facts.colour_space not in {"gray", "YCbCr"}:
        raise NoBins(f"its colours are {facts.colour_space}")
    if facts.truncated or not facts.enough_data:
        raise NoBins("the file is cut off")
    if too_much_work(width_px=facts.width_px, height_px=facts.height_px, scans=facts.scan_count):
        raise NoBins("it is coded in too many scans")
    tables = [facts.table(index) for index in range(len(facts.components))]
    if any(table is None or not table.all() for table in tables):
        raise NoBins("a quantisation table is missing or damaged")


def _ratio(facts: JpegFacts, component: ComponentFacts) -> tuple[int, int]:
    """Pixels for each sample, (across, down); (0, 0) where that is no whole number."""
    across = max(other.horizontal for other in facts.components)
    down = max(other.vertical for other in facts.components)
    if across % component.horizontal or down % component.vertical:
        return 0, 0
    return across // component.horizontal, down // component.vertical


def _with_tables(segment: Segment, retable: Retable) -> bytes:
    """A DQT segment with other tables in the same slots, 8 bits an entry."""
    payload = b"".join(
        bytes([table.slot])
        + retable(table.values).reshape(64)[list(ZIGZAG)].clip(0, 255).astype(np.uint8).tobytes()
        for table in read_tables(segment)[0]
    )
    return b"\xff\xdb" + (len(payload) + 2).to_bytes(2) + payload


def _narrow(doubled: Plane) -> Plane:
    """Undo libjpeg's doubling across: ``(H, 2 W)`` to ``(H, W)``, to within about one level.

    Each pair was made of 3/4 of its sample and 1/4 of the neighbour on either side. So the pair's
    mean is 1/8, 6/8, 1/8 of three samples, and repeating at the ends; that is solved by iteration.
    """
    means = (doubled[:, ::2].astype(np.float32) + doubled[:, 1::2]) / 2
    solved = means.copy()
    for _ in range(_ROUNDS):
        padded = np.pad(solved, ((0, 0), (1, 1)), mode="edge")
        solved = means + solved / 4 - (padded[:, :-2] + padded[:, 2:]) / 8
    return np.clip(np.rint(solved), 0, 255).astype(np.uint8)
