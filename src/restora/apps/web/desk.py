"""What lies open: pictures in memory with their encodings, so that a dial turns fast."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from restora.apps.web.disk import metadata_bytes
from restora.engine.opened import Opened
from restora.engine.restorer import Restorer
from restora.engine.result import Result
from restora.engine.session import Session
from restora.engine.wishes import Wishes

PIXEL_BYTES = 110  # that a pixel takes with what is encoded of it
# What a session may be asked for again and again.
_DIALS = ("quality", "strength", "constraint", "prompt")


@dataclass
class _Sheet:
    """A picture in memory, and the session of what was last asked of it."""

    opened: Opened
    pixels: int = 0
    wishes: Wishes | None = None
    session: Session | None = None


class Desk:
    """The pictures that were used last, as many as there is memory for.

    Only one thread restores; any may lay a picture down.
    """

    def __init__(self, restorer: Restorer, *, pixels: int, largest: int) -> None:
        """An empty one.

        Args:
            restorer: Who does the work.
            pixels: How many pixels may lie open in all, enlarged ones too; each view of an
                ensemble counts.
            largest: How many a picture may have, enlarged if it shall be.
        """
        self._restorer = restorer
        self._pixels = pixels
        self._largest = largest
        self._sheets: OrderedDict[str, _Sheet] = OrderedDict()
        self._lock = threading.Lock()

    def lay(self, id: str, opened: Opened) -> None:
        """Put a picture down that was just read, if it is not too large."""
        count = _pixels(opened)
        with self._lock:
            if count <= self._pixels:
                self._sheets[id] = _Sheet(opened, count)
                self._make_room(id)

    def clear(self, id: str) -> None:
        """Take a picture away."""
        with self._lock:
            self._sheets.pop(id, None)

    def restore(
        self,
        id: str,
        read: Callable[[], bytes],
        wishes: Wishes,
        *,
        name: str,
        salvage: bool = False,
        progress: Callable[[int, int], None],
    ) -> Result:
        """Restore a picture; what was encoded for it before is used again.

        Args:
            id: Of the picture.
            read: Gives the bytes of its file, where it does not lie here.
            wishes: What is asked for.
            name: What messages call it.
            salvage: Take what decodes of a truncated file.
            progress: Called with (tiles done, tiles in all); may raise.

        Raises:
            InputError: It would be too large, or the model cannot take it.
            UsageError: The wishes make no sense for it.
        """
        with self._lock:
            sheet = self._sheets.get(id)
        if sheet is None:
            opened = self._restorer.open(
                read(), name=name, salvage=salvage, max_pixels=self._largest
            )
            sheet = _Sheet(opened)
        sheet.pixels = _pixels(sheet.opened, wishes.upscale**2 * wishes.ensemble)
        if sheet.pixels > self._pixels:  # it would take all the memory: done without
            self.clear(id)
            session = self._restorer.session(
                sheet.opened, wishes, max_pixels=self._largest, remember=False
            )
            return session.restore(progress=progress)
        fixed = wishes.model_copy(
            update={dial: Wishes.model_fields[dial].default for dial in _DIALS}
        )
        if sheet.session is None or sheet.wishes != fixed:
            sheet.session, sheet.wishes = None, None  # its memory is free before the next is made
            sheet.session = self._restorer.session(sheet.opened, fixed, max_pixels=self._largest)
            sheet.wishes = fixed
        with self._lock:
            self._sheets[id] = sheet
            self._make_room(id)
        return sheet.session.restore(
            quality="auto" if wishes.quality is None else wishes.quality,
            strength=wishes.strength,
            constraint=wishes.constraint,
            prompt=wishes.prompt,
            progress=progress,
        )

    def _make_room(self, id: str) -> None:
        """Keep a picture and put away those used longest ago, until all fit."""
        self._sheets.move_to_end(id)
        while sum(sheet.pixels for sheet in self._sheets.values()) > self._pixels:
            self._sheets.popitem(last=False)


def _pixels(opened: Opened, times: int = 1) -> int:
    """How many pixels take the room of a picture, ``times`` enlarged, and of its metadata."""
    picture = opened.picture
    beside = metadata_bytes(picture.metadata) // PIXEL_BYTES
    return picture.height_px * picture.width_px * times + beside
