"""``restora serve``: a page and a REST API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Optional

import typer

if TYPE_CHECKING:
    import socket
    from types import FrameType

    from restora.apps.web.guard import Login

USER = "restora"
_FILES = 4096


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0: any that is free.")] = 7860,
    share: Annotated[
        bool,
        typer.Option("--share", help="Listen on every address, for others in your network."),
    ] = False,
    auth: Annotated[
        Optional[str],  # noqa: UP045 - typer reads annotations at run time
        typer.Option(
            envvar="RESTORA_AUTH",
            help="USER:PASSWORD that everybody has to know. Beyond this computer one is made "
            "up and printed, unless you say none.",
        ),
    ] = None,
    allow_host: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(help="A name this computer is asked by, as behind a proxy; several work."),
    ] = None,
    max_upload: Annotated[int, typer.Option(help="Largest file in MB.")] = 64,
    max_megapixels: Annotated[
        int, typer.Option(help="Largest picture, enlarged ones too, as a guard against bombs.")
    ] = 50,
    waiting: Annotated[
        int, typer.Option(help="Restorations that may wait; more are sent away with 503.")
    ] = 32,
    max_seconds: Annotated[
        int, typer.Option(help="Seconds that the work for one picture may take.")
    ] = 300,
    keep: Annotated[
        int, typer.Option(help="Minutes after which a picture nobody asks for is deleted.")
    ] = 30,
    dial_megapixels: Annotated[
        int,
        typer.Option(help="Megapixels kept ready for quick sliders; about 110 MB of memory each."),
    ] = 16,
    device: Annotated[
        str, typer.Option(help="cpu, or a PyTorch device such as cuda (needs restora[train]).")
    ] = "cpu",
    open_page: Annotated[
        bool, typer.Option("--open", help="Open the page in your browser.")
    ] = False,
) -> None:
    """Start a page to restore pictures in the browser, and a REST API beside it.

    Nobody but this computer reaches it, unless --share or --host say so. Pictures stay in memory
    and in files without a name, and nothing of them is left when the server ends.
    """
    import os
    import webbrowser

    from restora._optional import require
    from restora.engine.restorer import Restorer
    from restora.errors import UsageError

    uvicorn = require("uvicorn", extra="web")
    require("fastapi", extra="web")
    from restora.apps.web.app import make_app
    from restora.apps.web.connection import Connection
    from restora.apps.web.limits import Limits

    numbers = {
        "--max-upload": max_upload,
        "--max-megapixels": max_megapixels,
        "--waiting": waiting,
        "--max-seconds": max_seconds,
        "--keep": keep,
        "--dial-megapixels": dial_megapixels,
    }
    for option, number in numbers.items():
        if number < 1:
            raise UsageError(f"{option} is at least 1, not {number}.")
    if share:
        if host != "127.0.0.1":
            raise UsageError("--share listens on every address; leave out --host.")
        host = "0.0.0.0"
    login = _login(auth, alone=_is_loopback(host))
    listener = _listen(host, port)
    port = listener.getsockname()[1]
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    url = f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"

    def ready() -> None:
        typer.echo(f"Restora: {url}")
        if share:
            typer.echo(f"For others in your network: http://{_own_address()}:{port}")
        if login is not None:
            told = login.password if auth is None else "as you set it"
            typer.echo(f"User name: {login.user}, password: {told}")
        elif not _is_loopback(host):
            typer.echo("No password: whoever reaches this port uses it.")
        typer.echo("Ctrl-C ends it.")
        if open_page:
            webbrowser.open(url)

    _allow_files()
    app = make_app(
        limits=Limits(
            upload_bytes=max_upload * 1_000_000,
            pixels=max_megapixels * 1_000_000,
            waiting=waiting,
            work_s=max_seconds,
            kept_s=keep * 60,
            dial_pixels=dial_megapixels * 1_000_000,
        ),
        restorer=Restorer(device=device),
        hosts=(host, *(allow_host or ())),
        login=login,
        ready=ready,
    )

    class Server(uvicorn.Server):  # type: ignore[misc, name-defined]  # loaded when called
        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            if self.should_exit:  # told twice: a tile may take minutes, and no file has a name
                os._exit(128 + sig)
            app.state.studio.end()  # else it would wait for what runs
            super().handle_exit(sig, frame)

    config = uvicorn.Config(
        app,
        http=Connection,
        ws="none",
        log_level="warning",
        timeout_graceful_shutdown=10,
        server_header=False,
    )
    Server(config).run(sockets=[listener])


def _login(auth: str | None, *, alone: bool) -> Login | None:
    """Who may use it.

    Raises:
        UsageError: It is not USER:PASSWORD.
    """
    import secrets

    from restora.apps.web.guard import Login
    from restora.errors import UsageError

    if auth is None:
        return None if alone else Login(USER, secrets.token_urlsafe(9))
    if auth == "none":
        return None
    user, colon, password = auth.partition(":")
    if not (user and colon and password):
        raise UsageError("--auth is USER:PASSWORD, or none.")
    return Login(user, password)


def _is_loopback(host: str) -> bool:
    import ipaddress

    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _listen(host: str, port: int) -> socket.socket:
    """A socket that waits for requests.

    Raises:
        UsageError: The address or the port cannot be had.
    """
    import errno
    import socket

    from restora.errors import UsageError

    if not 0 <= port <= 65535:
        raise UsageError(f"--port is a number from 0 to 65535, not {port}.")
    try:
        kind = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=kind)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise UsageError(
                f"Port {port} is used by another program; --port {min(port + 1, 65535)} takes the "
                "next, --port 0 any."
            ) from error
        raise UsageError(f"Nothing can listen on {host}, port {port}: {error.strerror}.") from error


def _allow_files() -> None:
    """Let many pictures be kept: each holds two files open, and some systems allow 256."""
    import contextlib

    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource  # of Unix alone

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _own_address() -> str:
    """This computer's address in its network; nothing is sent to find it."""
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # an address nobody has (RFC 5737)
        except OSError:
            return socket.gethostname()
        return str(probe.getsockname()[0])
