"""The pictures a server keeps for a while, and only for whoever knows their names."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Literal

from restora.apps.web.disk import Bytes, Pixels
from restora.apps.web.later import Later
from restora.apps.web.limits import Limits
from restora.apps.web.wire import InspectedShape, Outcome, Settings
from restora.errors import RestoraError

State = Literal["none", "waiting", "working", "done", "failed", "stopped"]


class Unknown(RestoraError):
    """There is no such picture, or no longer."""


class TooMany(Later):
    """No more pictures can be kept."""


@dataclass(frozen=True)
class Facts:
    """What is known of a file since it came in."""

    name: str
    format: str
    width_px: int
    height_px: int
    browser_shows: bool
    inspected: InspectedShape
    salvage: bool = False  # it is truncated, and what decodes was asked for


@dataclass(eq=False)
class Asked:
    """One restoration of a picture that was asked for, and how far it is.

    The worker's thread writes it, everybody else reads; each field changes by itself.
    """

    version: int
    settings: Settings
    state: State = "waiting"
    done: int = 0
    total: int = 0
    error: str | None = None
    stop: bool = False
    future: Future[None] | None = None


@dataclass(frozen=True)
class Made:
    """A result that is kept."""

    outcome: Outcome
    pixels: Pixels


@dataclass(eq=False)
class Kept:
    """A picture that is kept: its file, the last thing that was asked of it, the last result."""

    id: str
    facts: Facts
    upload: Bytes
    touched: float
    asked: Asked | None = None
    made: Made | None = None
    closed: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def busy(self) -> bool:
        """Whether something is done for it, or will be."""
        return self.asked is not None and self.asked.state in ("waiting", "working")

    @property
    def size(self) -> int:
        """Bytes it takes on the disk."""
        return self.upload.size + (self.made.pixels.size if self.made else 0)

    def touch(self) -> None:
        """Somebody asked for it."""
        self.touched = time.monotonic()

    def check(self) -> None:
        """See that it is still there; under its lock.

        Raises:
            Unknown: It was deleted since somebody got it.
        """
        if self.closed:
            raise Unknown("There is no such picture here; it was deleted meanwhile.")

    def close(self) -> None:
        """Stop what is done for it and delete what it has on the disk; under its lock."""
        self.closed = True
        if self.asked is not None:
            self.asked.stop = True
            if self.asked.future is not None:
                self.asked.future.cancel()
        self.upload.close()
        if self.made is not None:
            self.made.pixels.close()


class Store:
    """All of them. One object serves many threads."""

    def __init__(self, limits: Limits, *, gone: Callable[[str], None] = lambda _: None) -> None:
        """An empty one.

        Args:
            limits: How much it keeps, and for how long.
            gone: Called with the name of each picture that was deleted.
        """
        self._limits = limits
        self._gone = gone
        self._kept: dict[str, Kept] = {}
        self._lock = threading.Lock()

    def add(self, facts: Facts, data: bytes) -> Kept:
        """Keep a file.

        Raises:
            TooMany: There is no room left.
        """
        self.expire()
        upload = Bytes(data)  # not under the lock: who only looks for a picture would wait for it
        try:
            with self._lock:
                if len(self._kept) >= self._limits.kept_pictures:
                    raise self._full()
                self._check_room(len(data))
                # Nobody guesses 128 bits: who has the name, had it from us.
                kept = Kept(secrets.token_urlsafe(16), facts, upload, time.monotonic())
                self._kept[kept.id] = kept
        except TooMany:
            upload.close()
            raise
        return kept

    def check_room(self, more: int) -> None:
        """See that so many bytes more may lie on the disk.

        Raises:
            TooMany: They may not.
        """
        self.expire()
        with self._lock:
            self._check_room(more)

    def get(self, id: str) -> Kept:
        """A picture by its name.

        Raises:
            Unknown: There is none.
        """
        self.expire()
        with self._lock:
            kept = self._kept.get(id)
            if kept is None:
                minutes = self._limits.kept_s / 60
                raise Unknown(
                    f"There is no such picture here; they are deleted after {minutes:g} minutes."
                )
            kept.touch()
        return kept

    def remove(self, id: str) -> None:
        """Delete a picture and all that was made of it.

        Raises:
            Unknown: There is none.
        """
        with self._lock:
            kept = self._kept.pop(id, None)
        if kept is None:
            raise Unknown("There is no such picture here.")
        self._close(kept)

    def expire(self) -> None:
        """Delete those nobody asked for in a while."""
        oldest = time.monotonic() - self._limits.kept_s
        with self._lock:
            every = self._kept.values()
            old = [kept for kept in every if kept.touched < oldest and not kept.busy]
            for kept in old:
                del self._kept[kept.id]
        for kept in old:
            self._close(kept)

    def close(self) -> None:
        """Delete everything."""
        with self._lock:
            every = list(self._kept.values())
            self._kept.clear()
        for kept in every:
            self._close(kept)

    def _check_room(self, more: int) -> None:
        taken = sum(kept.size for kept in self._kept.values())
        if taken + more > self._limits.kept_bytes:
            raise self._full()

    def _full(self) -> TooMany:
        oldest = min((kept.touched for kept in self._kept.values()), default=0.0)
        return TooMany(
            f"There is no room for more pictures ({len(self._kept)} are kept); remove some, or "
            "come back later.",
            retry_s=oldest + self._limits.kept_s - time.monotonic(),
        )

    def _close(self, kept: Kept) -> None:
        with kept.lock:
            kept.close()
        self._gone(kept.id)
