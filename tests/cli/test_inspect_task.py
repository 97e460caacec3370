"""What ``restora inspect`` says that a picture needs."""

import hashlib
import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from restora.cli.main import app
from restora.weights.cards import Card, Training, WeightFile


@pytest.fixture
def weight(tmp_path):
    """A judge that calls white pictures hazy, light ones doubtful and all others sound."""
    from onnx import TensorProto, helper, numpy_helper

    numbers = {
        "slope": np.array([[0, 40, 0, 0, 0]], np.float32),
        "offset": np.array([[0, -32, -9, -9, -9]], np.float32),
    }
    nodes = [
        helper.make_node("ReduceMean", ["views"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "slope"], ["risen"]),
        helper.make_node("Add", ["risen", "offset"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes, "judge",
        [helper.make_tensor_value_info("views", TensorProto.FLOAT, ["v", 3, 32, 32])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 5])],
        [numpy_helper.from_array(value, name) for name, value in numbers.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    data = model.SerializeToString()
    (tmp_path / "tiny.judge.onnx").write_bytes(data)
    file = WeightFile(sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data))
    card = Card(
        name="tiny", method="sr-diff", title="t", paper="p", channels=3, parameters=1,
        macs_per_pixel=1, overlap_px=16, licence="l", scores={},
        files=dict.fromkeys(("judge", "refiner", "denoiser"), file),
        training=Training(recipe={}, data="d", device="c", steps=1, seconds=1),
    )  # fmt: skip
    path = tmp_path / "tiny.json"
    path.write_text(card.model_dump_json())
    return path


def save(folder, gray, name="a.jpg"):
    path = folder / name
    Image.new("RGB", (60, 40), (gray,) * 3).save(path)
    return path


def inspect(*arguments):
    return CliRunner().invoke(app, ["inspect", *map(str, arguments)])


def need(done):
    assert done.exit_code == 0, done.output
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("Seems to need")]
    return line.removeprefix("Seems to need").strip()


def test_a_task_and_how_sure(tmp_path, weight):
    assert need(inspect("--judge", weight, save(tmp_path, 255))) == "dehaze (100 % sure)"


def test_doubt_is_told_as_doubt(tmp_path, weight):
    told = need(inspect("--judge", weight, save(tmp_path, 209)))
    assert told.startswith("perhaps dehaze (6")


def test_a_sound_picture_needs_nothing(tmp_path, weight):
    files = save(tmp_path, 90), save(tmp_path, 90, "b.png")
    assert need(inspect("--judge", weight, files[0])) == "nothing besides JPEG repair"
    assert need(inspect("--judge", weight, files[1])) == "nothing"


def test_other_formats_tell_their_size_and_need(tmp_path, weight):
    done = inspect("--judge", weight, save(tmp_path, 255, "a.webp"))
    assert need(done) == "dehaze (100 % sure)"
    assert "60 × 40 pixels" in done.stdout
    assert "WebP: no JPEG" in done.stdout


def test_json(tmp_path, weight):
    files = save(tmp_path, 255), save(tmp_path, 90, "b.png")
    done = inspect("--json", "--judge", weight, *files)
    hazy, sound = map(json.loads, done.stdout.splitlines())
    assert hazy["quality"]["quality"] == 75
    assert hazy["task"]["name"] == "dehaze"
    assert hazy["task"]["confidence"] == hazy["task"]["shares"]["dehaze"] > 0.99
    assert sound["format"] == "PNG"
    assert sound["task"]["name"] is None
    assert set(sound["task"]["shares"]) == {"nothing", "dehaze", "derain", "deblur", "lowlight"}


def test_nothing_is_judged_when_nobody_wants_to_know(tmp_path, weight):
    done = inspect("--no-task", "--json", "--judge", weight, save(tmp_path, 255))
    assert json.loads(done.stdout)["task"] is None


@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_without_its_weight_all_else_is_told(tmp_path, name):
    done = inspect("--judge", tmp_path / "none.json", save(tmp_path, 255, name))
    assert done.exit_code == 0
    assert "60 × 40 pixels" in done.stdout
    assert "Seems to need" not in done.stdout


def test_a_file_that_does_not_decode_keeps_its_facts(tmp_path, weight):
    path = save(tmp_path, 255)
    path.write_bytes(path.read_bytes()[:-40])
    done = inspect("--judge", weight, path)
    assert done.exit_code == 0
    assert "cut off" in done.stdout
    assert "Seems to need" not in done.stdout


def test_what_is_no_picture_fails_and_the_others_are_told(tmp_path, weight):
    (tmp_path / "a.txt").write_text("hello")
    done = inspect("--judge", weight, tmp_path / "a.txt", save(tmp_path, 255, "b.png"))
    assert done.exit_code == 1
    assert "a.txt is not a picture" in done.stderr
    assert "dehaze" in done.stdout
