"""``restora serve`` as a person starts and ends it."""

import contextlib
import io
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import httpx
import pytest
from PIL import Image
from typer.testing import CliRunner

from restora.cli.main import app
from restora.errors import MissingExtra, UsageError


def jpeg(height_px=48, width_px=64):
    out = io.BytesIO()
    Image.radial_gradient("L").resize((width_px, height_px)).save(out, "JPEG", quality=20)
    return out.getvalue()


@contextlib.contextmanager
def started(*options, **environment):
    """A server in a process of its own: the process, what it printed, and its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "restora.cli.main", "serve", "--port", "0", *options],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | environment,
    )  # fmt: skip
    try:
        lines = []
        for line in process.stdout:
            lines.append(line.rstrip("\n"))
            if line.startswith("Ctrl-C"):
                break
        assert lines, process.stderr.read()
        yield process, lines, lines[0].removeprefix("Restora: ")
    finally:
        process.terminate()
        process.communicate(timeout=60)


@pytest.fixture(scope="module")
def server():
    limits = ("--max-upload", "1", "--max-megapixels", "2", "--waiting", "3", "--keep", "7")
    with started(*limits) as (process, lines, url):
        yield process, lines, url


def refused(*options):
    """The sentence of a command that does not even start."""
    done = CliRunner().invoke(app, ["serve", *options])
    assert isinstance(done.exception, UsageError), done.output
    return str(done.exception)


def test_it_says_where_it_is(server):
    _, lines, url = server
    assert re.fullmatch(r"Restora: http://127\.0\.0\.1:\d+", lines[0])
    assert lines[1:] == ["Ctrl-C ends it."]
    answer = httpx.get(url)
    assert answer.headers["content-type"].startswith("text/html")
    assert "server" not in answer.headers


def test_only_this_computer_reaches_it(server):
    port = int(server[2].rpartition(":")[2])
    with socket.socket() as probe, pytest.raises(ConnectionRefusedError):
        probe.connect(("127.0.0.2", port))  # another address, though of the same computer


def test_other_names_are_refused(server):
    assert httpx.get(server[2], headers={"Host": "evil.example"}).status_code == 421


def test_limits(server):
    assert httpx.get(f"{server[2]}/api/about").json()["limits"] == {
        "upload_bytes": 1_000_000, "pixels": 2_000_000, "waiting": 3, "kept_s": 420,
    }  # fmt: skip


def test_work_has_its_time():
    with started("--max-seconds", "1") as (_, _, url):
        answer = httpx.post(
            f"{url}/api/restore", params={"ensemble": 8}, content=jpeg(1200, 1200), timeout=120
        )
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("This takes longer than the 1 s that this server ")


@pytest.mark.parametrize("chunks", [False, True])
def test_who_sends_too_much_hears_it(chunks, server):
    body = (bytes(100_000) for _ in range(15)) if chunks else bytes(1_500_000)
    answer = httpx.post(f"{server[2]}/api/pictures", content=body, timeout=60)
    assert answer.status_code == 413
    assert answer.json()["detail"] == ("The file is larger than the 1 MB that this server takes.")


def test_a_port_that_is_taken(server):
    port = int(server[2].rpartition(":")[2])
    assert refused("--port", str(port)) == (
        f"Port {port} is used by another program; --port {port + 1} takes the next, --port 0 any."
    )


@pytest.mark.parametrize("told", ["alone", ":", "ada:", ":secret", ""])
def test_a_senseless_login(told):
    assert refused("--auth", told) == "--auth is USER:PASSWORD, or none."


@pytest.mark.parametrize(
    "option",
    [
        "--max-upload",
        "--max-megapixels",
        "--waiting",
        "--max-seconds",
        "--keep",
        "--dial-megapixels",
    ],
)
@pytest.mark.parametrize("number", ["0", "-1"])
def test_senseless_numbers(option, number):
    assert refused(f"{option}={number}") == f"{option} is at least 1, not {number}."


def test_senseless_places():
    assert refused("--port", "70000") == "--port is a number from 0 to 65535, not 70000."
    told = refused("--host", "203.0.113.7", "--port", "0")  # an address nobody has (RFC 5737)
    assert told.startswith("Nothing can listen on 203.0.113.7, port 0: ")


@pytest.mark.parametrize("module", ["uvicorn", "fastapi"])
def test_without_the_extra(module, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    done = CliRunner().invoke(app, ["serve"])
    assert isinstance(done.exception, MissingExtra)
    assert str(done.exception) == (
        f"This needs {module}, which the light install leaves out: pip install 'restora[web]'"
    )


def test_sharing_needs_a_password():
    with started("--share") as (_, lines, url):
        assert re.fullmatch(r"For others in your network: http://\S+:\d+", lines[1])
        found = re.fullmatch(r"User name: restora, password: (\S{12,})", lines[2])
        login = ("restora", found.group(1))
        for path in ("/", "/api/about", "/static/main.js"):
            assert httpx.get(url + path).status_code == 401
            assert httpx.get(url + path, auth=("restora", "wrong")).status_code == 401
            assert httpx.get(url + path, auth=login).status_code == 200
        port = int(url.rpartition(":")[2])
        assert httpx.get(f"http://127.0.0.2:{port}", auth=login).status_code == 200


def test_a_password_of_ones_own():
    with started(RESTORA_AUTH="ada:secret") as (_, lines, url):
        assert lines[1] == "User name: ada, password: as you set it"
        assert httpx.get(url).status_code == 401
        assert httpx.get(url, auth=("ada", "secret")).status_code == 200


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_its_end(how, tmp_path, interruptible):
    """While a picture is kept and another restored, and somebody waits for that."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    with started(TMPDIR=str(folder)) as (process, _, url), httpx.Client(base_url=url) as client:
        ids = [
            client.post("/api/pictures", content=data, timeout=60).json()["id"]
            for data in (jpeg(), jpeg(32, 6000))
        ]
        client.post(f"/api/pictures/{ids[1]}/restore", json={"ensemble": 8})
        with client.stream("GET", f"/api/pictures/{ids[1]}/events") as events:
            next(events.iter_lines())
            assert list(folder.iterdir()) == []
            process.send_signal(how)
            began = time.monotonic()
            _, errors = process.communicate(timeout=60)
            assert time.monotonic() - began < 60
        assert process.returncode in (0, 130, -how)
        assert "Traceback" not in errors
        assert list(folder.iterdir()) == []
        with pytest.raises(httpx.ConnectError):
            client.get("/")


def test_its_end_in_the_middle_of_something(interruptible):
    answers = []
    with started() as (process, _, url):
        large = jpeg(1500, 2000)
        for _ in range(2):  # one that runs, and one that waits
            asked = threading.Thread(
                target=lambda: answers.append(
                    httpx.post(f"{url}/api/restore", content=large, timeout=60)
                )
            )
            asked.start()
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)[1]
        asked.join(60)
    assert "Traceback" not in said and "ERROR" not in said
    assert {answer.status_code for answer in answers} <= {200, 503}
    assert 503 in {answer.status_code for answer in answers}
    assert all(
        a.json()["detail"] == "The server is ending." for a in answers if a.status_code != 200
    )


def test_whoever_insists_does_not_wait_for_a_tile(tmp_path, interruptible):
    """One of these takes minutes."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    with started(TMPDIR=str(folder)) as (process, _, url), httpx.Client(base_url=url) as client:
        data = jpeg(512, 512)
        id = client.post("/api/pictures", content=data, timeout=60).json()["id"]
        wish = {"task": "dehaze", "steps": 100, "samples": 4}
        assert client.post(f"/api/pictures/{id}/restore", json=wish, timeout=60).is_success
        while client.get(f"/api/pictures/{id}").json()["work"]["total"] == 0:
            time.sleep(0.05)
        time.sleep(1)  # it has looked at the whole, and is at the tile
        for _ in range(2):
            process.send_signal(signal.SIGINT)
            time.sleep(0.5)
        errors = process.communicate(timeout=30)[1]
    assert process.returncode in (130, -signal.SIGINT)
    assert "Traceback" not in errors
    assert list(folder.iterdir()) == []
