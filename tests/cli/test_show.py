"""What the restore verb says, on a terminal and for programs."""

import json
import signal
import threading
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from restora.cli.main import app
from restora.cli.show import BIG_PICTURE_TILES, show_outcomes
from restora.engine.batch import Outcome
from restora.engine.jobs import Job
from restora.engine.restore_file import LocalFiles


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_while_results_are_saved(tmp_path, monkeypatch):
    """What is written is told and counted, in words and in JSON lines."""
    (tmp_path / "in").mkdir()
    for number in range(4):
        Image.effect_noise((32, 24), 40).save(tmp_path / "in" / f"{number}.jpg", quality=20)
    once, write = threading.Lock(), LocalFiles.write

    def interrupted_write(self, target, data):
        if once.acquire(blocking=False):
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        write(self, target, data)

    monkeypatch.setattr(LocalFiles, "write", interrupted_write)
    out = tmp_path / "out"
    arguments = ["restore", str(tmp_path / "in"), "-o", str(out), "--json", "--jobs", "2"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 130
    written = sorted(str(path) for path in out.iterdir())
    assert 1 <= len(written) <= 2
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert sorted(row["target"] for row in rows) == written
    assert f"interrupted; {4 - len(written)} not restored" in done.stderr
    assert f"{len(written)} restored" in done.stderr


def test_names_are_printed_as_they_are(monkeypatch, capsys):
    """Rich would make a cat of it."""
    for name, value in (("FORCE_COLOR", "1"), ("TERM", "xterm"), ("COLUMNS", "120")):
        monkeypatch.setenv(name, value)
    job = Job(Path(":cat:.jpg"), Path("out.png"))
    with show_outcomes(2) as screen:
        screen.tile(job, 1, BIG_PICTURE_TILES)
        screen.add(Outcome(job, "failed", f"{job.source}: is bad."))
    words = capsys.readouterr().err
    assert "failed: :cat:.jpg: is bad." in words
    assert "  failed: :cat:.jpg\n" in words
    assert "\N{CAT}" not in words
