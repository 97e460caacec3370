"""Who may ask: the right host, the right origin, the right password."""

from __future__ import annotations

import base64
import ipaddress
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from restora.apps.web.brake import Brake
from restora.apps.web.later import whole_s
from restora.apps.web.problems import problem
from restora.apps.web.sentences import BROKEN

LOOPBACK = ("localhost", "127.0.0.1", "::1")
_SAFE = ("GET", "HEAD", "OPTIONS")
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
        "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True)
class Login:
    """The one user a server knows."""

    user: str
    password: str


class Guard:
    """Refuses strangers before anything else looks at what they send.

    - Of another host: a page elsewhere can make its own name point here (DNS rebinding), but its
      requests carry that name.
    - Of another origin: a page elsewhere may send, though it could not read the answer.
    - Without the password, where there is one; and whoever tries many, for a while.
    """

    def __init__(self, app: ASGIApp, *, hosts: Iterable[str], login: Login | None) -> None:
        """Guard an app.

        Args:
            app: What is guarded.
            hosts: Names that requests may be for, besides addresses and the loopback's names.
            login: What everybody has to know; None: nobody is asked. With one, any host is good: a
                page elsewhere does not know it.
        """
        self._app = app
        self._hosts = {host.lower() for host in (*hosts, *LOOPBACK)}
        self._login = login
        self._brake = Brake()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        headers = Headers(scope=scope)
        address = (scope.get("client") or ("", 0))[0]
        refused = self._stranger(headers, address) or self._foreign(scope["method"], headers)
        if refused is None:
            try:
                await self._app(scope, receive, send_with_headers)
            except Exception:
                if not started:
                    answer = problem(HTTPStatus.INTERNAL_SERVER_ERROR, BROKEN)
                    await answer(scope, receive, send_with_headers)
                raise  # for the log
            return
        status, detail = refused
        retry_s = whole_s(self._brake.wait_s(address))
        answer = problem(status, detail, retry_s=retry_s)
        if status == HTTPStatus.UNAUTHORIZED:
            answer.headers["WWW-Authenticate"] = 'Basic realm="Restora", charset="UTF-8"'
        await answer(scope, receive, send_with_headers)

    def _stranger(self, headers: Headers, address: str) -> tuple[HTTPStatus, str] | None:
        """Status and sentence for whoever does not know what those who may use it know."""
        if self._login is None:
            host = headers.get("host", "")
            if self._is_ours(host):
                return None
            return (
                HTTPStatus.MISDIRECTED_REQUEST,
                f"This server does not answer for {host!r}; --allow-host lets it.",
            )
        told = headers.get("authorization", "")
        if told and self._brake.wait_s(address):
            return (
                HTTPStatus.TOO_MANY_REQUESTS,
                "Too many wrong passwords came from your address; wait a little.",
            )
        if self._knows(told):
            return None
        if told:
            self._brake.wrong(address)
        return HTTPStatus.UNAUTHORIZED, "This needs a user name and a password."

    @staticmethod
    def _foreign(method: str, headers: Headers) -> tuple[HTTPStatus, str] | None:
        """Status and sentence for what another page sends."""
        if method not in _SAFE:
            origin, host = headers.get("origin"), headers.get("host", "")
            foreign = origin is not None and origin.partition("://")[2] != host
            if foreign or headers.get("sec-fetch-site") == "cross-site":
                return HTTPStatus.FORBIDDEN, "Another page asked for this, which may not."
        return None

    def _is_ours(self, host: str) -> bool:
        name = _host_name(host)
        if name in self._hosts:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True  # an address is nobody's name

    def _knows(self, authorization: str) -> bool:
        assert self._login is not None
        scheme, _, told = authorization.partition(" ")
        if scheme.lower() != "basic":
            return False
        try:
            user, _, password = base64.b64decode(told, validate=True).partition(b":")
        except ValueError:  # of the coding, or of letters that it does not have
            return False
        # Both are compared, each in the same time whatever it is.
        right_user = secrets.compare_digest(user, self._login.user.encode())
        right_password = secrets.compare_digest(password, self._login.password.encode())
        return right_user and right_password


def _host_name(host: str) -> str:
    """A Host header without its port; an IPv6 address without brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.rpartition(":")[0].lower() if host.count(":") == 1 else host.lower()
