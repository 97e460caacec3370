"""One connection of a client, and what it may cost those who are not served meanwhile."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from restora.apps.web.problems import problem

MOST = 1000  # connections at a time, as one of them costs a file
HEADERS_S = 20.0  # until a request's headers are there
READ_S = 60.0  # until some 200 kB of an answer are read
LOOK_S = 5.0  # how often it is looked
_LATE = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class Connection(H11Protocol):
    """As uvicorn has it, but not for ever.

    Uvicorn waits as long as a client likes, for headers that come a byte a second as for answers
    that nobody reads. How long a body may take is the affair of ``BodyLimit``.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to look at the clock; if there are too many, say so to whatever is asked."""
        super().connection_made(transport)
        if len(self.connections) > MOST:
            self.app = _too_many
        self._served: Any = None  # the request that was answered last
        self._idle_since = self._read_at = self.loop.time()
        self._look = self.loop.call_later(LOOK_S, self._look_at_clock)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._look.cancel()
        super().connection_lost(exc)

    def resume_writing(self) -> None:
        """What was to be read has been, nearly."""
        self._read_at = self.loop.time()
        super().resume_writing()

    def _look_at_clock(self) -> None:
        now = self.loop.time()
        if not self.transport.get_write_buffer_size():
            self._read_at = now
        if now - self._read_at > READ_S:
            self.transport.abort()
            return
        if self.cycle is not self._served or not self._waits():
            self._served, self._idle_since = self.cycle, now
        if now - self._idle_since > HEADERS_S and not self.transport.is_closing():
            if self.cycle is None:
                self.transport.write(_LATE)
            self.transport.close()
        self._look = self.loop.call_later(LOOK_S, self._look_at_clock)

    def _waits(self) -> bool:
        """Whether it is the client's turn to send a request, or the rest of a refused one."""
        return self.cycle is None or self.cycle.response_complete


async def _too_many(scope: Scope, receive: Receive, send: Send) -> None:
    answer = problem(503, "Too many are connected to this server; try again in a moment.")
    answer.headers["Connection"] = "close"
    await answer(scope, receive, send)
