"""``restore --resume``: an archive loses nothing, whatever happens to the process or the disk."""

import hashlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

COUNT = 6


@pytest.fixture
def folder(tmp_path):
    """Six pictures, two of which would get one name, and one that is cut off."""
    inputs = tmp_path / "in"
    (inputs / "sub").mkdir(parents=True)
    rng = np.random.default_rng(1)
    for number in range(COUNT):
        name = (
            "sub/3.webp" if number == 4 else f"sub/{number}.jpg" if number > 2 else f"{number}.jpg"
        )
        coarse = rng.integers(0, 255, (6, 8), np.uint8)
        # The last is large: whoever is stopped after the first is stopped in the middle.
        size = (64, 48) if number < COUNT - 1 else (900, 700)
        picture = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)
        picture.save(inputs / name, quality=15)
    whole = (inputs / "0.jpg").read_bytes()
    (inputs / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    return inputs


def made(out):
    """Name and bytes of everything in the folder of the results but the manifest."""
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in Path(out).rglob("*")
        if path.is_file() and "manifest" not in path.name
    }


def rows(out, columns="target, status, output_sha256, error"):
    with sqlite3.connect(f"file:{out}/restora-manifest.sqlite?mode=ro", uri=True) as database:
        query = f"SELECT {columns} FROM manifest ORDER BY target"
        return database.execute(query).fetchall()


def noted(out):
    """How many results are in the manifest, which a run may just be writing."""
    try:
        return [status for _, status, *_ in rows(out)].count("restored")
    except sqlite3.OperationalError:  # there is none yet, or no table in it
        return 0


def check_whole(out, undisturbed):
    """The same files, byte for byte, none more; each with its row, none double."""
    assert made(out) == undisturbed
    restored = {target: sha for target, status, sha, _ in rows(out) if status == "restored"}
    assert restored == {
        name: hashlib.sha256(data).hexdigest() for name, data in undisturbed.items()
    }


@pytest.fixture
def undisturbed(folder, tmp_path, typed):
    """What a run that nothing happened to leaves."""
    done = typed("restore", folder, "-o", tmp_path / "calm", "--resume")
    assert done.returncode == 1
    assert "6 restored, 1 failed" in done.stderr
    return made(tmp_path / "calm")


def start(*arguments):
    """The command as a process of its own."""
    code = "from restora.cli.main import main; main()"
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for(condition, process):
    """Wait until something is there, or the process has ended before."""
    end = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < end
        time.sleep(0.002)


def test_with_a_manifest_or_without_the_results_are_the_same(folder, undisturbed, typed, tmp_path):
    done = typed("restore", folder, "-o", tmp_path / "plain")
    assert done.returncode == 1
    assert made(tmp_path / "plain") == undisturbed
    assert sorted(undisturbed) == [
        "0.png", "1.png", "2.png", "sub/3.jpg.png", "sub/3.webp.png", "sub/5.png",
    ]  # fmt: skip


def test_a_second_run_takes_up_what_failed(folder, undisturbed, typed, tmp_path):
    out = tmp_path / "calm"
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.png")}
    (failed,) = (error for _, status, _, error in rows(out) if status == "failed")
    assert "cut.jpg is cut off" in failed
    shutil.copy(folder / "1.jpg", folder / "cut.jpg")
    done = typed("restore", folder, "-o", out, "--resume")
    assert done.returncode == 0, done.stderr
    assert "1 restored, 6 done before" in done.stderr
    assert {path: path.stat().st_mtime_ns for path in before} == before
    check_whole(out, undisturbed | {"cut.png": undisturbed["1.png"]})
    again = typed("restore", folder, "-o", out, "--resume")
    assert "7 done before" in again.stderr
    assert again.returncode == 0


def test_a_picture_that_changed_is_made_again_and_one_only_touched_is_not(
    folder, undisturbed, typed, tmp_path
):
    out = tmp_path / "calm"
    (folder / "cut.jpg").unlink()
    shutil.copy(folder / "2.jpg", folder / "0.jpg")
    (folder / "1.jpg").touch()
    done = typed("restore", folder, "-o", out, "--resume", "--json")
    told = {Path(line["source"]).name: line for line in map(json.loads, done.stdout.splitlines())}
    assert {name: line["status"] for name, line in told.items()} == {
        "0.jpg": "restored", "1.jpg": "skipped",
    }  # fmt: skip
    assert told["1.jpg"]["message"].endswith("1.png: is made of this very picture already.")
    assert told["0.jpg"]["output_sha256"] == hashlib.sha256(undisturbed["2.png"]).hexdigest()
    check_whole(out, undisturbed | {"0.png": undisturbed["2.png"]})


def test_a_name_that_is_no_text(typed, folder, tmp_path):
    name = os.fsdecode(b"\xe9t\xe9.jpg")
    shutil.copy(folder / "1.jpg", folder / name)
    (folder / "cut.jpg").unlink()
    done = typed("restore", folder, "-o", tmp_path / "out", "--resume")
    assert done.returncode == 1
    assert "?t?.jpg: its name is not in UTF-8, as a manifest's must be." in done.stderr
    assert "6 restored, 1 failed" in done.stderr


@pytest.mark.parametrize("after", [1, 3])
def test_killed_without_warning(folder, undisturbed, typed, tmp_path, after):
    out = tmp_path / "out"
    process = start("restore", folder, "-o", out, "--resume")
    # A result that is not noted yet is made again: so it is the notes that are waited for.
    wait_for(lambda: noted(out) >= after, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    before = noted(out)
    assert after <= before <= len(made(out)) <= before + 1 <= len(undisturbed)
    done = typed("restore", folder, "-o", out, "--resume")
    assert done.returncode == 1  # the one that is cut off
    assert f"{len(undisturbed) - before} restored, 1 failed, {before} done before" in done.stderr
    check_whole(out, undisturbed)


def test_killed_while_it_wrote(folder, undisturbed, typed, tmp_path):
    """What lies half written beside a result goes; what a living process writes stays."""
    out = tmp_path / "out"
    out.mkdir()
    code = (
        "from pathlib import Path; import os, sys\n"
        "Path.replace = lambda *_: os.kill(os.getpid(), 9)\n"
        "from restora.images.atomic import write_atomically\n"
        "write_atomically(sys.argv[1], b'half')"
    )
    killed = subprocess.run([sys.executable, "-c", code, out / "0.png"], check=False)
    assert killed.returncode == -signal.SIGKILL
    (half,) = made(out)
    ours = half.replace(half.split("-")[2], str(os.getpid()))
    (out / ours).write_bytes(b"of a process that lives")
    typed("restore", folder, "-o", out, "--resume")
    assert made(out).pop(ours) == b"of a process that lives"
    (out / ours).unlink()
    check_whole(out, undisturbed)


@pytest.mark.usefixtures("interruptible")
def test_interrupted(folder, undisturbed, typed, tmp_path):
    out = tmp_path / "out"
    process = start("restore", folder, "-o", out, "--resume")
    wait_for(lambda: noted(out) >= 1, process)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted; " in said
    # At most one was written and not noted any more; it is made again.
    before = {target for target, status, *_ in rows(out) if status == "restored"}
    assert before <= made(out).keys()
    assert 1 <= len(before) <= len(made(out)) <= len(before) + 1
    done = typed("restore", folder, "-o", out, "--resume")
    assert f"{len(undisturbed) - len(before)} restored, 1 failed" in done.stderr
    check_whole(out, undisturbed)


def test_a_full_disk_ends_the_run_and_more_room_goes_on(folder, undisturbed, typed, small_disk):
    out = small_disk(16_384)
    done = typed("restore", folder, "-o", out, "--resume", "--manifest", folder.parent / "m.sqlite")
    assert done.returncode == 1
    assert "There is no room for more results: " in done.stderr
    assert "left to do. Make room and give the same command again; what is done is kept." in (
        done.stderr
    )
    written = made(out)
    assert 0 < len(written) < len(undisturbed)
    assert all(undisturbed[name] == data for name, data in written.items())
    subprocess.run(["mount", "-o", "remount,size=10m", out], check=True)
    again = typed(
        "restore", folder, "-o", out, "--resume", "--manifest", folder.parent / "m.sqlite"
    )
    assert again.returncode == 1  # the one that is cut off
    assert made(out) == undisturbed


def test_a_disk_too_full_for_the_manifest(folder, typed, small_disk):
    out = small_disk(4096)
    done = typed("restore", folder, "-o", out, "--resume")
    assert done.returncode == 1
    assert "restora-manifest.sqlite cannot be written: the disk is full." in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture
def small_disk(tmp_path):
    """A function from a number of bytes to a folder that holds no more."""
    mounted = []

    def mount(size_bytes):
        folder = tmp_path / "disk"
        folder.mkdir()
        options = f"size={size_bytes}"
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"a small disk takes root: {done.stderr}")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", folder], check=True)


def test_two_runs_at_once(folder, undisturbed, typed, tmp_path):
    out = tmp_path / "out"
    process = start("restore", folder, "-o", out, "--resume")
    wait_for(lambda: len(list(out.rglob("*.png"))) >= 1, process)
    second = typed("restore", folder, "-o", out, "--resume")
    assert second.returncode == 1
    assert "restora-manifest.sqlite is in use by another run." in second.stderr
    process.communicate(timeout=60)
    check_whole(out, undisturbed)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--engine", "spark", "-o", "out"], "--engine is local or ray, not 'spark'."),
        (["--address", "auto", "-o", "out"], "--address is of --engine ray."),
        (["--manifest", "m", "-o", "out"], "--manifest is of --resume and of --engine ray."),
        (["--resume", "--in-place"], "results need a folder of their own: -o FOLDER, not --in-pla"),
        (["--resume"], "results need a folder of their own: -o FOLDER"),
        (["--resume", "-o", "s3://b/out"], "s3://b/out is a URL, which --engine ray reads and wr"),
        (["--max-seconds", "0", "-o", "out"], "--max-seconds is above 0, not 0."),
        (["--max-megabytes", "0", "-o", "out"], "--max-megabytes is at least 1, not 0."),
    ],
)
def test_options_that_make_no_sense(folder, typed, tmp_path, options, sentence):
    done = typed("restore", folder, *options, cwd=tmp_path)
    assert done.returncode == 2
    assert sentence in done.stderr


def test_other_settings(folder, undisturbed, typed, tmp_path):
    out = tmp_path / "calm"
    done = typed("restore", folder, "-o", out, "--resume", "--strength", 50)
    assert done.returncode == 2
    assert "made with other settings (strength 100, now 50)" in done.stderr
    assert made(out) == undisturbed
    again = typed("restore", folder, "-o", out, "--resume", "--strength", 50, "--overwrite")
    assert "6 restored" in again.stderr
    assert made(out)["0.png"] != undisturbed["0.png"]


def test_limits_are_told(folder, typed, tmp_path):
    done = typed("restore", folder / "0.jpg", "-o", tmp_path / "o.png", "--max-seconds", 1e-4)
    assert done.returncode == 1
    assert (
        "0.jpg was given up: it takes longer than 0.0001 seconds. --max-seconds allows more."
        in (done.stderr)
    )
    with (folder / "0.jpg").open("ab") as file:
        file.truncate(1_000_001)
    done = typed("restore", folder / "0.jpg", "-o", tmp_path / "o.png", "--max-megabytes", 1)
    assert "0.jpg has 1,000,001 bytes, more than the limit of 1,000,000. --max-megabytes" in (
        done.stderr
    )
    assert not (tmp_path / "o.png").exists()
