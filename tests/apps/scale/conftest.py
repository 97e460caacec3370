"""One Ray for all tests that need not have their own, and pictures from everywhere."""

import functools
import http.server
import sqlite3
import subprocess
import sys
import threading
import zipfile

import numpy as np
import pytest
from PIL import Image

from restora.apps.scale.archive import open_archive
from restora.apps.scale.cluster import connected
from restora.cli.main import main


def pytest_collection_modifyitems(items):
    """Ray warns of itself, and leaves files open; where Ray starts, a slow machine takes long."""
    for item in items:
        if "scale" in item.path.parts:
            item.add_marker(pytest.mark.filterwarnings(r"ignore:::ray\."))
            item.add_marker(pytest.mark.filterwarnings("ignore::ResourceWarning"))
            item.add_marker(pytest.mark.timeout(400))


@pytest.fixture(scope="session")
def ray_here():
    """Ray on this machine, with two workers."""
    with connected(address=None, workers=2, device="cpu"):
        yield


@pytest.fixture
def pictures(tmp_path):
    """A function that saves so many small JPEGs in a folder, each another."""

    def make(count, name="in"):
        folder = tmp_path / name
        folder.mkdir(parents=True, exist_ok=True)
        y, x = np.mgrid[:48, :64]
        for number in range(count):
            wave = 128 + 90 * np.sin(x / (3 + number)) * np.cos(y / 7)
            picture = Image.fromarray(wave.astype(np.uint8))
            picture.save(folder / f"p{number:02}.jpg", quality=15)
        return folder

    return make


@pytest.fixture
def messy(pictures):
    """A folder with six pictures, two of them below, and two files that are none."""
    folder = pictures(6)
    below = folder / "below"
    below.mkdir()
    for number in (4, 5):
        (folder / f"p{number:02}.jpg").rename(below / f"p{number:02}.jpg")
    whole = (folder / "p00.jpg").read_bytes()
    (folder / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.jpg").write_bytes(b"")
    return folder


@pytest.fixture
def zipped():
    """A function that packs a folder."""

    def pack(folder):
        path = folder.with_suffix(".zip")
        with zipfile.ZipFile(path, "w") as archive:
            for file in sorted(folder.rglob("*.jpg")):
                archive.write(file, file.relative_to(folder))
        return path

    return pack


@pytest.fixture
def web():
    """A function that serves a folder by HTTP, to its address."""
    servers = []

    def serve(folder):
        handler = functools.partial(_Quiet, directory=folder)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def listed(tmp_path):
    """A function from inputs to the pictures and to what was unusable."""

    def read(*inputs, out=None):
        unusable = []
        archive = open_archive(str(out or tmp_path / "out"))
        return list(archive.listed([str(each) for each in inputs], unusable)), unusable

    return read


@pytest.fixture
def typed(monkeypatch, capfd):
    """Runs the command in this process; if Ray runs in it already, with that one."""

    def run(*arguments):
        capfd.readouterr()
        with monkeypatch.context() as patched:
            patched.setattr(sys, "argv", ["restora", *map(str, arguments)])
            patched.setenv("OPENBLAS_NUM_THREADS", "1")
            with pytest.raises(SystemExit) as ended:
                main()
        said = capfd.readouterr()
        return subprocess.CompletedProcess(arguments, ended.value.code or 0, said.out, said.err)

    return run


@pytest.fixture
def rows():
    """A function from a folder of results to its manifest: status and hash by place."""

    def read(folder):
        with sqlite3.connect(folder / "restora-manifest.sqlite") as manifest:
            query = "SELECT target, status, output_sha256 FROM pictures ORDER BY target"
            found = manifest.execute(query).fetchall()
        manifest.close()
        return {target: (status, digest) for target, status, digest in found}

    return read
