"""Files of weights made to do harm: none runs code, each is refused in a sentence."""

import hashlib
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from restora.engine.backend_ort import load_session, run_session
from restora.engine.models import weight_facts
from restora.errors import RestoraError, UsageError, WeightsError
from restora.evaluation.detector import OnnxDetector
from restora.networks.perceptual.vgg16 import read_tensors
from restora.networks.weight_files import NETWORK_KEY, read_weights
from restora.semantics.pretrained import load_network
from restora.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from restora.training.initial import read_initial
from restora.training.recipe import parse_recipe
from restora.training.sr_diff.layout import read_features
from restora.weights.cards import Card
from restora.weights.onnx_check import check_onnx
from restora.weights.registry import load_card, load_weight

SCRIPT = Path(__file__).parents[2] / "docs" / "hostile_weights.py"
spec = importlib.util.spec_from_file_location("hostile_weights", SCRIPT)
hostile = importlib.util.module_from_spec(spec)
spec.loader.exec_module(hostile)

READERS = {
    "a.pth": read_weights,
    "a.safetensors": read_weights,
    "a.onnx": read_weights,
    "a.json": read_weights,
    "a.pt": load_checkpoint,
    "vgg.pth": read_tensors,
    "vgg.safetensors": read_tensors,
    "features.pt": read_features,
    "detector.onnx": OnnxDetector,
    "start.pt": lambda path: read_initial(path, None),
    "start.pth": lambda path: read_initial(path, None),
}


def sentence(error):
    return "\n" not in str(error) and len(str(error)) < hostile.LONGEST_MESSAGE


@pytest.mark.parametrize("form", ["zip", "legacy", "plain"])
@pytest.mark.parametrize("name", READERS)
def test_no_pickle_runs(tmp_path, name, form):
    """The payload is real: whoever unpickled it would make a file."""
    for which in hostile.TRAPS:
        mark, path = tmp_path / "made", tmp_path / name
        path.write_bytes(hostile.trap(which, mark, form=form))
        with pytest.raises(RestoraError) as caught:
            READERS[name](path)
        assert sentence(caught.value)
        assert not mark.exists()


def test_the_traps_work(tmp_path):
    import pickle

    for which in hostile.TRAPS:
        mark = tmp_path / which
        pickle.loads(hostile.trap(which, mark, form="plain"))
        assert mark.exists()


def test_no_pickle_of_a_pretrained_network_runs(tmp_path):
    config = {
        "model_type": "clip_vision_model", "hidden_size": 8, "intermediate_size": 8,
        "num_attention_heads": 2, "num_hidden_layers": 1, "image_size": 8, "patch_size": 4,
    }  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(config))
    mark = tmp_path / "made"
    for form in ("zip", "legacy", "plain"):
        (tmp_path / "pytorch_model.bin").write_bytes(hostile.trap("os.mkdir", mark, form=form))
        with pytest.raises(WeightsError, match="Cannot load CLIPVisionModel from"):
            load_network("CLIPVisionModel", str(tmp_path))
        assert not mark.exists()


@pytest.mark.parametrize("kind", hostile.KINDS)
def test_damaged_and_forged_files_are_told(tmp_path_factory, tmp_path, made_once, kind):
    """A few of those of docs/make_weights.py, which tries thousands."""
    sound = made_once("sound-weights", hostile.make_sound)
    for seed in range(24):
        path = hostile.place(kind, sound, tmp_path, seed)
        read = load_checkpoint if kind == "checkpoint" else read_weights
        what, text = hostile.judge(lambda path=path, read=read: read(path))
        assert what in ("works", "told"), (seed, text)


def graph(*, tensor=None, nodes=None, opset="", version=18):
    """A network of one addition."""
    tensor = tensor or numpy_helper.from_array(np.ones(4, np.float32), "w")
    nodes = nodes or [helper.make_node("Add", ["x", "w"], ["y"])]
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, [4]) for n in "xy")
    made = helper.make_graph(nodes, "g", [x], [y], [tensor])
    imports = [helper.make_opsetid("", 18)]
    if opset:
        imports.append(helper.make_opsetid(opset, version))
    return helper.make_model(made, opset_imports=imports, ir_version=10)


def elsewhere(location):
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    return tensor


def test_a_sound_network_is_taken():
    data = graph().SerializeToString()
    check_onnx(data, name="a")
    session = load_session(data, 1)
    (y,) = session.run(None, {"x": np.zeros(4, np.float32)})
    assert y.tolist() == [1] * 4


@pytest.mark.parametrize("location", ["weights.bin", "../../../etc/passwd", "/etc/passwd", ""])
def test_weights_in_other_files_are_refused(tmp_path, monkeypatch, location):
    """Wherever in the file the tensor is; a file of that name is there."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights.bin").write_bytes(np.ones(4, np.float32).tobytes())
    tensor = elsewhere(location)
    constant = helper.make_node("Constant", [], ["w2"], value=tensor)
    inner = helper.make_graph([constant], "inner", [], [])
    within = helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=inner)
    function = helper.make_function("own", "F", ["a"], ["b"], [constant], [])
    with_function = graph()
    with_function.functions.append(function)
    sparse = graph()
    sparse.graph.sparse_initializer.add().values.CopyFrom(tensor)
    add = helper.make_node("Add", ["x", "w"], ["y"])
    models = [
        graph(tensor=tensor), graph(nodes=[constant, add]), graph(nodes=[within, add]),
        with_function, sparse,
    ]  # fmt: skip
    for model in models:
        with pytest.raises(WeightsError, match="keeps weights in other files, which nothing"):
            load_session(model.SerializeToString(), 1)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is no ONNX file: there is no network in it"),
        (b"these are words", "is damaged, or no ONNX file"),
        (b"\x08\x0a", "is no ONNX file: there is no network in it"),
        (b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "no ONNX file: it ends too early"),
        (b"\x3a" + b"\xff" * 11, "no ONNX file: a number that never ends"),
        (b"\x3b", "no ONNX file: a field of an unknown kind"),
        (b"\x02\x00", "no ONNX file: a field without a number"),
        (b"\x00\x00\x00\x00ORTM", "is damaged, or no ONNX file"),
    ],
)
def test_what_is_no_onnx_file_is_told(data, message):
    with pytest.raises(WeightsError, match=message):
        load_session(data, 1)


def test_graphs_too_deep_are_told():
    data = b""
    for _ in range(60):  # graph, node, attribute, graph ...
        for field in (6 << 3 | 2, 5 << 3 | 2, 1 << 3 | 2):
            length = len(data)
            size = bytes([length & 0x7F | 0x80, length >> 7]) if length > 127 else bytes([length])
            data = bytes([field]) + size + data
    size = bytes([len(data) & 0x7F | 0x80, len(data) >> 7])
    with pytest.raises(WeightsError, match="graphs lie too deep within graphs"):
        check_onnx(b"\x3a" + size + data, name="a")


def test_operators_of_others_are_refused():
    node = helper.make_node("Evil", ["x", "w"], ["y"], domain="com.example")
    data = graph(nodes=[node], opset="com.example", version=1).SerializeToString()
    with pytest.raises(
        WeightsError, match=r"ONNX Runtime cannot load this network: .*Evil"
    ) as caught:
        load_session(data, 1)
    assert sentence(caught.value)


def test_a_network_that_fails_is_told():
    node = helper.make_node("Reshape", ["x", "s"], ["y"])
    model = graph(nodes=[node], tensor=numpy_helper.from_array(np.array([7], np.int64), "s"))
    del model.graph.output[0].type.tensor_type.shape.dim[:]
    model.graph.output[0].type.tensor_type.shape.dim.add().dim_param = "N"
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "N"
    session = load_session(model.SerializeToString(), 1)
    with pytest.raises(WeightsError, match="ONNX Runtime cannot run this network: ") as caught:
        run_session(session, {"x": np.zeros(4, np.float32)}, (1, 2, 2, 1))
    assert sentence(caught.value)


def test_an_onnx_file_of_a_card_is_checked_beyond_its_checksum(tmp_path):
    raw = load_card("fbcnn-gray-compact").model_dump(mode="json")
    raw |= {"name": "mine", "files": {p: raw["files"][p] for p in ("encoder", "decoder")}}
    data = graph(tensor=elsewhere("x")).SerializeToString()
    told = {"sha256": hashlib.sha256(data).hexdigest(), "size_bytes": len(data)}
    raw["files"]["encoder"] = told
    (tmp_path / "mine.json").write_text(json.dumps(raw))
    (tmp_path / "mine.encoder.onnx").write_bytes(data)
    with pytest.raises(WeightsError, match=r"mine\.encoder\.onnx keeps weights in other files"):
        load_weight(str(tmp_path / "mine.json"), "encoder")
    (tmp_path / "mine.encoder.onnx").write_bytes(data + b" ")  # not even read
    with pytest.raises(WeightsError, match=r"mine\.encoder\.onnx is damaged"):
        load_weight(str(tmp_path / "mine.json"), "encoder")
    with pytest.raises(WeightsError, match=r"mine\.decoder\.onnx is missing"):
        load_weight(str(tmp_path / "mine.json"), "decoder")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "../../x"}, "'../../x' cannot be the name of a file"),
        ({"name": "/x"}, "cannot be the name of a file"),
        ({"name": ""}, "cannot be the name of a file"),
        ({"name": "a\\b"}, "cannot be the name of a file"),
        ({"title": "\x1b[2Jgone"}, "title: .*control characters"),
        ({"channels": 4}, "channels: "),
        ({"parameters": 10**30}, "parameters: "),
        ({"files": {"../x": {"sha256": "0" * 64, "size_bytes": 1}}}, "has no part '../x'"),
        ({"files": {}}, "It names no file for encoder"),
        ({"files": {"encoder": {"sha256": "x", "size_bytes": 1}}}, "files.encoder.sha256: "),
        ({"files": {"encoder": {"sha256": "0" * 64, "size_bytes": -1}}}, "encoder.size_bytes: "),
        ({"surprise": 1}, "surprise: Extra inputs are not permitted"),
    ],
)
def test_cards_that_say_what_no_card_says(tmp_path, changes, message):
    raw = load_card("fbcnn-gray-compact").model_dump(mode="json")
    path = tmp_path / "x.json"
    path.write_text(json.dumps(raw | changes))
    with pytest.raises(WeightsError, match=message) as caught:
        load_card(str(path))
    assert sentence(caught.value)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (None, "the network in its recipe is no table"),
        ({"blocks": [10**9]}, "no network has numbers above 100,000"),
        ({"blocks": [1] * 10_001}, "no network has lists as long or as deep"),
        ({"a": [[[[[[[[[[[[1]]]]]]]]]]]]}, "no network has lists as long or as deep"),
    ],
)
def test_networks_out_of_all_size(network, message):
    raw = load_card("fbcnn-gray-compact").model_dump(mode="json")
    raw["training"]["recipe"]["network"] = network
    with pytest.raises(ValueError, match=message):
        Card.model_validate(raw)


@pytest.mark.parametrize(
    ("method", "network", "message"),
    [
        ("sr-diff", {"tasks": ["dehaze"], "encoder": "clip:someone/else"}, "clip:someone/else, no"),
        ("sodiff", {"prior": 3}, "describes no SODiff"),
        ("ssp-ir", {"walk": -1}, "describes no SSP-IR"),
    ],
)
def test_a_card_sends_nobody_to_the_network(tmp_path, method, network, message):
    shipped = {"sr-diff": "sr-diff-compact", "sodiff": "sodiff-compact", "ssp-ir": "ssp-ir-compact"}
    raw = load_card(shipped[method]).model_dump(mode="json")
    raw["training"]["recipe"]["network"] |= network
    (tmp_path / "x.json").write_text(json.dumps(raw))
    with pytest.raises(WeightsError, match=message):
        weight_facts(str(tmp_path / "x.json"))


def safetensors_file(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


F32 = {"dtype": "F32", "shape": [1]}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff" * 8,
        (10**15).to_bytes(8, "little") + b"{}",
        safetensors_file(b"{"),
        safetensors_file(b"\xff\xfe"),
        safetensors_file({"a": F32 | {"data_offsets": [0, 400]}}, bytes(4)),
        safetensors_file({"a": F32 | {"data_offsets": [4, 0]}}, bytes(4)),
        safetensors_file(
            {"a": F32 | {"data_offsets": [0, 4]}, "b": F32 | {"data_offsets": [2, 6]}}, bytes(6)
        ),
        safetensors_file({"a": F32 | {"shape": [2**62, 4], "data_offsets": [0, 4]}}, bytes(4)),
        safetensors_file({"a": F32 | {"dtype": "EVIL", "data_offsets": [0, 4]}}, bytes(4)),
        safetensors_file({"a": F32 | {"data_offsets": [0, 4]}}, bytes(400)),
    ],
)
def test_safetensors_that_lie_are_told(tmp_path, data):
    path = tmp_path / "a.safetensors"
    path.write_bytes(data)
    with pytest.raises(WeightsError, match="this is not a safetensors file") as caught:
        read_weights(path)
    assert sentence(caught.value)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ({"blocks": [10**9, 1], "widths": [4, 4]}, "many more layers than there are weights for"),
        ({"widths": [10**12, 10**12], "blocks": [1, 1]}, "cannot be built|another shape"),
        ({"widths": [], "blocks": []}, "cannot be built"),
    ],
)
def test_a_header_that_describes_too_much(tmp_path, network, message):
    text = json.dumps({"channels": 1, "unshuffle": 1} | network)
    header = {"__metadata__": {NETWORK_KEY: text}, "a": F32 | {"data_offsets": [0, 4]}}
    (tmp_path / "a.safetensors").write_bytes(safetensors_file(header, bytes(4)))
    with pytest.raises(WeightsError, match=message):
        read_weights(tmp_path / "a.safetensors")


@pytest.mark.parametrize(
    "odd", [torch.zeros(1).expand(10**9), torch.eye(2).to_sparse(), torch.zeros(2).int()]
)
def test_tensors_that_are_not_all_there(tmp_path, odd):
    torch.save({"m_head.weight": odd}, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match="holds other things than tensors"):
        read_weights(tmp_path / "a.pth")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"step": "3"}, r"this is not a training checkpoint \(step is of another kind\)"),
        ({"average": {"a": 3}}, "average holds other things than tensors"),
        ({"encoders": {"a": 3}}, "encoders holds other things than words"),
        ({"surprise": 3}, "this is not a training checkpoint"),
        ({"recipe": "{}"}, "this is not a training checkpoint"),
        ({"network": {}}, "the weights are not those of the network in its recipe"),
    ],
)
def test_checkpoints_of_something_else(tmp_path, changes, message):
    from restora.networks.catalogue import build

    small = {"widths": [4, 4], "blocks": [1, 1], "mlp": 4, "predictor_blocks": 1}
    recipe = parse_recipe({"name": "tiny", "network": small}, name="tiny")
    state = build(recipe.network).state_dict()
    path = tmp_path / "latest.pt"
    save_checkpoint(Checkpoint(recipe, 1, 1.0, (), state, state, {}), path)
    assert load_checkpoint(path).step == 1
    raw = torch.load(path, weights_only=True)
    torch.save(raw | changes, path)
    with pytest.raises(WeightsError, match=message) as caught:
        load_checkpoint(path)
    assert sentence(caught.value)


def test_an_address_is_no_file_of_weights():
    """What is named by --model is never fetched."""
    from restora.engine.models import resolve_model

    with pytest.raises(UsageError, match="there is no such file of weights"):
        resolve_model("https://example.invalid/x.json")
