"""Files on their way to whoever asked: on the disk, not in memory, and only so many."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from tempfile import TemporaryFile
from typing import IO

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from restora.apps.web.later import Later

_CHUNK_BYTES = 1 << 18


class Answer:
    """A file that is being sent. Its room is free again once it is closed."""

    def __init__(self, file: IO[bytes], size: int, *, gone: Callable[[int], None]) -> None:
        """Made by :class:`Answers`."""
        self.size = size
        self._file = file
        self._gone = gone
        self._closed = False

    def chunks(self) -> Iterator[bytes]:
        """All of it, from its beginning."""
        self._file.seek(0)
        while chunk := self._file.read(_CHUNK_BYTES):
            yield chunk

    def close(self) -> None:
        """Give the room back."""
        if not self._closed:
            self._closed = True
            self._file.close()
            self._gone(self.size)


class Answers:
    """All that is being sent. One object serves many threads.

    Whoever reads slowly makes a file stay here; in memory a few of them would fill it.
    """

    def __init__(self, *, most_bytes: int) -> None:
        """Nothing is on its way. One answer may be larger than ``most_bytes`` if it is alone."""
        self._most = most_bytes
        self._held = 0
        self._lock = threading.Lock()

    def check(self) -> None:
        """See that there is room for more, before any work is done for it.

        Raises:
            Later: There is none.
        """
        with self._lock:
            self._check(1)

    def hold(self, made: bytes) -> Answer:
        """Put a file's bytes on the disk.

        Raises:
            Later: There is no room.
        """
        file = TemporaryFile(prefix="restora-")  # noqa: SIM115 - the answer closes it
        try:
            file.write(made)
            file.flush()
            return self.hold_file(file)
        except BaseException:
            file.close()
            raise

    def hold_file(self, file: IO[bytes]) -> Answer:
        """Send what lies in a file already; it is closed with its answer.

        Raises:
            Later: There is no room.
        """
        size = file.seek(0, 2)
        with self._lock:
            self._check(size)
            self._held += size
        return Answer(file, size, gone=self._leave)

    def _check(self, more: int) -> None:
        if self._held and self._held + more > self._most:
            raise Later("Too many results are on their way to others; try again in a moment.")

    def _leave(self, size: int) -> None:
        with self._lock:
            self._held -= size


class FileResponse(StreamingResponse):
    """Sends an answer bit by bit, as fast as it is read, and lets go of it in the end."""

    def __init__(self, answer: Answer, *, media_type: str, headers: Mapping[str, str]) -> None:
        """What is sent, of what kind, and with which headers besides its length."""
        told = {"Content-Length": str(answer.size), **headers}
        super().__init__(answer.chunks(), media_type=media_type, headers=told)
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._answer.close()
