"""Pictures are kept for a while, as many as there is room for."""

import numpy as np
import pytest

from restora.apps.web.disk import Bytes, Pixels
from restora.apps.web.limits import Limits
from restora.apps.web.store import Asked, Facts, Made, Store, TooMany, Unknown
from restora.apps.web.wire import InspectedShape, Outcome, Settings
from restora.images import Picture

FACTS = Facts(
    "a.jpg", "JPEG", 4, 4, True, InspectedShape(headline="", rows=[], quality=None, facts={})
)


def outcome():
    return Outcome(
        version=1, settings=Settings(), width_px=4, height_px=4, seconds=0, explain=[],
        quality=None, quality_source="none", prompt=None, inside_bins=None, notes=[], report={},
    )  # fmt: skip


def pixels():
    picture = Picture(pixels=np.zeros((4, 4, 3), np.float32), space="rgb")
    return Pixels(picture, bits=None)


@pytest.fixture
def store():
    with_room = Store(Limits(kept_pictures=3, kept_bytes=100, kept_s=600))
    yield with_room
    with_room.close()


def test_add_and_get(store):
    kept = store.add(FACTS, b"bytes")
    assert store.get(kept.id) is kept
    assert kept.upload.read() == b"bytes"
    assert kept.size == 5


def test_names_are_not_to_be_guessed(store):
    names = {store.add(FACTS, b"x").id for _ in range(3)}
    assert len(names) == 3
    assert min(map(len, names)) >= 22  # 128 bits


def test_unknown(store):
    with pytest.raises(Unknown) as caught:
        store.get("no")
    assert str(caught.value) == (
        "There is no such picture here; they are deleted after 10 minutes."
    )
    with pytest.raises(Unknown, match=r"^There is no such picture here\.$"):
        store.remove("no")


def test_as_many_as_there_is_room_for(store):
    first = store.add(FACTS, b"x")
    store.add(FACTS, b"x")
    store.add(FACTS, b"x")
    with pytest.raises(TooMany) as caught:
        store.add(FACTS, b"x")
    assert str(caught.value) == (
        "There is no room for more pictures (3 are kept); remove some, or come back later."
    )
    store.remove(first.id)
    store.add(FACTS, b"x")


def test_as_many_bytes_as_there_is_room_for(store):
    kept = store.add(FACTS, bytes(40))
    kept.made = Made(outcome(), pixels())  # 48 bytes
    assert kept.size == 88
    with pytest.raises(TooMany):
        store.add(FACTS, bytes(13))
    with pytest.raises(TooMany):
        store.check_room(13)
    store.check_room(12)
    store.add(FACTS, bytes(12))


def test_a_file_is_written_while_others_are_looked_for(store, monkeypatch, opened_files):
    class Slow(Bytes):
        def __init__(self, data):
            assert not store._lock.locked()
            super().__init__(data)

    monkeypatch.setattr("restora.apps.web.store.Bytes", Slow)
    before = opened_files()
    store.add(FACTS, bytes(90))
    with pytest.raises(TooMany):
        store.add(FACTS, bytes(11))
    assert opened_files() == before + 1


@pytest.fixture
def clock(monkeypatch):
    """The store's, which stands still; a function lets seconds pass."""
    now = [1000.0]
    monkeypatch.setattr("restora.apps.web.store.time.monotonic", lambda: now[0])

    def pass_by(seconds):
        now[0] += seconds

    return pass_by


def test_what_nobody_asks_for_is_deleted(opened_files, clock):
    store = Store(Limits(kept_s=0.2))
    before = opened_files()
    old, asked_for = store.add(FACTS, b"x"), store.add(FACTS, b"x")
    old.made = Made(outcome(), pixels())
    assert opened_files() == before + 3
    clock(0.15)
    store.get(asked_for.id)
    clock(0.1)
    store.expire()
    assert opened_files() == before + 1
    with pytest.raises(Unknown):
        store.get(old.id)
    assert store.get(asked_for.id) is asked_for
    store.close()
    assert opened_files() == before


def test_what_is_at_work_is_not_deleted(clock):
    store = Store(Limits(kept_s=0.05))
    kept = store.add(FACTS, b"x")
    kept.asked = Asked(1, Settings())
    clock(0.1)
    assert store.get(kept.id) is kept
    kept.asked.state = "done"
    clock(0.1)
    with pytest.raises(Unknown):
        store.get(kept.id)


def test_removal_frees_and_stops(store, opened_files):
    before = opened_files()
    kept = store.add(FACTS, b"x")
    kept.made = Made(outcome(), pixels())
    asked = kept.asked = Asked(2, Settings())
    assert opened_files() == before + 2
    store.remove(kept.id)
    assert opened_files() == before
    assert asked.stop
    with pytest.raises(Unknown):
        store.get(kept.id)
