"""What one stranger may take from all others: time, memory and places in the line."""

import json
import threading
import time

import numpy as np
import pytest

from restora.apps.web.desk import Desk
from restora.apps.web.disk import Pixels
from restora.apps.web.guard import Login
from restora.apps.web.limits import Limits
from restora.apps.web.store import Facts, Store, TooMany
from restora.apps.web.wire import InspectedShape
from restora.apps.web.work import Full, Worker
from restora.engine.wishes import Wishes
from restora.images import Picture
from restora.images.picture import Metadata

TOO_LONG = (
    "This takes longer than the {} s that this server gives to one picture. A smaller picture "
    "takes less, and so do fewer steps, samples or views."
)


def segment(kind, body):
    return b"\xff" + bytes([kind]) + (len(body) + 2).to_bytes(2, "big") + body


def remarked(data, *, count, size):
    """A JPEG with so many comments of this size."""
    return data[:2] + segment(0xFE, b"x" * size) * count + data[2:]


@pytest.fixture
def hasty(serve):
    return serve(limits=Limits(work_s=0.01))


def test_work_has_its_time(hasty, jpeg):
    """A picture of many tiles is given up between them."""
    data = jpeg(32, 2200)
    answer = hasty.post("/api/restore", content=data)
    assert answer.status_code == 422
    assert answer.json()["detail"] == TOO_LONG.format("0.01")
    id = hasty.upload(data)["id"]
    hasty.ask(id)
    work = hasty.wait(id)["work"]
    assert (work["state"], work["error"]) == ("failed", TOO_LONG.format("0.01"))


def test_what_is_done_is_not_thrown_away(hasty, jpeg):
    """Though the last tile took too long."""
    id = hasty.upload(jpeg())["id"]
    with hasty.paused() as wait:
        hasty.ask(id)
        assert wait()
        time.sleep(0.05)
    assert hasty.wait(id)["work"]["state"] == "done"


def test_work_that_nobody_asks_after_is_given_up(serve, jpeg):
    """As when a tab is closed without a word."""
    server = serve(limits=Limits(unwatched_s=0.3))
    waiting, running = server.upload(jpeg())["id"], server.upload(jpeg(32, 2200))["id"]
    with server.paused() as wait:
        server.ask(running)
        assert wait()
        server.ask(waiting)
        time.sleep(0.5)
    while server.studio.slow._line:
        time.sleep(0.01)
    for id in (running, waiting):
        work = server.get(f"/api/pictures/{id}").json()["work"]
        assert (work["state"], work["error"]) == (
            "stopped", "Nobody asked after it for 0.3 s, so it was given up.",
        )  # fmt: skip
        server.ask(id)
        assert server.wait(id)["work"]["state"] == "done"


def test_whoever_reads_the_events_asks_after_it(serve, jpeg):
    server = serve(limits=Limits(unwatched_s=0.3))
    id = server.upload(jpeg())["id"]
    states = []

    def read():
        with server.stream("GET", f"/api/pictures/{id}/events") as answer:
            lines = [line for line in answer.iter_lines() if line.startswith("data:")]
        states.extend(json.loads(line[5:])["state"] for line in lines)

    with server.busy():
        server.ask(id)
        reader = threading.Thread(target=read)
        reader.start()
        time.sleep(0.8)
    reader.join(60)
    assert states[-1] == "done"


def test_when_to_come_back_follows_from_the_line():
    worker = Worker("test", waiting=9)
    held = threading.Event()
    for _ in range(10):
        worker.put(lambda: held.wait(60))
    with pytest.raises(Full) as caught:
        worker.put(lambda: None)
    assert caught.value.retry_s == 10  # half of 10 that are thought to take 2 s each
    held.set()
    worker.close()
    assert worker.retry_s() == 2


def test_the_mean_follows_what_is_done():
    worker = Worker("test", waiting=99)
    for _ in range(40):
        worker.put(lambda: None).result(30)
    assert worker._mean_s < 0.1
    worker.close()


def test_when_there_is_room_for_pictures_again():
    facts = Facts(
        "a.jpg", "JPEG", 4, 4, True, InspectedShape(headline="", rows=[], quality=None, facts={})
    )
    for kept_s, retry_s in ((60, 60), (0.9, 2), (1800, 120)):
        store = Store(Limits(kept_pictures=1, kept_s=kept_s))
        store.add(facts, b"x")
        with pytest.raises(TooMany) as caught:
            store.add(facts, b"x")
        assert abs(caught.value.retry_s - retry_s) <= 1
        store.close()


def test_results_on_their_way_take_room(serve, jpeg):
    server = serve(limits=Limits(answer_bytes=10))
    id = server.restored(jpeg())["id"]
    on_its_way = server.studio.answers.hold(bytes(10))
    for ask in (
        lambda: server.post("/api/restore", content=jpeg()),
        lambda: server.get(f"/api/pictures/{id}/before"),
        lambda: server.get(f"/api/pictures/{id}/after"),
        lambda: server.get(f"/api/pictures/{id}/file"),
        lambda: server.post("/api/zip", json={"pictures": [id]}),
    ):
        answer = ask()
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "2"
        assert answer.json()["detail"] == (
            "Too many results are on their way to others; try again in a moment."
        )
    on_its_way.close()
    assert server.file(id)
    assert server.post("/api/zip", json={"pictures": [id]}).status_code == 200
    assert server.studio.answers._held == 0


def test_nothing_of_answers_is_left(client, jpeg, opened_files):
    id = client.restored(jpeg())["id"]
    before = opened_files()
    for path in ("before", "after", "file"):
        assert client.get(f"/api/pictures/{id}/{path}").status_code == 200
    assert client.post("/api/restore", content=jpeg()).status_code == 200
    assert client.post("/api/zip", json={"pictures": [id]}).status_code == 200
    assert opened_files() == before


def test_metadata_lies_on_the_disk():
    told = Metadata(icc=b"i" * 1000, exif=b"e" * 100, comment=b"", dpi=(72, 72), orientation=6)
    alpha = np.zeros((4, 5), np.uint8)
    picture = Picture(
        pixels=np.zeros((4, 5, 3), np.float32), space="rgb", alpha=alpha, metadata=told
    )
    kept = Pixels(picture, bits=None)
    assert kept.size == 60 + 20 + 1100
    assert kept._empty.metadata == Metadata(comment=b"", dpi=(72, 72), orientation=6)
    assert kept.picture().metadata == told
    kept.close()


def test_metadata_counts_for_the_room_on_the_desk(jpeg, restorer):
    desk = Desk(restorer, pixels=10_000, largest=100_000)
    large = remarked(jpeg(), count=1, size=60_000)
    opened = restorer.open(large)
    desk.lay("a", opened)
    assert desk._sheets["a"].pixels == 48 * 64 + 60_000 // 110
    desk.restore("a", lambda: large, Wishes(), name="a.jpg", progress=lambda *_: None)
    assert desk._sheets["a"].pixels == 48 * 64 + 60_000 // 110


def test_of_very_long_remarks_the_beginning_is_told(client, jpeg):
    data = remarked(jpeg(), count=200, size=60_000)
    for answer in (
        client.post("/api/inspect", content=data),
        client.post("/api/pictures", content=data),
    ):
        assert answer.is_success
        assert len(answer.content) < 2_000_000


def test_the_report_fits_into_a_header(client, jpeg):
    answer = client.post(
        "/api/restore", params={"task": "real", "prompt": "ä" * 1000, "steps": 1}, content=jpeg(),
    )  # fmt: skip
    assert answer.status_code == 200, answer.text
    told = answer.headers["restora-report"]
    assert len(told) <= 4000
    assert json.loads(told)["plan"]["prompt"] == "ä" * 100 + "..."


def test_many_wrong_passwords(serve):
    server = serve(login=Login("ada", "secret"))
    answers = [server.get("/", auth=("ada", str(number))) for number in range(12)]
    assert [answer.status_code for answer in answers] == [401] * 10 + [429] * 2
    for answer in (answers[-1], server.get("/", auth=("ada", "secret"))):  # not even looked at
        assert answer.status_code == 429
        assert 2 <= int(answer.headers["retry-after"]) <= 6
        assert answer.json()["detail"] == (
            "Too many wrong passwords came from your address; wait a little."
        )
    assert server.get("/").status_code == 401  # whoever tells none guesses none


def test_right_passwords_are_not_counted(serve):
    server = serve(login=Login("ada", "secret"))
    for _ in range(30):
        assert server.get("/", auth=("ada", "secret")).status_code == 200


def test_who_leaves_while_others_are_served_leaves_no_picture(client, jpeg):
    """Nobody would ever know its name, and it would take room until it expires."""
    messages = [
        {"type": "http.request", "body": jpeg(), "more_body": False},
        {"type": "http.disconnect"},
    ]
    told = []

    async def receive():
        return messages.pop(0) if len(messages) > 1 else messages[0]

    async def send(message):
        told.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/api/pictures", "query_string": b"",
        "headers": [(b"host", b"127.0.0.1")], "http_version": "1.1", "scheme": "http",
    }  # fmt: skip
    client.portal.call(client.app, scope, receive, send)
    assert not client.studio.store._kept
    assert told[0]["status"] == 503
