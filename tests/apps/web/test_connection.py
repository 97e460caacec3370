"""What a connection may cost, on real sockets with shorter times."""

import asyncio
import contextlib
import socket
import threading
import time

import pytest
import uvicorn

from restora.apps.web.connection import Connection

PAGE = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture
def port(monkeypatch):
    """Of a server that gives a large page, or waits a little where that is asked for."""
    for name, value in (("HEADERS_S", 0.4), ("READ_S", 0.6), ("LOOK_S", 0.05), ("MOST", 4)):
        monkeypatch.setattr(f"restora.apps.web.connection.{name}", value)

    async def app(scope, receive, send):
        size = 10**7 if scope["path"] == "/large" else 2
        if scope["path"] == "/late":
            await asyncio.sleep(1)
        headers = [(b"content-length", str(size).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for start in range(0, size, 1 << 18):
            part = bytes(min(1 << 18, size - start))
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    config = uvicorn.Config(
        app, http=Connection, ws="none", lifespan="off", log_level="warning", timeout_keep_alive=60
    )
    server = uvicorn.Server(config)
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join(30)
    listener.close()


@contextlib.contextmanager
def connected(port, **options):
    with socket.socket() as made:
        for option, value in options.items():
            made.setsockopt(socket.SOL_SOCKET, getattr(socket, option), value)
        made.settimeout(20)
        made.connect(("127.0.0.1", port))
        yield made


def all_of(made):
    """Until the server closes."""
    parts = []
    with contextlib.suppress(ConnectionResetError):
        while part := made.recv(1 << 16):
            parts.append(part)
    return b"".join(parts)


def is_answered(made):
    """Whether the small page comes."""
    told = b""
    while not told.endswith(b"\0\0") and (part := made.recv(1 << 16)):
        told += part
    return told.startswith(b"HTTP/1.1 200 OK")


def trickle(made, data, pause_s=0.05):
    """Send byte by byte until the server has had enough; what it said."""
    made.settimeout(pause_s)
    for number in range(len(data)):
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            made.sendall(data[number : number + 1])
        try:
            return made.recv(1 << 16)
        except TimeoutError:
            continue
        except ConnectionResetError:
            return b""
    raise AssertionError("it never ended")


@pytest.mark.parametrize("sent", [b"", b"GET / HTT"])
def test_headers_have_their_time(port, sent):
    with connected(port) as made:
        began = time.monotonic()
        made.sendall(sent)
        told = all_of(made)
    assert told == b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    assert 0.3 < time.monotonic() - began < 10


def test_headers_that_come_byte_by_byte(port):
    with connected(port) as made:
        assert trickle(made, PAGE + b"x" * 1000).startswith(b"HTTP/1.1 408 ")


def test_the_second_request_has_no_more_time(port):
    with connected(port) as made:
        made.sendall(PAGE)
        assert is_answered(made)
        assert trickle(made, b"GET / HTTP/1.1\r\nX: " + b"x" * 1000) == b""


def test_a_connection_that_is_used_stays(port):
    with connected(port) as made:
        for _ in range(12):
            made.sendall(PAGE)
            assert is_answered(made)
            time.sleep(0.1)


def test_who_waits_for_an_answer_is_left_in_peace(port):
    with connected(port) as made:
        made.sendall(PAGE.replace(b"/ ", b"/late ", 1))
        assert is_answered(made)


def test_what_nobody_reads_is_broken_off(port):
    with connected(port, SO_RCVBUF=4096) as made:
        made.sendall(PAGE.replace(b"/ ", b"/large ", 1))
        time.sleep(2)
        made.settimeout(20)
        assert len(all_of(made)) < 10**7


def test_what_is_read_slowly_is_sent(port):
    with connected(port, SO_RCVBUF=1 << 18) as made:
        made.sendall(PAGE.replace(b"/ ", b"/large ", 1))
        come = 0
        while come < 10**7:
            part = made.recv(1 << 18)
            assert part
            come += len(part)
            time.sleep(0.02)


def test_too_many(port):
    with contextlib.ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(connected(port))
        time.sleep(0.1)
        with connected(port) as made:
            made.sendall(PAGE)
            told = all_of(made)
    assert told.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"\r\nretry-after: 2\r\n" in told.lower()
    assert b"Too many are connected to this server; try again in a moment." in told
    with connected(port) as made:  # they have left
        time.sleep(0.1)
        made.sendall(PAGE)
        assert is_answered(made)
