"""How much a request may bring, and all of them together."""

from __future__ import annotations

from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HEARD_OUT = 2  # times the limit


class BodyLimit:
    """Refuses bodies of any kind that are larger than a server takes, before they are in memory.

    Whatever waits for its turn keeps its body in memory, so there is a limit for all of them too.
    What comes too much is thrown away for a while before the answer: many programs look for one
    only when they have sent everything, and find a broken connection instead.
    """

    def __init__(self, app: ASGIApp, *, most_bytes: int, held_bytes: int) -> None:
        """Guard an app.

        Args:
            app: What is guarded.
            most_bytes: How large a body may be.
            held_bytes: How large all of those may be that are not answered yet.
        """
        self._app = app
        self._most = most_bytes
        self._held_most = max(held_bytes, most_bytes)
        self._held = 0  # only the loop's thread counts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        told = Headers(scope=scope).get("content-length", "")
        come = held = 0

        async def receive_some() -> Message:
            nonlocal come, held
            too_large = told.isdecimal() and int(told) > self._most
            too_many = False
            while True:
                message = await receive()
                size = len(message.get("body", b""))
                come += size
                too_large = too_large or come > self._most
                too_many = too_many or self._held + size > self._held_most
                if not (too_large or too_many):
                    held += size
                    self._held += size
                    return message
                if message.get("more_body", False) and come <= _HEARD_OUT * self._most:
                    continue
                if too_large:
                    raise HTTPException(
                        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                        f"The file is larger than the {self._most / 1e6:g} MB that this server "
                        "takes.",
                    )
                raise HTTPException(
                    HTTPStatus.SERVICE_UNAVAILABLE,
                    "Too many files wait here already; try again in a moment.",
                )

        try:
            await self._app(scope, receive_some, send)
        finally:
            self._held -= held
