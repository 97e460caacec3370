"""Runs on Ray: the same results as anywhere, whatever dies meanwhile."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from restora.apps.scale import cluster, run
from restora.apps.scale.cluster import load_ray
from restora.apps.scale.run import block_size, run_on_ray
from restora.apps.scale.worker import Worker
from restora.engine.manifest import Item
from restora.engine.restore_file import Settings
from restora.errors import MissingExtra, RestoraError


def hashes(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.suffix in (".png", ".part")
    }


@pytest.fixture
def plain(typed, tmp_path):
    """A function from inputs to what the plain loop makes of them."""

    def restore(source):
        typed("restore", source, "-o", tmp_path / "plain")
        return hashes(tmp_path / "plain")

    return restore


@pytest.fixture
def items(tmp_path):
    """A function from a folder to its pictures."""

    def list_all(folder):
        out = tmp_path / "out"
        paths = sorted(folder.glob("*.jpg"))
        return [Item(str(path), str(out / f"{path.stem}.png"), None) for path in paths]

    return list_all


def outcomes_of(items, **changes):
    options = {"address": None, "workers": 2, "device": "cpu"} | changes
    return run_on_ray(iter(items), Settings(), **options)


def processes(name):
    """Of processes whose command has this in it."""
    told = subprocess.run(
        ["ps", "-eww", "-o", "pid,stat,args"], capture_output=True, text=True, check=True
    ).stdout
    lines = [line.split(maxsplit=2) for line in told.splitlines()[1:]]
    return [int(pid) for pid, state, args in lines if name in args and "Z" not in state]


def test_the_same_results_as_of_the_plain_loop(ray_here, messy, typed, plain, rows, tmp_path):
    out = tmp_path / "out"
    arguments = ("restore", messy, "-o", out, "--engine", "ray")
    done = typed(*arguments, "--json")
    assert done.returncode == 1
    assert hashes(out) == plain(messy)
    assert len(hashes(out)) == 6
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert sorted(each["status"] for each in told) == 2 * ["failed"] + 6 * ["restored"]
    cut, empty = sorted(each["message"] for each in told if each["status"] == "failed")
    assert cut == f"{messy}/cut.jpg is cut off inside its header: there is no picture in it."
    assert empty == f"{messy}/empty.jpg is empty: it has 0 bytes."
    assert {place: row[1] for place, row in rows(out).items() if row[0] == "restored"} == (
        hashes(out)
    )
    # Only what failed is tried again, and what is missing made again.
    (out / "p01.png").unlink()
    again = typed(*arguments)
    assert "1 restored, 2 failed, 5 done before" in again.stderr
    assert hashes(out) == plain(messy)


def test_pictures_from_the_web_and_out_of_shards(
    ray_here, messy, web, zipped, typed, plain, tmp_path
):
    shard = zipped(messy)
    bad = tmp_path / "bad.zip"
    bad.write_bytes(shard.read_bytes()[:-50])
    inputs = (f"{web(messy)}/below/", f"zip://p*.jpg::{shard}", f"zip://::{bad}")
    out = tmp_path / "out"
    done = typed("restore", *inputs, "-o", out, "--engine", "ray")
    assert done.returncode == 1
    assert f"failed: zip://::{bad} cannot be read (File is not a zip file).\n" in done.stderr
    assert "6 restored, 1 failed\n" in done.stderr
    expected = {place.split("/")[-1]: digest for place, digest in plain(messy).items()}
    assert hashes(out) == expected


def test_where_nothing_is_left_ray_is_not_started(monkeypatch):
    monkeypatch.setattr(run, "connected", None)
    assert list(outcomes_of([])) == []


def test_a_worker_that_dies_is_replaced(ray_here, pictures, items, plain, tmp_path):
    folder = pictures(16)
    todo = items(folder)
    found = []
    for outcome in outcomes_of(todo):
        found.append(outcome)
        if len(found) in (2, 6):
            os.kill(processes("ray::MapWorker")[0], signal.SIGKILL)
    assert [outcome.status for outcome in found] == 16 * ["restored"]
    assert {outcome.job for outcome in found} == set(todo)
    assert hashes(tmp_path / "out") == plain(folder)


def test_a_picture_that_kills_its_process_is_given_up(ray_here, pictures, items, monkeypatch):
    todo = items(pictures(6))
    poison = todo[2].source

    class Deadly(Worker):
        def _work(self, item):
            if item.source == poison:
                os.kill(os.getpid(), signal.SIGKILL)
            return super()._work(item)

    monkeypatch.setattr(run, "Worker", Deadly)
    found = {outcome.job.source: outcome for outcome in outcomes_of(todo)}
    assert len(found) == 6
    given_up = found.pop(poison)
    assert (given_up.status, given_up.message) == (
        "failed",
        f"{poison}: the process that worked on it died 3 times, perhaps for want of memory.",
    )
    assert {outcome.status for outcome in found.values()} == {"restored"}


def test_pictures_are_read_from_the_manifest_in_parts(ray_here, pictures, items, monkeypatch):
    monkeypatch.setattr(run, "WINDOW", 2)
    monkeypatch.setattr(run, "block_size", lambda workers: 3)
    todo = items(pictures(7))
    read = []

    def slowly():
        for item in todo:
            read.append(item)
            yield item

    ended = run_on_ray(slowly(), Settings(), address=None, workers=2, device="cpu")
    first = next(ended)
    assert len(read) == 4
    assert {first.job, *(outcome.job for outcome in ended)} == set(todo)


def test_a_device_that_is_not_there_is_told_once(ray_here, pictures, items):
    todo = items(pictures(3))
    with pytest.raises(RestoraError, match="mps"):
        list(outcomes_of(todo, device="mps"))
    with pytest.raises(RestoraError) as refused:
        list(outcomes_of(todo, device="cuda", workers=None))
    assert str(refused.value) == ("Ray has no GPU to work on; --jobs says how many there will be.")


def test_more_workers_get_longer_blocks():
    assert [block_size(count) for count in (1, 8, 32, 1000)] == [1, 1, 4, 16]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"device": "cuda:1"},
            "--device cuda:1: Ray hands every worker a GPU of its own; say --device cuda.",
        ),
        (
            {"address": "127.0.0.1:9"},
            "There is no Ray to be had at 127.0.0.1:9 ([Errno 111] Connection refused). If it asks "
            "for a token, set RAY_AUTH_MODE=token as well.",
        ),
        (
            {"address": "ray://head:10001"},
            "--address ray://head:10001: Ray's client is not enough; give the command on a "
            "machine of the cluster, with --address auto.",
        ),
    ],
)
def test_what_makes_no_sense_with_ray(changes, message, monkeypatch):
    monkeypatch.setattr(load_ray(), "is_initialized", lambda: False)
    with pytest.raises(RestoraError) as refused:
        list(outcomes_of([Item("a", "b", None)], **changes))
    assert str(refused.value) == message


def test_a_missing_extra_is_told_before_anything_is_done(typed, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    load_ray.cache_clear()
    try:
        done = typed("restore", tmp_path, "-o", tmp_path / "out", "--engine", "ray")
    finally:
        monkeypatch.undo()
        load_ray.cache_clear()
    assert (done.returncode, done.stderr) == (
        1,
        "restora: This needs ray, which the light install leaves out: "
        "pip install 'restora[scale]'\n",
    )
    assert not (tmp_path / "out").exists()
    with pytest.raises(MissingExtra):
        monkeypatch.setitem(sys.modules, "fsspec", None)
        outcomes_of([])


def begin(*arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "restora.cli.main", *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def wait_for(count, out, process):
    while len(hashes(out)) < count:
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)


def ray_of(process):
    """Processes of the Ray that a command started, but for two that fall asleep."""
    agents = processes("Agent")
    return [each for each in processes(f"restora-ray-{process.pid}-") if each not in agents]


def test_a_command_that_is_killed_is_taken_up_again(pictures, plain, rows, tmp_path):
    folder = pictures(24)
    out = tmp_path / "out"
    arguments = ("restore", folder, "-o", out, "--engine", "ray", "--jobs", "1")
    killed = begin(*arguments)
    wait_for(3, out, killed)
    assert ray_of(killed)
    killed.kill()
    killed.communicate()
    told = {row[0] for row in rows(out).values()}
    assert "waiting" in told
    until = time.monotonic() + 30
    while ray_of(killed):
        assert time.monotonic() < until
        time.sleep(0.1)
    again = begin(*arguments)
    said = again.communicate()
    assert again.returncode == 0, said
    before = said[1].split(", ")[1].split()[0] if "," in said[1] else "0"
    # Nothing that Ray has to say is among it.
    done = f", {before} done before" if before != "0" else ""
    assert said == ("", f"{24 - int(before)} restored{done}\n")
    assert hashes(out) == plain(folder)
    assert {place: row[1] for place, row in rows(out).items()} == hashes(out)
    assert not ray_of(again)
    assert not list(cluster.base_folder().glob(f"restora-ray-{killed.pid}-*"))
    assert not list(cluster.base_folder().glob(f"restora-ray-{again.pid}-*"))


def test_an_interrupt_ends_it_soon_and_keeps_what_is_done(interruptible, pictures, rows, tmp_path):
    out = tmp_path / "out"
    process = begin(
        "restore", pictures(200), "-o", out, "--engine", "ray", "--jobs", "1", "--json"
    )  # fmt: skip
    process.stdout.readline()
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of them
    said = process.communicate()[1]
    assert process.returncode == 130
    done = [row[0] for row in rows(out).values()].count("restored")
    assert 1 <= done < 200
    assert said == f"interrupted; {200 - done} not restored\n{done} restored\n"
    assert not ray_of(process)
