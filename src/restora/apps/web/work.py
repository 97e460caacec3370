"""One worker, and a bounded line before it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from restora.apps.web.later import Later, whole_s

T = TypeVar("T")
_FIRST_S = 2.0  # what is thought to take so long, before anything was done
_LAST = 0.2  # how far the last one counts in the mean


class Full(Later):
    """The line is as long as it may be."""


class Stopped(Exception):
    """Raised inside work that nobody waits for any more."""


class Worker:
    """Does one thing after the other, in the order they were asked for.

    A network takes every core, so a second restoration at the same time would make both slow.
    """

    def __init__(self, name: str, *, waiting: int) -> None:
        """Nothing runs before there is work.

        Args:
            name: Of the thread.
            waiting: How much may wait behind what runs.
        """
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._waiting = waiting
        self._line: list[Future[Any]] = []  # what runs first, then what waits
        self._lock = threading.Lock()
        self._mean_s = _FIRST_S
        self.ending = False  # what has not begun will not, and what runs may ask

    def put(self, work: Callable[[], T]) -> Future[T]:
        """Ask for something to be done.

        Returns:
            Its future; cancelled before its turn, it leaves the line.

        Raises:
            Full: Too much waits already.
        """
        todo = [work]  # what is given up stays in the pool's own line, but must not keep its data

        def unless_ending() -> T:
            if self.ending:
                raise Stopped
            began = time.monotonic()
            try:
                return todo[0]()
            finally:
                self._mean_s += _LAST * (time.monotonic() - began - self._mean_s)

        def leave(future: Future[T]) -> None:
            todo.clear()
            with self._lock:
                self._line.remove(future)

        with self._lock:
            if len(self._line) > self._waiting:
                raise Full(
                    f"{len(self._line)} others are before you, and more may not wait; "
                    "try again in a moment.",
                    retry_s=self._retry_s(),
                )
            future = self._pool.submit(unless_ending)
            self._line.append(future)
        future.add_done_callback(leave)
        return future

    def ahead(self, future: Future[Any]) -> int:
        """How many come before it."""
        with self._lock:
            return self._line.index(future) if future in self._line else 0

    def retry_s(self) -> int:
        """In how many seconds about half of the line will be done."""
        with self._lock:
            return whole_s(self._retry_s())

    def _retry_s(self) -> float:
        return self._mean_s * len(self._line) / 2

    def close(self) -> None:
        """Forget what waits; what runs is told by :class:`Stopped`, or ends."""
        self.ending = True
        self._pool.shutdown(wait=True, cancel_futures=True)
