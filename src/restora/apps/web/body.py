"""How much a request may bring."""

from __future__ import annotations

from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HEARD_OUT = 2  # times the limit


class BodyLimit:
    """Refuses bodies of any kind that are larger than a server takes, before they are in memory.

    What comes too much is thrown away for a while before the answer: many programs look for one
    only when they have sent everything, and find a broken connection instead.
    """

    def __init__(self, app: ASGIApp, *, most_bytes: int) -> None:
        """Guard an app; ``most_bytes`` is how large a body may be."""
        self._app = app
        self._most = most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        told = Headers(scope=scope).get("content-length", "")
        come = 0

        async def receive_some() -> Message:
            nonlocal come
            too_large = told.isdecimal() and int(told) > self._most
            while True:
                message = await receive()
                come += len(message.get("body", b""))
                too_large = too_large or come > self._most
                if not too_large:
                    return message
                if not message.get("more_body", False) or come > _HEARD_OUT * self._most:
                    raise HTTPException(
                        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                        f"The file is larger than the {self._most / 1e6:g} MB that this server "
                        "takes.",
                    )

        await self._app(scope, receive_some, send)
