"""Detectors as real ONNX graphs in ONNX Runtime; torchvision, which is not here, as a stand-in."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from restora.errors import InputError, MissingExtra, UsageError, WeightsError
from restora.evaluation.detector import load_detector
from restora.evaluation.downstream import DownstreamReport, markdown, measure_downstream

onnx = pytest.importorskip("onnx")
FLOAT, INT64 = onnx.TensorProto.FLOAT, onnx.TensorProto.INT64
BOXES = [[0.0, 0, 20, 20], [30, 10, 60, 40]]


def save(path, *, input_shape=(1, 3, "h", "w"), names=("boxes", "labels", "scores"), batch=False,
         input_type=FLOAT, rows=2):  # fmt: skip
    """A detector of two constant boxes; the first's score is the mean of the picture, 0-1."""
    make = onnx.helper
    lead = [1] if batch else []
    constants = {
        "b": np.array(BOXES[:rows], np.float32).reshape(*lead, rows, 4),
        "l": np.array([3, 7], np.int64).reshape(*lead, 2),
        "second": np.array([0.8], np.float32),
        "flat": np.array([*lead, 2], np.int64),
        "minus_one": np.array([1], np.int64),
    }
    axes = list(range(len(input_shape)))
    nodes = [
        make.make_node("Cast", ["picture"], ["as_float"], to=FLOAT),
        make.make_node("ReduceMean", ["as_float"], ["mean"], axes=axes, keepdims=0),
        make.make_node("Reshape", ["mean", "minus_one"], ["first"]),
        make.make_node("Concat", ["first", "second"], ["both"], axis=0),
        make.make_node("Identity", ["b"], [names[0]]),
        make.make_node("Identity", ["l"], [names[1]]),
        make.make_node("Reshape", ["both", "flat"], [names[2]]),
    ]
    outputs = [
        make.make_tensor_value_info(names[0], FLOAT, [*lead, "n", 4]),
        make.make_tensor_value_info(names[1], INT64, [*lead, "n"]),
        make.make_tensor_value_info(names[2], FLOAT, [*lead, "n"]),
    ]
    graph = make.make_graph(
        nodes,
        "detector",
        [make.make_tensor_value_info("picture", input_type, list(input_shape))],
        outputs,
        [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = make.make_model(graph, opset_imports=[make.make_opsetid("", 13)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return str(path)


@pytest.fixture
def bright():
    return np.full((48, 64, 3), 204, np.uint8)


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"input_shape": (3, "h", "w")},
        {"batch": True},
        {"names": ("bbox_coords", "bbox_labels", "bbox_scores")},
        {"names": ("1201", "1207", "1211")},
        {"names": ("1201", "1207", "1211"), "batch": True},
    ],
)
def test_every_common_form_of_export(tmp_path, bright, form):
    detector = load_detector(save(tmp_path / "seer.onnx", **form), threads=1)
    assert detector.name == "seer.onnx"
    things = detector.find(bright)
    assert things.boxes.tolist() == BOXES
    assert things.scores.tolist() == pytest.approx([0.8, 0.8], abs=1e-4)
    assert things.labels.tolist() == [3, 7]
    assert things.labels.dtype == np.int64
    assert detector.find(bright // 4).sure().labels.tolist() == [7]


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"input_shape": (1, 3, 32, 64)}, "takes pictures of 32×64 only; export it with dynamic"),
        ({"input_shape": (1, 1, "h", "w")}, r"takes a picture \(1, 3, H, W\) or \(3, H, W\), not"),
        ({"input_shape": (3, "w")}, r"takes a picture \(1, 3, H, W\)"),
        ({"input_type": onnx.TensorProto.UINT8}, r"a float32 picture, not picture tensor\(uint8\)"),
        ({"names": ("boxes", "labels", "sizes_score_a"), "rows": 1}, r"scores \(N\) and labels"),
        ({"names": ("boxes", "labels", "class")}, "no output for scores among boxes"),
    ],
)
def test_what_is_no_detector_is_told(tmp_path, bright, form, message):
    with pytest.raises(WeightsError, match=message):
        load_detector(save(tmp_path / "seer.onnx", **form)).find(bright)


def test_files_that_are_none(tmp_path):
    with pytest.raises(UsageError, match="an ONNX file or the word torchvision, not 'seer"):
        load_detector("seer.pt")
    with pytest.raises(InputError, match=r"seer.onnx: the detector cannot be read \(No such file"):
        load_detector(str(tmp_path / "seer.onnx"))
    (tmp_path / "seer.onnx").write_bytes(b"nothing")
    with pytest.raises(WeightsError, match="is damaged, or no ONNX file"):
        load_detector(str(tmp_path / "seer.onnx"))


def test_a_detector_is_a_column_of_the_downstream_table(tmp_path):
    levels = np.where(np.arange(64) < 40, 200, 80).astype(np.uint8)  # the mean is 0.61
    clean = np.repeat(np.tile(levels, (48, 1))[..., None], 3, axis=2)
    Image.fromarray(clean).save(tmp_path / "a.png")
    report = measure_downstream(
        [tmp_path / "a.png"],
        {"dark": lambda file: clean // 2, "perfect": lambda file: clean},
        classifier=None,
        detector=load_detector(save(tmp_path / "seer.onnx"), threads=1),
        qualities=(10,),
    )
    plain, dark, perfect = report.rows
    assert (report.clean_objects, report.detector) == (2, "seer.onnx")
    assert [row.objects for row in report.rows] == [1.0, pytest.approx(2 / 3), 1.0]
    assert report.recovered_objects(perfect) is None  # nothing was lost
    lost = report.model_copy(
        update={"rows": (plain.model_copy(update={"objects": 0.5}), dark, perfect)}
    )
    assert lost.recovered_objects(dark) == pytest.approx(1 / 3)
    assert lost.recovered_objects(perfect) == 1.0
    assert DownstreamReport.model_validate_json(report.model_dump_json()) == report
    table = markdown(lost)
    assert "edges, F | objects, F | of the lost, recovered |\n" in table
    assert table.splitlines()[3].endswith("| 0.667 | 33 % |")
    assert "1 pictures, 2 objects found in the clean ones by seer.onnx." in table


def test_a_detector_that_finds_nothing_scores_nothing(tmp_path):
    class Blind:
        name = "blind"

        def find(self, picture):
            return load_detector(path, threads=1).find(picture).sure(2.0)

    path = save(tmp_path / "seer.onnx")
    Image.new("RGB", (48, 48)).save(tmp_path / "a.png")
    report = measure_downstream(
        [tmp_path / "a.png"], {}, classifier=None, detector=Blind(), qualities=(10,)
    )
    assert report.rows[0].objects is None
    assert markdown(report).splitlines()[2].endswith("| - | - |")


@pytest.fixture
def torchvision(monkeypatch, tmp_path):
    """What is used of torchvision, and an empty folder where PyTorch keeps what it loaded."""
    torch = pytest.importorskip("torch")
    url = "https://example.org/models/seer-0123.pth"

    class Network(torch.nn.Module):
        def forward(self, pictures):
            (picture,) = pictures
            boxes = torch.tensor(BOXES)
            scores = torch.stack([picture.mean(), torch.tensor(0.8)])
            return [{"boxes": boxes, "labels": torch.tensor([3, 7]), "scores": scores}]

    def make(*, weights):
        return Network()

    detection = ModuleType("torchvision.models.detection")
    detection.FasterRCNN_MobileNet_V3_Large_320_FPN_Weights = SimpleNamespace(
        DEFAULT=SimpleNamespace(url=url)
    )
    detection.fasterrcnn_mobilenet_v3_large_320_fpn = make
    monkeypatch.setitem(sys.modules, "torchvision", ModuleType("torchvision"))
    monkeypatch.setitem(sys.modules, "torchvision.models", ModuleType("torchvision.models"))
    monkeypatch.setitem(sys.modules, "torchvision.models.detection", detection)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    return tmp_path / "checkpoints" / "seer-0123.pth"


def test_torchvision_with_its_weights_on_disk(torchvision, bright):
    torchvision.parent.mkdir()
    torchvision.touch()
    things = load_detector("torchvision").find(bright)
    assert things.boxes.tolist() == BOXES
    assert things.scores.tolist() == pytest.approx([0.8, 0.8], abs=1e-4)
    assert things.labels.tolist() == [3, 7]


def test_torchvision_downloads_nothing(torchvision):
    with pytest.raises(WeightsError, match=r"seer-0123.pth, and Restora downloads nothing: fetch"):
        load_detector("torchvision")
    assert not torchvision.parent.exists()


def test_without_torchvision(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision", None)
    monkeypatch.delitem(sys.modules, "torchvision.models.detection", raising=False)
    with pytest.raises(MissingExtra, match="needs torchvision, which no extra of Restora brings"):
        load_detector("torchvision")


def test_a_torchvision_of_another_pytorch(monkeypatch, tmp_path):
    package = tmp_path / "torchvision"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('operator nms does not exist')\n")
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(MissingExtra, match=r"does not work beside this PyTorch \(operator nms"):
        load_detector("torchvision")
