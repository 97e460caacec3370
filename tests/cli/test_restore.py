"""The command a user types, as a user types it."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from restora.cli.restore import share_threads
from restora.cli.show import BIG_PICTURE_TILES, show_outcomes
from restora.engine.jobs import Job


def run(*arguments, cwd=None):
    """As a program of its own."""
    return subprocess.run(
        [sys.executable, "-m", "restora.cli.main", *map(str, arguments)],
        capture_output=True, text=True, check=False, cwd=cwd,
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    """Three JPEGs, one of them cut off."""
    root = tmp_path / "in"
    root.mkdir()
    y, x = np.mgrid[:64, :80]
    picture = Image.fromarray((128 + 90 * np.sin(x / 5) * np.cos(y / 7)).astype(np.uint8))
    picture.save(root / "gray.jpg", quality=12)
    exif = Image.Exif()
    exif[0x010F] = "A camera"
    exif[0x0112] = 6
    picture.convert("RGB").save(root / "color.jpg", quality=12, exif=exif, dpi=(300, 300))
    (root / "cut.jpg").write_bytes((root / "color.jpg").read_bytes()[:-120])
    return root


def test_one_file(folder, tmp_path):
    done = run("restore", folder / "gray.jpg", "-o", tmp_path / "out.png")
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "out.png") as image:
        assert (image.mode, image.size) == ("L", (80, 64))


def test_metadata_is_kept_and_the_picture_upright(typed, folder, tmp_path):
    done = typed("restore", folder / "color.jpg", "-o", tmp_path / "out.jpg", "--format", "jpeg")
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "out.jpg") as image:
        assert image.size == (64, 80)
        assert image.getexif()[0x010F] == "A camera"
        assert image.getexif()[0x0112] == 1
        assert image.info["dpi"] == (300, 300)


def test_a_bad_file_never_stops_the_rest(folder, tmp_path):
    done = run("restore", folder, "-o", tmp_path / "out")
    assert done.returncode == 1
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["color.png", "gray.png"]
    assert "2 restored, 1 failed" in done.stderr
    assert f"failed: {folder / 'cut.jpg'}" in done.stderr
    assert "--salvage" in done.stderr
    saved = run("restore", folder, "-o", tmp_path / "out", "--salvage", "--skip-existing")
    assert saved.returncode == 0, saved.stderr
    assert (tmp_path / "out" / "cut.png").exists()
    assert "1 restored, 2 skipped" in saved.stderr


def test_a_failure_names_the_picture_when_results_go_here(typed, tmp_path):
    (tmp_path / "in").mkdir()
    Image.new("RGBA", (20, 20)).save(tmp_path / "in" / "clear.png")
    done = typed("restore", "in/clear.png", "-o", ".", "--format", "jpeg", cwd=tmp_path)
    assert done.returncode == 1
    assert "failed: in/clear.png: JPEG cannot hold transparency" in done.stderr


def test_a_bar_is_called_as_its_file(monkeypatch, capsys):
    """Rich would take the brackets for markup."""
    for name, value in (("FORCE_COLOR", "1"), ("TERM", "xterm"), ("COLUMNS", "120")):
        monkeypatch.setenv(name, value)
    job = Job(Path("[red] a.jpg"), Path("out.png"))
    with show_outcomes(1) as screen:
        screen.tile(job, 1, BIG_PICTURE_TILES)
    assert "[red] a.jpg" in capsys.readouterr().err


def test_json_is_one_line_a_picture(typed, folder, tmp_path):
    done = typed("restore", folder, "-o", tmp_path / "out", "--json", "--jobs", 2)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert sorted(row["status"] for row in rows) == ["failed", "restored", "restored"]
    restored = next(row for row in rows if row["source"].endswith("gray.jpg"))
    assert restored["plan"]["quality"] == 12
    assert restored["plan"]["quality_source"] == "header"


def test_explain_says_why(typed, folder, tmp_path):
    done = typed("restore", folder / "gray.jpg", "-o", tmp_path / "o.png", "--explain")
    assert "- gray picture: the gray network, and it stays gray" in done.stderr
    assert "- quality 12: read from the file's quantisation tables" in done.stderr


def test_sixteen_bits(typed, folder, tmp_path):
    done = typed("restore", folder / "gray.jpg", "-o", tmp_path / "o.png", "--bits", 16)
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "o.png") as image:
        assert image.mode == "I;16"


def test_existing_results_and_inputs_are_safe(typed, folder, tmp_path):
    source = (folder / "gray.jpg").read_bytes()
    done = typed("restore", folder / "gray.jpg", "-o", folder / "gray.jpg")
    assert done.returncode == 2
    assert "would be written over an input" in done.stderr
    assert (folder / "gray.jpg").read_bytes() == source
    (tmp_path / "o.png").write_bytes(b"precious")
    done = typed("restore", folder / "gray.jpg", "-o", tmp_path / "o.png")
    assert done.returncode == 1
    assert "exists already; use --overwrite or --skip-existing" in done.stderr
    assert (tmp_path / "o.png").read_bytes() == b"precious"


def test_in_place(typed, folder):
    done = typed("restore", folder / "gray.jpg", "--in-place")
    assert done.returncode == 0, done.stderr
    with Image.open(folder / "gray.jpg") as image:
        assert image.format == "JPEG"


def test_in_place_never_destroys_what_it_does_not_restore(typed, folder):
    first = Image.open(folder / "gray.jpg")
    second = first.transpose(Image.Transpose.ROTATE_180)
    for name in ("film.webp", "film.png", "pages.tif", "two.mpo"):
        first.save(folder / name, save_all=True, append_images=[second])
    motion = folder / "motion.jpg"
    motion.write_bytes((folder / "gray.jpg").read_bytes() + bytes(range(1, 251)) * 20)
    (folder / "cut.jpg").unlink()
    kinds = {"film.webp": "1 more frame", "film.png": "1 more frame",
             "pages.tif": "1 more picture", "two.mpo": "1 more picture",
             "motion.jpg": "5,000 bytes behind the picture"}  # fmt: skip
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    done = typed("restore", folder, "--in-place")
    assert done.returncode == 1
    assert "2 restored, 5 failed" in done.stderr
    for name, what in kinds.items():
        assert (
            f"failed: {folder / name} holds {what}, which --in-place would destroy; "
            "write the result elsewhere with -o."
        ) in done.stderr
    changed = {path.name for path in folder.iterdir() if path.read_bytes() != before[path.name]}
    assert changed == {"gray.jpg", "color.jpg"}
    done = typed("restore", motion, "-o", folder / "motion.png")
    assert done.returncode == 0, done.stderr
    assert "The file holds 5,000 bytes behind the picture" in done.stderr


def test_links_in_a_circle_fail_alone(typed, folder, tmp_path):
    (folder / "loop.jpg").symlink_to("loop.jpg")
    done = typed("restore", folder / "loop.jpg", folder / "gray.jpg", "-o", tmp_path / "out")
    assert done.returncode == 1
    assert "1 restored, 1 failed" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("jobs", "threads"), [(1, 0), (2, 7), (8, 1), (20, 1)])
def test_pictures_side_by_side_share_the_cores(jobs, threads, monkeypatch):
    """The network's threads but one, and one for each picture, are the eight cores."""
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    assert share_threads(jobs) == threads


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["gray.jpg"], 2, "Say where the result goes"),
        (["gray.jpg", "-o", "o.png", "--quality", "0"], 2, "a number from 1 to 100, not 0"),
        (["gray.jpg", "-o", "o.png", "--quality", "101"], 2, "a number from 1 to 100, not 101"),
        (["gray.jpg", "-o", "o.png", "--quality", "good"], 2, "not 'good'"),
        (["gray.jpg", "-o", "o.png", "--model", "fbcn"], 2, "Did you mean 'fbcnn'?"),
        (["gray.jpg", "-o", "o.png", "--seed", "1"], 2, "fbcnn draws nothing"),
        (["gray.jpg", "-o", "o.png", "--seed", "-1"], 2, "a whole number from 0, not -1"),
        (["gray.jpg", "-o", "o.png", "--format", "jpgg"], 2, "Restora does not write 'jpgg'"),
        (["gray.jpg", "-o", "o.png", "--bits", "12"], 2, "--bits is 8 or 16, not 12"),
        (["gray.jpg", "-o", "o.png", "--jobs", "0"], 2, "--jobs is at least 1, not 0"),
        (["gray.jpg", "-o", "o.png", "--overwrite", "--skip-existing"], 2, "exclude each other"),
        (["nowhere.jpg", "-o", "o.png"], 1, "nowhere.jpg: there is no such file"),
        (["empty.jpg", "-o", "o.png"], 1, "empty.jpg"),
        (["text.jpg", "-o", "o.png"], 1, "text.jpg"),
        (["huge.png", "-o", "o.png"], 1, "huge.png"),
        (["gray.jpg", "-o", "gray.jpg/x/o.png"], 1, "gray.jpg"),
    ],
)
def test_bad_input_gets_one_clear_sentence(typed, folder, arguments, code, message):
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "text.jpg").write_bytes(b"This is a letter, not a picture.")
    Image.new("1", (20_000, 20_000)).save(folder / "huge.png")  # 50 kB, 400 megapixels
    done = typed("restore", *arguments, cwd=folder)
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (folder / "o.png").exists()


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_leaves_no_half_file(tmp_path):
    """Ctrl-C in the middle of a picture of many tiles: soon over, said, 130, nothing half done."""
    import signal
    import time

    (tmp_path / "in").mkdir()
    big = Image.effect_noise((3000, 3000), 60)
    for name in ("a.jpg", "b.jpg"):
        big.save(tmp_path / "in" / name, quality=20)
    process = subprocess.Popen(
        [sys.executable, "-m", "restora.cli.main", "restore", str(tmp_path / "in"),
         "-o", str(tmp_path / "out"), "--tile", "128"],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while not (tmp_path / "out").exists():  # made when the first picture begins
        time.sleep(0.05)
    time.sleep(1.0)
    process.send_signal(signal.SIGINT)
    words = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert "interrupted; 2 not restored" in words
    assert "Traceback" not in words
    assert list((tmp_path / "out").iterdir()) == []
