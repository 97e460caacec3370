"""Which task a picture needs, without PyTorch."""

import hashlib
import sys

import numpy as np
import pytest

from restora.engine.judge import SURE, TaskJudge, judge, views
from restora.errors import WeightsError
from restora.images import Metadata, Picture
from restora.weights.cards import Card, Training, WeightFile

TASKS = ("dehaze", "derain", "deblur", "lowlight")


def card_of(folder, model, *, tasks=TASKS, part="judge"):
    """A weight of one file, and the path of its card."""
    data = model.SerializeToString()
    (folder / f"tiny.{part}.onnx").write_bytes(data)
    file = WeightFile(sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data))
    card = Card(
        name="tiny", method="sr-diff", title="t", paper="p", channels=3, parameters=1,
        macs_per_pixel=1, overlap_px=16, licence="l", files={part: file}, scores={},
        training=Training(
            recipe={"network": {"tasks": list(tasks)}}, data="d", device="c", steps=1, seconds=1
        ),
    )  # fmt: skip
    path = folder / "tiny.json"
    path.write_text(card.model_dump_json())
    return str(path)


def brightness_judge(side_px=32):
    """White pictures need dehazing, black ones light, and those between nothing."""
    from onnx import TensorProto, helper, numpy_helper

    slope = np.array([[0, 40, 0, 0, -40]], np.float32)
    offset = np.array([[0, -32, -9, -9, 8]], np.float32)
    nodes = [
        helper.make_node("ReduceMean", ["views"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "slope"], ["risen"]),
        helper.make_node("Add", ["risen", "offset"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes, "judge",
        [helper.make_tensor_value_info("views", TensorProto.FLOAT, ["v", 3, side_px, side_px])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 5])],
        [numpy_helper.from_array(slope, "slope"), numpy_helper.from_array(offset, "offset")],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


@pytest.fixture
def weight(tmp_path):
    return card_of(tmp_path, brightness_judge())


def plain(value, *, space="rgb", size=(40, 50), **more):
    channels = {"gray": 1, "rgb": 3, "cmyk": 4}[space]
    return Picture(pixels=np.full((*size, channels), value, np.float32), space=space, **more)


def test_a_task_is_named_when_it_is_sure(weight):
    hazy = TaskJudge(weight)(plain(1.0))
    assert hazy.task == "dehaze"
    assert hazy.confidence == hazy.shares["dehaze"] > 0.99
    assert list(hazy.shares) == ["nothing", *TASKS]
    assert sum(hazy.shares.values()) == pytest.approx(1)
    assert judge(plain(0.0), weight).task == "lowlight"


def test_nothing_is_said_of_a_sound_picture(weight):
    found = judge(plain(0.5), weight)
    assert (found.task, found.perhaps) == (None, None)
    assert found.confidence == found.shares["nothing"] > 0.99


def test_a_doubtful_task_is_not_named(weight):
    found = judge(plain(0.82), weight)
    assert 0.5 < found.shares["dehaze"] < SURE
    assert (found.task, found.perhaps) == (None, "dehaze")
    assert found.confidence == found.shares["nothing"]


@pytest.mark.parametrize(("space", "value"), [("gray", 1.0), ("cmyk", 0.0)])
def test_pictures_of_other_channels_are_judged_by_what_they_show(weight, space, value):
    assert judge(plain(value, space=space), weight).task == "dehaze"


def test_a_picture_is_judged_upright(weight, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "restora.engine.judge.views",
        lambda pixels, side_px: (seen.append(pixels.shape), views(pixels, side_px))[1],
    )
    judge(plain(0.5, metadata=Metadata(orientation=6)), weight)
    assert seen == [(50, 40, 3)]


def test_a_weight_without_a_judge_is_told(tmp_path):
    path = card_of(tmp_path, brightness_judge(), part="denoiser")
    with pytest.raises(WeightsError, match="cannot judge"):
        TaskJudge(path)


def test_a_judge_of_other_tasks_is_told(tmp_path):
    with pytest.raises(WeightsError, match="other tasks"):
        TaskJudge(card_of(tmp_path, brightness_judge(), tasks=TASKS[:2]))


def test_a_missing_weight_is_told(tmp_path):
    with pytest.raises(WeightsError):
        judge(plain(0.5), str(tmp_path / "none.json"))


def test_the_first_view_is_the_whole_and_the_others_are_its_own_pixels():
    rng = np.random.default_rng(0)
    pixels = rng.random((96, 130, 3), np.float32)
    seen = views(pixels, 32)
    assert seen.shape == (9, 3, 32, 32)
    assert seen.dtype == np.float32
    np.testing.assert_allclose(seen[0].mean(), pixels.mean(), atol=0.01)
    assert seen[0].std() < 0.5 * pixels.std()  # antialiased
    np.testing.assert_array_equal(seen[1], pixels[:32, :32].transpose(2, 0, 1))
    np.testing.assert_array_equal(seen[8], pixels[-32:, -32:].transpose(2, 0, 1))


@pytest.mark.parametrize(
    ("size", "count"),
    [((1, 1), 2), ((20, 31), 2), ((32, 32), 2), ((33, 32), 3), ((64, 64), 5), ((32, 900), 9),
     ((700, 500), 9)],
)  # fmt: skip
def test_small_pictures_have_fewer_crops(size, count):
    pixels = np.random.default_rng(1).random((*size, 3), np.float32)
    seen = views(pixels, 32)
    assert seen.shape == (count, 3, 32, 32)
    assert seen.min() >= 0
    assert seen.max() <= 1


def test_a_wide_picture_has_its_crops_side_by_side():
    ramp = np.broadcast_to(np.linspace(0, 1, 800, dtype=np.float32)[None, :, None], (70, 800, 3))
    crops = views(ramp, 64)[1:]
    assert len(crops) == 8
    assert np.all(np.diff(crops.mean((1, 2, 3))) > 0)


def test_judging_needs_no_pytorch():
    import subprocess

    code = "import restora.engine.judge, sys; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
