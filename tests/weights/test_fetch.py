"""Fetching a weight from a real server: whole, on from where it broke off, and every refusal."""

import hashlib
import json
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from restora.cli.main import app
from restora.errors import OutputError, RestoraError, UsageError, WeightsError
from restora.weights import download as download_module
from restora.weights.cache import CACHE_VARIABLE, fetched_names, models_folder
from restora.weights.fetch import fetch
from restora.weights.registry import find_model

PART = "stranger.decoder.onnx"


def told(error_class, source, match, **arguments):
    """The refusal, which must be a sentence or two, and leave no weight."""
    with pytest.raises(error_class, match=match) as caught:
        fetch(source, **arguments)
    assert "\n" not in str(caught.value)
    assert fetched_names() == []
    return str(caught.value)


def from_manner(stranger, raw, server, manner):
    """The path of a card on this machine whose decoder comes from there in that manner."""
    manners = {"encoder": "ok", "decoder": manner}
    files = {
        part: file | {"url": server.url(manners[part], f"stranger.{part}.onnx")}
        for part, file in raw["files"].items()
    }
    path = stranger.parent / "card.json"
    path.write_text(json.dumps(raw | {"files": files}))
    return str(path)


def pieces(folder):
    return sorted(path.name for path in folder.rglob("*") if path.suffix == ".part")


def test_a_weight_is_fetched_and_used(server, cache, tmp_path):
    done = fetch(server.url("ok", "stranger.json"))
    assert done.new
    assert done.path == cache / "models" / "stranger" / "stranger.json"
    assert hashlib.sha256(done.path.read_bytes()).hexdigest() == done.sha256
    assert fetched_names() == ["stranger"]
    assert [path.name for path in (cache / "models").iterdir()] == ["stranger"]
    assert find_model("stranger").gray == str(done.path)

    Image.new("L", (40, 30), 120).save(tmp_path / "a.jpg", quality=20)
    run = CliRunner().invoke(
        app,
        ["restore", str(tmp_path / "a.jpg"), "-o", str(tmp_path / "b.png"), "--model", "stranger"],
    )
    assert run.exit_code == 0, run.output
    assert (tmp_path / "b.png").exists()


def test_the_verb(server, cache):
    url = server.url("ok", "stranger.json")
    first = CliRunner().invoke(app, ["models", "--fetch", url])
    digest = hashlib.sha256((server.folder / "stranger.json").read_bytes()).hexdigest()
    assert "stranger: fetched" in first.stdout
    assert digest in first.stdout
    assert "use it: --model stranger" in first.stdout
    assert "a card can vouch for its files, not for itself" in first.stderr
    count = len(server.asked)
    again = CliRunner().invoke(app, ["models", "--fetch", url, "--sha256", digest.upper()])
    assert "stranger: was here already" in again.stdout
    assert "vouch" not in again.stderr
    assert len(server.asked) == count + 1  # the card alone
    assert "stranger: fetched: a stranger's" in CliRunner().invoke(app, ["models"]).stdout
    listed = json.loads(CliRunner().invoke(app, ["models", "--json"]).stdout)
    assert listed["stranger"][0]["name"] == "stranger"
    detail = CliRunner().invoke(app, ["models", "--detail", "stranger"]).stdout
    assert detail.startswith("stranger: a stranger's")
    alone = CliRunner().invoke(app, ["models", "--sha256", digest])
    assert isinstance(alone.exception, UsageError)


def test_a_card_on_this_machine_says_where_its_files_are(stranger, raw, server, cache):
    server.moves["moved"] = "/ok/{name}"
    assert fetch(from_manner(stranger, raw, server, "moved")).new
    with pytest.raises(UsageError, match="does not say where its files are"):
        fetch(str(stranger / "stranger.json"))


@pytest.mark.parametrize("manner", ["cut", "forgets"])
def test_it_goes_on_where_it_broke_off(stranger, raw, server, cache, manner):
    size = raw["files"]["decoder"]["size_bytes"]
    card = from_manner(stranger, raw, server, manner)
    (folder,) = [models_folder() / f".stranger-{digest_of(card)[:16]}"]
    if manner == "cut":
        message = told(WeightsError, card, "broke off after [0-9,]+ of [0-9,]+ bytes. The same")
        assert f"of {size:,} bytes" in message
        half = (size + 1) // 2
        assert (folder / f"{PART}.part").stat().st_size == half
        asked = 0
        while not fetched(card):  # every call gets half of what is left
            asked += 1
            assert asked < 30
        ranges = [range_ for *_, name, range_ in server.asked if name == PART]
        assert ranges[:2] == [None, f"bytes={half}-"]
        assert [name for _, name, _ in server.asked].count("stranger.encoder.onnx") == 1
    else:  # a server without ranges sends it all anew, which replaces the piece
        folder.mkdir(parents=True)
        (folder / f"{PART}.part").write_bytes(b"a piece of something")
        (folder / f"{PART}.mark").write_text(
            json.dumps({"url": server.url(manner, PART), "validator": '"x"'})
        )
        assert fetch(card).new
        assert server.asked[-1] == (manner, PART, "bytes=20-")


def digest_of(card):
    return hashlib.sha256(Path(card).read_bytes()).hexdigest()


def fetched(card):
    try:
        return fetch(card).new
    except WeightsError as error:
        assert "broke off" in str(error)
        return False


@pytest.mark.parametrize("mark", ['"of-another-file"', "", None])
def test_pieces_of_two_files_are_never_joined(stranger, raw, server, cache, mark):
    """The server's file changed, or it is not known which file the piece is of."""
    card = from_manner(stranger, raw, server, "ok")
    folder = models_folder() / f".stranger-{digest_of(card)[:16]}"
    folder.mkdir(parents=True)
    (folder / f"{PART}.part").write_bytes(b"a piece of the old one")
    if mark is not None:
        kept = json.dumps({"url": server.url("ok", PART), "validator": mark or None})
        (folder / f"{PART}.mark").write_text(kept)
    assert fetch(card).new


def test_a_piece_that_turned_bad_is_fetched_anew(stranger, raw, server, cache):
    told(WeightsError, from_manner(stranger, raw, server, "cut"), "broke off")
    (other,) = (path for path in models_folder().iterdir() if path.is_dir())
    card = from_manner(stranger, raw, server, "ok")
    folder = other.rename(models_folder() / f".stranger-{digest_of(card)[:16]}")
    piece = folder / f"{PART}.part"
    piece.write_bytes(bytes(piece.stat().st_size))  # a disk's doing
    kept = json.loads((folder / f"{PART}.mark").read_text())
    kept["url"] = server.url("ok", PART)
    (folder / f"{PART}.mark").write_text(json.dumps(kept))
    assert fetch(card).new
    ranges = [range_ for manner, name, range_ in server.asked if (manner, name) == ("ok", PART)]
    assert len(ranges) == 2
    assert ranges[1] is None


def test_a_killed_download_goes_on(stranger, raw, server, cache):
    card = from_manner(stranger, raw, server, "slow")
    piece = models_folder() / f".stranger-{digest_of(card)[:16]}" / f"{PART}.part"
    command = [sys.executable, "-m", "restora.cli.main", "models", "--fetch", card]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        while not (piece.exists() and piece.stat().st_size > 300_000):
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert fetched_names() == []
    assert fetch(card).new
    last = server.asked[-1][2]
    assert int(re.fullmatch(r"bytes=(\d+)-", last)[1]) > 300_000


@pytest.mark.parametrize(
    ("manner", "message"),
    [
        ("gone", r"/gone/stranger\.decoder\.onnx: the server answers 404 Not Found\."),
        ("other", "not the file the card describes, its SHA-256 is another; nothing of it is kept"),
        ("longer", r"has [0-9,]+ bytes, the card says [0-9,]+; nothing of it is taken\."),
        ("untold", "sends more than the [0-9,]+ bytes of the card"),
    ],
)
def test_a_server_that_fails_is_told(stranger, raw, server, cache, manner, message):
    told(WeightsError, from_manner(stranger, raw, server, manner), message)
    size = raw["files"]["decoder"]["size_bytes"]
    assert all(path.stat().st_size <= size for path in cache.rglob("*.part"))
    if manner == "other":
        assert pieces(cache) == []


def test_no_network_is_told(stranger, raw, server, cache):
    card = from_manner(stranger, raw, server, "ok")
    address = server.url("ok", "stranger.json")
    server.shutdown()
    server.server_close()
    told(WeightsError, card, r"cannot be reached \(Connection refused\)\.")
    told(WeightsError, address, r"cannot be reached \(Connection refused\)\.")
    told(WeightsError, "http://no-such-host.invalid/a.json", "cannot be reached")


def test_a_server_that_says_nothing_is_told(cache, monkeypatch):
    monkeypatch.setattr(download_module, "TIMEOUT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/a.json"
        told(WeightsError, address, r"cannot be reached \(timed out\)\.")


@pytest.mark.parametrize("to", ["file:///etc/passwd", "ftp://127.0.0.1/{name}", "data:,x"])
def test_it_is_sent_on_to_the_web_alone(stranger, raw, server, cache, to):
    server.moves["away"] = to
    message = "sends on to where nothing is fetched from|no address that can be fetched"
    told(RestoraError, from_manner(stranger, raw, server, "away"), message)
    told(RestoraError, server.url("away", "stranger.json"), message)


def test_a_circle_is_told(server, cache):
    server.moves["circle"] = "/circle/{name}"
    told(
        WeightsError,
        server.url("circle", "stranger.json"),
        "the server sends on to where .* or in a circle",
    )


@pytest.mark.parametrize(
    "source",
    ["ftp://127.0.0.1/a.json", "file:///etc/passwd", "http://", "https:///x", "http://a b/c"],
)
def test_other_addresses_are_refused(cache, source):
    told(UsageError, source, "is no address that can be fetched: http:// or https:// only")


def test_names_in_addresses_are_refused(cache):
    told(UsageError, "https://me:secret@example.invalid/a.json", "name or password in it")


def test_what_is_no_card_is_told(stranger, server, cache, tmp_path):
    told(UsageError, str(tmp_path / "none.json"), "there is no such card .* https://")
    (stranger / "huge.json").write_bytes(b" " * 4_000_001)
    told(WeightsError, server.url("ok", "huge.json"), "larger than the 4,000,000 bytes")
    told(WeightsError, str(stranger / "huge.json"), "larger than the 4,000,000 bytes")
    (stranger / "odd.json").write_text("{}")
    told(WeightsError, server.url("ok", "odd.json"), r"this card is missing or damaged\. \(name:")
    told(WeightsError, server.url("cut", "stranger.json"), "broke off")


def test_the_checksum_of_the_card(server, cache):
    url = server.url("ok", "stranger.json")
    told(WeightsError, url, "SHA-256 is [0-9a-f]{64}, not the one you expect", sha256="0" * 64)
    told(UsageError, url, "--sha256 is 64 hexadecimal digits, not 'abc'", sha256="abc")


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("fbcnn", UsageError, "fbcnn is the name of what ships with Restora"),
        ("fbcnn-gray-compact", UsageError, "is the name of what ships"),
        ("lite0", UsageError, "lite0 is the name of what ships"),
        ("../stranger", WeightsError, "cannot be the name of a file"),
        ("/etc/stranger", WeightsError, "cannot be the name of a file"),
        ("..", WeightsError, "cannot be the name of a file"),
        ("c:stranger", WeightsError, "cannot be the name of a file"),
        ("Stranger", WeightsError, "small letters, digits"),
        ("a.pth", WeightsError, "no ending of a file"),
        ("-o", WeightsError, "small letters, digits"),
        ("a b", WeightsError, "small letters, digits"),
        ("x" * 65, WeightsError, "64 at most"),
    ],
)
def test_names_a_fetched_weight_cannot_have(raw, tmp_path, cache, name, error, message):
    (tmp_path / "card.json").write_text(json.dumps(raw | {"name": name}))
    told(error, str(tmp_path / "card.json"), message)


def test_nothing_put_into_the_cache_hides_what_ships(raw, stranger, cache):
    folder = models_folder() / "fbcnn"
    folder.mkdir(parents=True)
    (folder / "fbcnn.json").write_text(json.dumps(raw | {"name": "fbcnn"}))
    assert find_model("fbcnn").gray == "fbcnn-gray-compact"
    assert "stranger" not in CliRunner().invoke(app, ["models"]).stdout
    other = models_folder() / "nice"
    other.mkdir()
    (other / "nice.json").write_text(json.dumps(raw))
    with pytest.raises(WeightsError, match="this card is of another weight than its folder"):
        find_model("nice")


def test_another_of_the_same_name_is_refused(stranger, raw, server, cache):
    fetch(server.url("ok", "stranger.json"))
    (stranger / "stranger.json").write_text(json.dumps(raw | {"title": "another"}))
    with pytest.raises(UsageError, match="Another weight named stranger was fetched before; del"):
        fetch(server.url("ok", "stranger.json"))
    (stranger / "stranger.json").write_bytes(
        (models_folder() / "stranger/stranger.json").read_bytes()
    )
    (models_folder() / "stranger" / PART).write_bytes(b"")
    with pytest.raises(UsageError, match="was fetched before and is damaged; delete"):
        fetch(server.url("ok", "stranger.json"))


def test_two_at_once_do_not_meet(stranger, raw, server, cache):
    import fcntl

    card = from_manner(stranger, raw, server, "ok")
    models_folder().mkdir(parents=True)
    lock = models_folder() / f".stranger-{digest_of(card)[:16]}.lock"
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        told(UsageError, card, "Another restora is fetching this weight right now")
    assert fetch(card).new


def test_a_file_that_is_no_network_is_not_kept(stranger, raw, server, cache):
    data = b"these bytes have the right checksum"
    (stranger / PART).write_bytes(data)
    raw["files"]["decoder"] = {
        "sha256": hashlib.sha256(data).hexdigest(), "size_bytes": len(data), "url": None
    }  # fmt: skip
    (stranger / "stranger.json").write_text(json.dumps(raw))
    told(WeightsError, server.url("ok", "stranger.json"), "is damaged, or no ONNX file")


def test_a_full_disk_is_told(stranger, raw, server, cache, monkeypatch):
    """More than any disk has, and a file system that takes a few bytes."""
    huge = raw["files"]["decoder"] | {"size_bytes": 10**15}
    raw["files"]["decoder"] = huge
    (stranger / "stranger.json").write_text(json.dumps(raw))
    told(WeightsError, server.url("ok", "stranger.json"), "has [0-9,]+ bytes, the card says")
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000));"
        "from restora.cli.main import main; main()"
    )
    raw["files"]["decoder"] = huge | {"size_bytes": (stranger / PART).stat().st_size}
    (stranger / "stranger.json").write_text(json.dumps(raw))
    done = subprocess.run(
        [sys.executable, "-c", code, "models", "--fetch", server.url("ok", "stranger.json")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert re.search(r"restora: .*\.part cannot be written: File too large\.\n$", done.stderr)
    assert fetched_names() == []


def test_a_cache_that_cannot_be_made_is_told(server, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "file"))
    with pytest.raises(OutputError, match="cannot be written: Not a directory"):
        fetch(server.url("ok", "stranger.json"))


@pytest.mark.parametrize(
    ("platform", "environment", "expected"),
    [
        ("linux", {"HOME": "/h"}, "/h/.cache/restora/models"),
        ("linux", {"HOME": "/h", "XDG_CACHE_HOME": "/x"}, "/x/restora/models"),
        ("linux", {"HOME": "/h", "XDG_CACHE_HOME": "x"}, "/h/.cache/restora/models"),
        ("darwin", {"HOME": "/h"}, "/h/Library/Caches/restora/models"),
        ("win32", {"HOME": "/h", "LOCALAPPDATA": "/l"}, "/l/restora/Cache/models"),
        ("linux", {"HOME": "/h", "RESTORA_CACHE": "/c"}, "/c/models"),
    ],
)
def test_where_the_cache_is(monkeypatch, platform, environment, expected):
    for name in ("XDG_CACHE_HOME", "RESTORA_CACHE", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("restora.weights.cache.sys.platform", platform)
    assert models_folder().as_posix() == expected


def test_nothing_is_fetched_unless_asked(tmp_path):
    """Every verb without --fetch, where any socket is the end."""
    Image.new("L", (40, 30), 120).save(tmp_path / "a.jpg", quality=20)
    code = (
        "import sys\n"
        "def hook(event, arguments):\n"
        "    if event in ('socket.connect', 'socket.getaddrinfo'):\n"
        "        sys.exit(f'{event} {arguments}')\n"
        "sys.addaudithook(hook)\n"
        "from restora.cli.main import app\n"
        "for line in (['models'], ['inspect', 'a.jpg'], ['restore', 'a.jpg', '-o', 'b.png'],\n"
        "             ['restore', 'a.jpg', '-o', 'c.png', '--model', 'sodiff']):\n"
        "    app(line, standalone_mode=False)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "c.png").exists()
