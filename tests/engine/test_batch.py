"""What becomes of the pictures of a run."""

import signal
import threading
import time
from pathlib import Path

import pytest

from restora.engine.batch import run_jobs
from restora.engine.jobs import Job
from restora.errors import InputError, UsageError


def jobs_of(tmp_path, count):
    return [Job(tmp_path / f"{n}.jpg", tmp_path / "out" / f"{n}.png") for n in range(count)]


@pytest.mark.parametrize("workers", [1, 3])
def test_one_bad_picture_never_stops_the_rest(tmp_path, workers):
    def restore(job, check):
        if job.source.stem == "2":
            raise InputError(f"{job.source}: is bad.")
        if job.source.stem == "3":
            raise UsageError("JPEG cannot hold transparency.")
        if job.source.stem == "4":
            raise RuntimeError("boom")
        job.target.write_bytes(b"done")
        return {}

    outcomes = list(run_jobs(jobs_of(tmp_path, 6), restore, workers=workers))
    status = {o.job.source.stem: (o.status, o.message) for o in outcomes}
    assert status["2"] == ("failed", f"{tmp_path / '2.jpg'}: is bad.")
    assert status["3"] == ("failed", f"{tmp_path / '3.jpg'}: JPEG cannot hold transparency.")
    assert status["4"][0] == "failed"
    assert "unexpected RuntimeError: boom" in status["4"][1]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["0.png", "1.png", "5.png"]


@pytest.mark.parametrize(
    ("existing", "status", "content"),
    [("refuse", "failed", b"old"), ("skip", "skipped", b"old"), ("overwrite", "restored", b"new")],
)
def test_results_that_are_there(tmp_path, existing, status, content):
    job = jobs_of(tmp_path, 1)[0]
    job.target.parent.mkdir()
    job.target.write_bytes(b"old")

    def restore(job, check):
        job.target.write_bytes(b"new")
        return {}

    (outcome,) = run_jobs([job], restore, existing=existing)
    assert outcome.status == status
    assert job.target.read_bytes() == content
    if status != "restored":
        assert str(job.target) in outcome.message


def test_an_output_folder_that_is_a_file(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    job = Job(tmp_path / "a.jpg", tmp_path / "file" / "a.png")
    (outcome,) = run_jobs([job], lambda job, check: {})
    assert outcome.status == "failed"
    assert outcome.message == f"{tmp_path / 'a.jpg'}: {tmp_path / 'file'}: is a file, not a folder."


@pytest.mark.parametrize("out", [".", "out"])
def test_a_failure_names_its_picture(tmp_path, monkeypatch, out):
    """Every sentence holds the folder's name when that is a dot."""
    monkeypatch.chdir(tmp_path)

    def restore(job, check):
        raise UsageError("JPEG cannot hold transparency.")

    (outcome,) = run_jobs([Job(Path("in/a.png"), Path(out) / "a.jpg")], restore)
    assert outcome.message == "in/a.png: JPEG cannot hold transparency."


def interrupt():
    """Ctrl-C; unlike ``_thread.interrupt_main`` it wakes a main thread that waits."""
    time.sleep(0.1)  # until it does wait, and starts no more threads
    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)


@pytest.mark.usefixtures("interruptible")
def test_what_is_written_is_told_when_interrupted(tmp_path):
    """Of four, one is being saved when the interrupt comes, one is half done, two never begun."""
    begun, interrupted = threading.Barrier(3), threading.Event()

    def restore(job, check):
        begun.wait()
        interrupted.wait()
        while job.source.stem == "1":
            check()
        job.target.write_bytes(b"done")
        return {}

    def interrupt_both():
        begun.wait()
        interrupt()
        interrupted.set()

    threading.Thread(target=interrupt_both).start()
    told = []
    with pytest.raises(KeyboardInterrupt):
        for outcome in run_jobs(jobs_of(tmp_path, 4), restore, workers=2):
            told.append(outcome)
    assert [(o.job.source.stem, o.status) for o in told] == [("0", "restored")]
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["0.png"]


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_ends_work_under_way(tmp_path):
    """The check handed to a running picture raises, so that nobody waits for the picture's end."""
    started, ended = threading.Event(), []

    def restore(job, check):
        started.set()
        try:
            for _ in range(10_000):
                check()
                threading.Event().wait(0.01)
        finally:
            ended.append(job)
        return {}

    run = run_jobs(jobs_of(tmp_path, 3), restore, workers=1)

    def interrupt_it():
        started.wait()
        interrupt()

    threading.Thread(target=interrupt_it).start()
    with pytest.raises(KeyboardInterrupt):
        next(run)
    assert len(ended) == 1
