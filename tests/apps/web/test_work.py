"""One worker and a bounded line."""

import threading
import time
import weakref
from concurrent.futures import CancelledError
from functools import partial

import pytest

from restora.apps.web.work import Full, Stopped, Worker


@pytest.fixture
def worker():
    made = Worker("test", waiting=2)
    yield made
    made.close()


@pytest.fixture
def gate(worker):
    """Work that runs until the gate is opened."""
    started, opened = threading.Event(), threading.Event()
    worker.put(lambda: (started.set(), opened.wait(30)))
    assert started.wait(30)
    yield opened
    opened.set()


def test_one_thing_after_the_other(worker):
    order, at_once, most = [], 0, 0
    lock = threading.Lock()

    def work(number):
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        order.append(number)
        with lock:
            at_once -= 1

    for number in (1, 2):
        worker.put(lambda number=number: work(number))
    worker.put(lambda: work(3)).result(30)
    assert order == [1, 2, 3]
    assert most == 1


def test_the_line_is_bounded(worker, gate):
    first, second = worker.put(lambda: 1), worker.put(lambda: 2)
    with pytest.raises(Full) as caught:
        worker.put(lambda: 3)
    assert str(caught.value) == (
        "3 others are before you, and more may not wait; try again in a moment."
    )
    assert (worker.ahead(first), worker.ahead(second)) == (1, 2)
    gate.set()
    assert (first.result(30), second.result(30)) == (1, 2)
    assert worker.put(lambda: 4).result(30) == 4
    assert worker.ahead(first) == 0


def test_what_is_cancelled_leaves_the_line(worker, gate):
    first, second = worker.put(lambda: 1), worker.put(lambda: 2)
    assert first.cancel()
    assert worker.ahead(second) == 1
    third = worker.put(lambda: 3)
    gate.set()
    assert (second.result(30), third.result(30)) == (2, 3)


def test_what_fails_leaves_the_line(worker):
    def fail():
        raise OSError("no")

    for _ in range(9):  # more than may wait
        with pytest.raises(OSError, match="no"):
            worker.put(fail).result(30)
        while worker._line:  # it is left right after the result is there
            time.sleep(0.001)


def test_what_is_given_up_keeps_nothing_in_memory(worker, gate):
    """A line may be long, and each upload in it large."""
    given_up, done = set("upload"), set("upload")
    kept = weakref.ref(given_up), weakref.ref(done)
    future = worker.put(partial(len, given_up))
    worker.put(partial(done.add, "x"))
    del given_up, done
    assert future.cancel()
    assert kept[0]() is None  # before its turn
    assert kept[1]() is not None
    gate.set()
    worker.put(lambda: None).result(30)
    assert kept[1]() is None


def test_close_forgets_what_waits(gate, worker):
    ran = []
    waiting = worker.put(lambda: ran.append(1))
    closing = threading.Thread(target=worker.close)
    closing.start()
    with pytest.raises(CancelledError):  # while the other is still at work
        waiting.result(5)
    gate.set()
    closing.join(30)
    assert not closing.is_alive()
    assert not ran


def test_what_has_not_begun_never_will_once_it_ends():
    worker, begun, on = Worker("test", waiting=3), threading.Event(), threading.Event()

    def first():
        begun.set()
        on.wait(10)
        return "done"

    running, waiting = worker.put(first), worker.put(lambda: "never")
    assert begun.wait(10)
    worker.ending = True
    on.set()
    assert running.result(10) == "done"
    with pytest.raises(Stopped):
        waiting.result(10)
    worker.close()
