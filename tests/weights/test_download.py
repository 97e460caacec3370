"""Servers that answer oddly, and two fetches that meet."""

import errno
import hashlib
import json
import os
import urllib.request
from pathlib import Path

import pytest
from typer.testing import CliRunner

from restora.cli.main import app
from restora.errors import RestoraError, UsageError, WeightsError
from restora.weights import download as download_module
from restora.weights.cache import CACHE_VARIABLE, card_path, fetched_names, models_folder
from restora.weights.cards import Card
from restora.weights.fetch import _address, fetch
from restora.weights.registry import load_card, load_weight

fcntl = pytest.importorskip("fcntl")
PART = "stranger.decoder.onnx"


@pytest.fixture
def card(stranger, raw, server, cache):
    """Writes a card on this machine whose decoder comes in a manner; gives its path."""

    def write(manner, **changes):
        files = {
            part: file | {"url": server.url(how, f"stranger.{part}.onnx")}
            for (part, file), how in zip(raw["files"].items(), ("ok", manner), strict=True)
        }
        path = stranger.parent / "card.json"
        path.write_text(json.dumps(raw | {"files": files} | changes))
        return str(path)

    return write


def unfinished(card):
    digest = hashlib.sha256(Path(card).read_bytes()).hexdigest()
    return models_folder() / f".stranger-{digest[:16]}"


def begin(card, server, manner, count=1000):
    """As if the decoder had broken off after so many bytes."""
    folder = unfinished(card)
    folder.mkdir(parents=True)
    data = (server.folder / PART).read_bytes()
    (folder / f"{PART}.part").write_bytes(data[:count])
    tag = f'"{hashlib.md5(data).hexdigest()}"'
    kept = {"url": server.url(manner, PART), "validator": tag}
    (folder / f"{PART}.mark").write_text(json.dumps(kept))
    return folder


def kept():
    return sorted(path.name for path in models_folder().iterdir())


def ranges(server):
    return [range_ for *_, name, range_ in server.asked if name == PART]


@pytest.mark.parametrize("manner", ["elsewhere", "unsaid", "whole"])
def test_an_answer_that_does_not_go_on_is_dropped(card, server, manner):
    """It would be the same for ever: the file is asked for from its start, once."""
    path = card(manner)
    begin(path, server, manner)
    assert fetch(path).new
    assert ranges(server) == ["bytes=1000-", None]


def test_less_than_was_asked_for_is_taken(card, server):
    """And which file it is of stays known where the server does not say so again."""
    path = card("short")
    folder = begin(path, server, "short")
    size = (server.folder / PART).stat().st_size
    for _ in range(2):
        before = (folder / f"{PART}.part").stat().st_size
        with pytest.raises(WeightsError, match=r"broke off after .* The same command goes on"):
            fetch(path)
        assert (folder / f"{PART}.part").stat().st_size == (before + size + 1) // 2
    half = (1000 + size + 1) // 2
    assert ranges(server) == ["bytes=1000-", f"bytes={half}-"]


def test_a_server_does_not_steer_the_terminal(card, server):
    path = card("steers")
    for source in (path, server.url("steers", "stranger.json")):
        with pytest.raises(WeightsError, match=r"cannot be reached \(\]0;mine\[2JAll") as caught:
            fetch(source)
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 500


def test_a_long_address_is_not_repeated(cache):
    with pytest.raises(UsageError, match=r"!{200}' is no address that can be") as caught:
        fetch("https://example.invalid/" + "!" * 5000)
    assert len(str(caught.value)) < 500


def test_words_of_a_network_do_not_steer_the_terminal(raw, tmp_path):
    """Its tasks are listed."""
    for network in ({"tasks": ["\x1b[2Jgone"]}, {"\x1b[2Jgone": 1}):
        path, training = tmp_path / "x.json", raw["training"] | {"recipe": {"network": network}}
        path.write_text(json.dumps(raw | {"training": training}))
        with pytest.raises(WeightsError, match="it has control characters in it"):
            load_card(str(path))


@pytest.mark.parametrize("what", ["card", "file"])
def test_a_server_that_hardly_sends_is_given_up(card, server, monkeypatch, what):
    monkeypatch.setattr(download_module, "SLOW_S", 0.05)
    source = card("drips") if what == "file" else server.url("drips", "stranger.json")
    goes_on = r"\. The same command goes on from there\." if what == "file" else r"\.$"
    told = r"the download broke off .*\([0-9,]+ bytes in the last 0 seconds\)" + goes_on
    with pytest.raises(WeightsError, match=told):
        fetch(source)
    monkeypatch.setattr(download_module, "SLOW_BYTES", 0)  # so that no pause is too long
    data, _ = download_module.read_small(server.url("drips", "stranger.json"), most_bytes=10**6)
    assert data == (server.folder / "stranger.json").read_bytes()


def test_from_a_safe_address_none_goes_to_an_open_one(raw):
    redirects = download_module._Redirects()
    gone = urllib.request.Request("HTTPS://example.invalid/a")
    for name in ("http://example.invalid/b", "HTTP://example.invalid/b"):
        assert download_module.gives_up_encryption(gone.full_url, name)
        with pytest.raises(WeightsError, match="sent on to an address without encryption"):
            redirects.redirect_request(gone, open(os.devnull), 302, "", {}, name)  # noqa: SIM115, PTH123
    raw["files"]["encoder"]["url"] = "http://example.invalid/b"
    card = Card.model_validate(raw)
    with pytest.raises(UsageError, match=r"a: names http://example\.invalid/b, without encryption"):
        _address(card, "encoder", gone.full_url, "a")
    assert _address(card, "decoder", gone.full_url, "a").startswith("https://example.invalid/str")
    assert _address(card, "encoder", None, "a") == "http://example.invalid/b"
    assert not download_module.gives_up_encryption("https://a/b", "HTTPS://a/c")
    assert not download_module.gives_up_encryption("http://a/b", "http://a/c")


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_disk_without_locks_does(card, monkeypatch, number):
    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    assert fetch(card("ok")).new
    assert kept() == ["stranger"]


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.EACCES])
def test_a_lock_of_another_is_told(card, monkeypatch, number):
    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(UsageError, match="Another restora is fetching this weight right now"):
        fetch(card("ok"))


def test_another_may_finish_meanwhile(card, server, monkeypatch):
    """After this one saw that nothing is there, before it has the lock."""
    path, lock = card("ok"), fcntl.flock

    def meanwhile(*arguments):
        monkeypatch.setattr(fcntl, "flock", lock)
        assert fetch(path).new
        unfinished(path).mkdir()  # as this one made it
        lock(*arguments)

    monkeypatch.setattr(fcntl, "flock", meanwhile)
    assert not fetch(path).new
    assert ranges(server) == [None]
    assert kept() == ["stranger"]


def test_what_is_left_of_other_tries_goes(card, server):
    old = card("cut", title="an older one")
    with pytest.raises(WeightsError, match="broke off"):
        fetch(old)
    left = unfinished(old).name
    assert kept() == [left, f"{left}.lock"]
    new = card("ok")
    other = models_folder() / ".stranger-too-0123456789abcdef"
    other.mkdir()
    with (models_folder() / f"{left}.lock").open("w") as held:  # somebody fetches that one
        fcntl.flock(held, fcntl.LOCK_EX)
        assert fetch(new).new
        assert kept() == [left, f"{left}.lock", other.name, "stranger"]
    unfinished(new).mkdir()  # left by one that was killed as it saw that all is there
    assert not fetch(new).new
    assert kept() == [other.name, "stranger"]


@pytest.mark.timeout(10)
def test_what_is_no_file_is_told(raw, cache, tmp_path):
    """A pipe would keep us waiting for ever."""
    os.mkfifo(tmp_path / "pipe.json")
    told = r"pipe\.json: there is no such card \(a pipe, a socket or a device\)\. --fetch takes"
    with pytest.raises(UsageError, match=told):
        fetch(str(tmp_path / "pipe.json"))
    with pytest.raises(WeightsError, match=r"pipe\.json: this card is missing .*\(a pipe, a sock"):
        load_card(str(tmp_path / "pipe.json"))
    with pytest.raises(UsageError, match=r"there is no such card \(embedded null byte\)"):
        fetch("a\0b")
    with pytest.raises(UsageError, match=r"there is no such card \(Is a directory\)"):
        fetch(str(tmp_path))
    raw["files"]["encoder"] = {"sha256": hashlib.sha256(b"").hexdigest(), "size_bytes": 0}
    (tmp_path / "stranger.json").write_text(json.dumps(raw))
    os.mkfifo(tmp_path / "stranger.encoder.onnx")
    with pytest.raises(WeightsError, match=r"The file stranger\.encoder\.onnx is missing"):
        load_weight(str(tmp_path / "stranger.json"), "encoder")


def test_a_cache_in_no_known_home_is_told(card, monkeypatch):
    path = card("ok")
    monkeypatch.setenv(CACHE_VARIABLE, "~nosuchuser/x")
    told = r"RESTORA_CACHE is '~nosuchuser/x': there is no such home\."
    for use in (lambda: fetch(path), fetched_names, lambda: card_path("stranger")):
        with pytest.raises(UsageError, match=told):
            use()
    assert isinstance(CliRunner().invoke(app, ["models"]).exception, UsageError)


def test_who_has_no_home_has_fetched_nothing(card, monkeypatch):
    """What ships is listed; to fetch needs a place."""
    path = card("ok")

    def nowhere():
        raise RuntimeError("Could not determine home directory.")

    for name in (CACHE_VARIABLE, "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", nowhere)
    listed = CliRunner().invoke(app, ["models"])
    assert listed.exit_code == 0
    assert listed.stdout.startswith("fbcnn (default): ")
    detail = CliRunner().invoke(app, ["models", "--detail", "stranger"])
    assert "There is no model named 'stranger'" in str(detail.exception)
    with pytest.raises(UsageError, match=r"There is no home .*: set RESTORA_CACHE to a folder"):
        fetch(path)


def test_a_cache_nobody_may_look_into_is_told(card, monkeypatch):
    path = card("ok")
    monkeypatch.setenv(CACHE_VARIABLE, "/x" * 3000)
    assert fetched_names() == []
    assert card_path("stranger") is None
    with pytest.raises(RestoraError, match="cannot be written: File name too long"):
        fetch(path)
