"""A weight of a stranger, and a server to have it from."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

from restora.weights.cache import CACHE_VARIABLE
from restora.weights.registry import FOLDER, load_card

spec = importlib.util.spec_from_file_location(
    "range_server", Path(__file__).with_name("range_server.py")
)
range_server = importlib.util.module_from_spec(spec)
sys.modules["range_server"] = range_server
spec.loader.exec_module(range_server)

LIKE = "fbcnn-gray-compact"
PARTS = ("encoder", "decoder")


def write_card(folder, raw, **changes):
    path = folder / f"{raw['name']}.json"
    path.write_text(json.dumps(raw | changes))
    return path


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def raw():
    """The card of a weight called stranger, as JSON has it."""
    raw = load_card(LIKE).model_dump(mode="json")
    files = {part: raw["files"][part] for part in PARTS}
    return raw | {"name": "stranger", "title": "a stranger's", "int8_loss_db": None, "files": files}


@pytest.fixture
def stranger(tmp_path, raw):
    """A folder with that weight: card and files."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    for part in PARTS:
        data = (FOLDER / f"{LIKE}.{part}.onnx").read_bytes()
        (folder / f"stranger.{part}.onnx").write_bytes(data)
    write_card(folder, raw)
    return folder


@pytest.fixture
def server(stranger):
    with range_server.Server(stranger) as made:
        yield made
