"""A GIF made small for the decoder: its first frame, without the blocks that only say something.

Pillow reads extensions block by block, a microsecond and more for each of them, without a limit.

Source: GIF89a specification (CompuServe, 1990), sections 15 to 24.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from restora.errors import InputError
from restora.images.decode import Request, check_size, damaged

__all__ = ["LeanGif", "lean_gif"]

_EXTENSION, _FRAME, _END = b"!", b",", b";"
_CONTROL, _COMMENT = 0xF9, 0xFE
# A frame of 250 megapixels of noise takes 2 million.
_BLOCKS_MAX = 4_000_000
_EXTENSIONS_MAX = 10_000  # before the first frame; most files have two


@dataclass(frozen=True)
class LeanGif:
    """A GIF of one frame, the comments that stood before it, and whether frames follow it."""

    data: bytes
    comment: bytes | None
    animated: bool


class _Walk:
    """A place in the file that moves over blocks."""

    def __init__(self, data: bytes, request: Request) -> None:
        self.data, self.at, self.blocks, self.extensions = data, 0, 0, 0
        self._request = request

    def skip_blocks(self) -> None:
        """Move behind a chain of blocks: each with its length before it, the last one empty."""
        data, at, count, end = self.data, self.at, self.blocks, len(self.data)
        while at < end and data[at]:
            at += 1 + data[at]
            count += 1
            if count > _BLOCKS_MAX:
                raise InputError(
                    f"{self._request.name} holds more than {_BLOCKS_MAX:,} blocks; it is damaged."
                )
        self.at, self.blocks = at + 1, count

    def to_frame(self, *ends: bytes) -> Iterator[tuple[int, int]]:
        """Move to the next frame; on the way give where each extension starts, and its kind."""
        while (found := self.data[self.at : self.at + 1]) not in {b"", _FRAME, *ends}:
            opened = self.at
            self.extensions += 1
            if self.extensions > _EXTENSIONS_MAX:
                raise damaged(self._request, "too much stands before its first frame")
            if found != _EXTENSION:  # junk between blocks is passed over, as Pillow does
                self.at += 1
                continue
            self.at += 2
            self.skip_blocks()
            yield opened, int.from_bytes(self.data[opened + 1 : opened + 2])

    def another_frame(self) -> bool:
        """Whether one follows; given up where that takes long to find out."""
        try:
            for _ in self.to_frame(_END):
                pass
        except InputError:
            return False
        return self.data[self.at : self.at + 1] == _FRAME


def lean_gif(data: bytes, request: Request) -> LeanGif:
    """The file up to and with its first frame, without its extensions but the frame's own.

    Raises:
        InputError: There is no frame, or one that is larger than asked for, or far too many blocks.
    """
    if len(data) < 13:
        raise damaged(request, "its header is cut off")
    walk = _Walk(data, request)
    walk.at = 13 + _table_bytes(data[10])
    start, control = data[: walk.at], b""
    comments: list[bytes] = []
    for opened, kind in walk.to_frame():
        if kind == _CONTROL:
            control = data[opened : walk.at]
        elif kind == _COMMENT:
            comments.append(_joined(data, opened + 2, walk.at))
    frame_at = walk.at
    if frame_at + 11 > len(data):
        raise damaged(request, "it ends before its first frame")
    left, top, width, height = (
        int.from_bytes(data[frame_at + k : frame_at + k + 2], "little") for k in (1, 3, 5, 7)
    )
    # The frame's own size may reach beyond the picture that the header states.
    check_size(request, width_px=left + width, height_px=top + height)
    walk.at += 10 + _table_bytes(data[frame_at + 9]) + 1
    walk.skip_blocks()
    frame = data[frame_at : walk.at]
    lean = b"".join([start, control, frame, _END])
    return LeanGif(lean, b"\n".join(comments) or None, walk.another_frame())


def _table_bytes(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _joined(data: bytes, at: int, end: int) -> bytes:
    """The content of a chain of blocks."""
    parts = []
    while at < end and at < len(data) and data[at]:
        parts.append(data[at + 1 : at + 1 + data[at]])
        at += 1 + data[at]
    return b"".join(parts)
