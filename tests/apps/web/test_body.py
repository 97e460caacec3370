"""A body has a size, and a time in which it has to come."""

import asyncio

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from restora.apps.web.body import SLOWEST, WISHES_BYTES, BodyLimit


class Seen:
    """An app that reads what is sent, and what became of that."""

    def __init__(self, *, answers_first=False):
        self.body = self.refused = None
        self.answers_first = answers_first

    async def __call__(self, scope, receive, send):
        if self.answers_first:
            await JSONResponse({})(scope, receive, send)
        try:
            self.body = await Request(scope, receive).body()
        except HTTPException as error:
            self.refused = error
        except Exception as error:  # as Starlette tells that somebody left
            self.refused = error


def sent(parts, *, path="/api/restore", patience_s=0.2, app=None, **options):
    """What an app got of parts, each of which comes after so many seconds."""
    app = app or Seen()
    guard = BodyLimit(
        app, files=["/api/restore"], patience_s=patience_s,
        **{"most_bytes": 10**6, "held_bytes": 10**6} | options,
    )  # fmt: skip
    coming = iter(parts)

    async def receive():
        wait_s, data, more = next(coming)
        await asyncio.sleep(wait_s)
        return {"type": "http.request", "body": data, "more_body": more}

    async def send(_):
        pass

    scope = {"type": "http", "method": "POST", "path": path, "headers": []}
    asyncio.run(guard(scope, receive, send))
    return app, guard


def test_what_comes_in_time():
    app, guard = sent([(0, b"ab", True), (0.01, b"c", False)])
    assert app.body == b"abc"
    assert guard._held == 0


@pytest.mark.parametrize("parts", [[(60, b"", False)], [(0, b"ab", True), (60, b"c", True)]])
def test_what_comes_too_slowly(parts):
    app, guard = sent(parts)
    assert app.refused.status_code == 408
    size = sum(len(data) for _, data, _ in parts[:-1])
    assert app.refused.detail == (
        f"This came too slowly: after 0 s only {size / 1000:g} kB of it were here."
    )
    assert guard._held == 0


def test_what_comes_steadily_may_take_longer():
    each = (0.2, bytes(2 * SLOWEST // 5), True)
    app, _ = sent([*[each] * 5, (0, b"", False)], patience_s=0.7)  # less than all of it takes
    assert len(app.body) == 2 * SLOWEST


def test_nobody_is_hurried_once_all_is_there():
    """From then on the server is slow, not the client."""

    class Waits(Seen):
        async def __call__(self, scope, receive, send):
            self.body = (await receive())["body"]
            self.later = await receive()

    app, _ = sent([(0, b"all", False), (0.3, b"left", False)], patience_s=0.1, app=Waits())
    assert (app.body, app.later["body"]) == (b"all", b"left")


def test_after_the_answer_it_is_as_if_they_had_left():
    app, _ = sent([(60, b"", False)], patience_s=0.05, app=Seen(answers_first=True))
    assert type(app.refused).__name__ == "ClientDisconnect"


def test_bodies_take_no_room_once_they_are_answered():
    held = []

    class Answers(Seen):
        async def __call__(self, scope, receive, send):
            await Request(scope, receive).body()
            held.append(guard_of[0]._held)
            await JSONResponse({})(scope, receive, send)
            held.append(guard_of[0]._held)

    app = Answers()
    guard = BodyLimit(app, files=["/"], most_bytes=99, held_bytes=99)
    guard_of = [guard]

    async def receive():
        return {"type": "http.request", "body": b"12345", "more_body": False}

    async def send(_):
        pass

    asyncio.run(
        guard({"type": "http", "path": "/", "headers": []} | {"method": "POST"}, receive, send)
    )
    assert held == [5, 0]
    assert guard._held == 0


def test_wishes_are_small():
    for size, refused in ((WISHES_BYTES, False), (WISHES_BYTES + 1, True)):
        app, _ = sent([(0, bytes(size), False)], path="/api/zip")
        assert (app.body is None) == refused
    assert app.refused.status_code == 413
    assert app.refused.detail == "This is larger than the 100 kB that wishes may have."


def test_it_says_when_to_come_back():
    app, _ = sent([(0, bytes(10), False)], most_bytes=9, held_bytes=9, retry_s=lambda: 17)
    assert app.refused.status_code == 413  # too large however empty the server is
    app, guard = Seen(), None
    guard = BodyLimit(app, files=["/"], most_bytes=9, held_bytes=9, retry_s=lambda: 17)
    guard._held = 5

    async def receive():
        return {"type": "http.request", "body": bytes(6), "more_body": False}

    scope = {"type": "http", "path": "/", "headers": [], "method": "POST"}
    asyncio.run(guard(scope, receive, None))
    assert app.refused.status_code == 503
    assert app.refused.headers == {"Retry-After": "17"}
