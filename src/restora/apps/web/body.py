"""How much a request may bring, how fast it has to come, and how much all may bring together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from restora.apps.web.later import SOONEST_S

WISHES_BYTES = 100_000  # of JSON; a thousand names for a zip take 25 kB
PATIENCE_S = 30.0
SLOWEST = 32_000  # bytes a second, once the patience is used up
_HEARD_OUT = 2  # times the limit


class BodyLimit:
    """Refuses bodies of any kind that are larger than a server takes, before they are in memory.

    Whatever waits for its turn keeps its body in memory, so there is a limit for all of them too,
    and a time in which one has to come. What comes too much is thrown away for a while before the
    answer: many programs look for one only when they have sent everything, and find a broken
    connection instead.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        files: Collection[str],
        most_bytes: int,
        held_bytes: int,
        patience_s: float = PATIENCE_S,
        retry_s: Callable[[], int] = lambda: SOONEST_S,
    ) -> None:
        """Guard an app.

        Args:
            app: What is guarded.
            files: Paths that take the bytes of a file; what others take is small.
            most_bytes: How large a body may be.
            held_bytes: How large all of those may be whose answers have not begun.
            patience_s: How long a body may take, and one second more for each 32 kB that came.
            retry_s: Tells when it is worth asking again, if there are too many.
        """
        self._app = app
        self._files = frozenset(files)
        self._most = most_bytes
        self._held_most = max(held_bytes, most_bytes)
        self._held = 0  # only the loop's thread counts
        self._patience_s = patience_s
        self._retry_s = retry_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        clock = asyncio.get_running_loop().time
        is_file = scope["path"] in self._files
        most = self._most if is_file else min(self._most, WISHES_BYTES)
        told = Headers(scope=scope).get("content-length", "")
        come = held = 0
        began = clock()
        complete = answering = False

        async def receive_in_time() -> Message:
            if complete:  # from now on it is only told that the client has left
                return await receive()
            try:
                async with asyncio.timeout_at(began + self._patience_s + come / SLOWEST):
                    return await receive()
            except TimeoutError:
                if answering:
                    return {"type": "http.disconnect"}
                raise HTTPException(
                    HTTPStatus.REQUEST_TIMEOUT,
                    f"This came too slowly: after {clock() - began:.0f} s only {come / 1000:g} kB "
                    "of it were here.",
                ) from None

        async def receive_some() -> Message:
            nonlocal come, held, complete
            too_large = told.isdecimal() and int(told) > most
            too_many = False
            while True:
                message = await receive_in_time()
                complete = not message.get("more_body", False)
                size = len(message.get("body", b""))
                come += size
                too_large = too_large or come > most
                too_many = too_many or self._held + size > self._held_most
                if not (too_large or too_many):
                    held += size
                    self._held += size
                    return message
                if not complete and come <= _HEARD_OUT * self._most:
                    continue
                if too_large:
                    raise HTTPException(
                        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                        f"The file is larger than the {most / 1e6:g} MB that this server takes."
                        if is_file
                        else f"This is larger than the {most / 1e3:g} kB that wishes may have.",
                    )
                raise HTTPException(
                    HTTPStatus.SERVICE_UNAVAILABLE,
                    "Too many files wait here already; try again in a moment.",
                    {"Retry-After": str(self._retry_s())},
                )

        async def send_and_forget(message: Message) -> None:
            nonlocal held, answering
            answering = True  # so nobody needs the body any more
            self._held, held = self._held - held, 0
            await send(message)

        try:
            await self._app(scope, receive_some, send_and_forget)
        finally:
            self._held -= held
