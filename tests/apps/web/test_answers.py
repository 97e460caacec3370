"""What is being sent lies on the disk, takes room that is counted, and is gone afterwards."""

import asyncio
import tempfile

import pytest

from restora.apps.web.answers import Answers, FileResponse
from restora.apps.web.later import Later

FULL = "Too many results are on their way to others; try again in a moment."


def test_bytes_come_back(opened_files):
    before = opened_files()
    answer = Answers(most_bytes=10).hold(bytes(range(256)) * 3000)
    assert opened_files() == before + 1
    parts = list(answer.chunks())
    assert len(parts) > 1
    assert b"".join(parts) == bytes(range(256)) * 3000
    answer.close()
    answer.close()
    assert opened_files() == before


def test_the_room_is_bounded(opened_files):
    answers, before = Answers(most_bytes=10), opened_files()
    answers.check()
    first = answers.hold(b"12345678")
    answers.check()
    with pytest.raises(Later, match=FULL) as caught:
        answers.hold(b"123")
    assert caught.value.retry_s == 2
    second = answers.hold(b"12")
    with pytest.raises(Later):
        answers.check()
    assert opened_files() == before + 2
    first.close()
    answers.check()
    second.close()
    assert answers._held == 0


def test_one_alone_may_be_larger():
    answers = Answers(most_bytes=10)
    large = answers.hold(bytes(100))
    with pytest.raises(Later):
        answers.hold(b"1")
    large.close()
    answers.hold(b"1").close()


def test_a_file_that_is_there_already():
    with tempfile.TemporaryFile() as file:
        file.write(b"some")
        answer = Answers(most_bytes=10).hold_file(file)
        assert b"".join(answer.chunks()) == b"some"
        answer.close()
        assert file.closed


def response(data=bytes(10**6)):
    answers = Answers(most_bytes=10)
    made = FileResponse(answers.hold(data), media_type="image/png", headers={"X-Told": "1"})
    return answers, made


SCOPE = {"type": "http", "asgi": {"spec_version": "2.3"}}


def test_it_is_sent_bit_by_bit():
    answers, made = response()
    told = []

    async def receive():
        await asyncio.sleep(60)

    async def send(message):
        told.append(message)

    asyncio.run(made(SCOPE, receive, send))
    headers = dict(told[0]["headers"])
    assert headers[b"content-length"] == b"1000000"
    assert (headers[b"content-type"], headers[b"x-told"]) == (b"image/png", b"1")
    sizes = [len(message["body"]) for message in told[1:]]
    assert sum(sizes) == 10**6
    assert max(sizes) <= 1 << 18
    assert answers._held == 0


def test_who_leaves_takes_no_room():
    answers, made = response()

    async def receive():
        return {"type": "http.disconnect"}

    async def send(_):
        await asyncio.sleep(60)  # as long as nobody reads

    asyncio.run(made(SCOPE, receive, send))
    assert answers._held == 0
