"""ONNX files made to do harm: none reads another file, each is refused in a sentence."""

import hashlib
import json

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from restora.engine.backend_ort import load_session, run_session
from restora.errors import WeightsError
from restora.weights import onnx_check
from restora.weights.onnx_check import check_onnx
from restora.weights.registry import load_card, load_weight


def sentence(error):
    return "\n" not in str(error) and len(str(error)) < 600


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


def varint(value):
    out = []
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def longer(data, by):
    """The same number, of so many more bytes."""
    return data[:-1] + bytes([data[-1] | 0x80]) + b"\x80" * (by - 1) + b"\x00" if by else data


def above(data):
    """The same number to a parser that keeps 32 bits: of five bytes, bits above set."""
    return longer(data, 5 - len(data))[:-1] + b"\x10"


def same(data):
    return data


def field(number, content, key=same):
    """A field of a message: a number, or bytes."""
    if isinstance(content, int):
        return key(varint(number << 3)) + varint(content)
    return key(varint(number << 3 | 2)) + varint(len(content)) + content


def spelt(key, *, graph_key=same, extra=b""):
    """The network of one addition whose numbers lie in weights.bin, with those two fields' keys."""
    place = field(1, b"location") + field(2, b"weights.bin")
    tensor = field(1, 4) + field(2, 1) + field(8, b"w") + field(13, place, key) + field(14, 1, key)
    made = graph().graph
    kept = b"".join(field(1, node.SerializeToString()) for node in made.node)
    kept += field(2, b"g") + field(5, tensor) + field(11, made.input[0].SerializeToString())
    kept += field(12, made.output[0].SerializeToString())
    model = field(1, 10) + field(7, kept, graph_key) + field(8, field(2, 18))
    return model + extra


def reads_elsewhere(data, folder):
    """Whether ONNX Runtime, from a file, takes numbers from weights.bin."""
    (folder / "m.onnx").write_bytes(data)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(
            folder / "m.onnx", options, providers=["CPUExecutionProvider"]
        )
    except Exception:  # it has no public tree of errors
        return False
    (y,) = session.run(None, {"x": np.zeros(4, np.float32)})
    return bool(y.tolist() == [42] * 4)


@pytest.mark.parametrize(
    ("key", "graph_key"),
    [
        (above, same), (same, above), (above, above), (lambda k: longer(k, 1), same),
        (lambda k: longer(k, 4), same), (same, lambda k: longer(k, 1)),
    ],
)  # fmt: skip
def test_keys_no_other_parser_reads_so_are_refused(tmp_path, key, graph_key):
    """ONNX Runtime's takes each of these files, and then the numbers of another file."""
    (tmp_path / "weights.bin").write_bytes(np.full(4, 42, np.float32).tobytes())
    plain, odd = spelt(same), spelt(key, graph_key=graph_key)
    assert reads_elsewhere(plain, tmp_path)
    with pytest.raises(WeightsError, match="keeps weights in other files"):
        check_onnx(plain, name="a")
    assert reads_elsewhere(odd, tmp_path)
    with pytest.raises(WeightsError, match="no ONNX file: the number of a field is too long"):
        check_onnx(odd, name="a")


def group(number, content):
    return varint(number << 3 | 3) + content + varint(number << 3 | 4)


def pieces_of_a_graph():
    """A sound graph, and another one merged into it whose tensor lies elsewhere."""
    tensor = elsewhere("weights.bin").SerializeToString()
    return graph().SerializeToString() + field(7, field(5, tensor))


def pieces_of_a_tensor():
    """The tensor of an attribute, said in two pieces."""
    place = field(13, field(1, b"location") + field(2, b"weights.bin"))
    sound = field(1, 4) + field(2, 1)
    value = field(1, b"value") + field(5, sound) + field(5, place) + field(20, 4)
    node = field(2, b"w2") + field(4, b"Constant") + field(5, value)
    return graph().SerializeToString() + field(7, field(1, node))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (pieces_of_a_graph(), "keeps weights in other files"),
        (pieces_of_a_tensor(), "keeps weights in other files"),
        (spelt(same, extra=group(100, b"")), "a field of an unknown kind"),
        (spelt(same, extra=b"\x3e"), "a field of an unknown kind"),
        (spelt(same, extra=b"\x3f"), "a field of an unknown kind"),
        (spelt(same, extra=b"\x00\x00"), "a field without a number"),
        (spelt(same, extra=b"\x80\x80\x80\x80\x10\x00"), "number of a field is too long"),
        (spelt(same, extra=b"\x3a\xff\xff\xff\xff\x0f"), "it ends too early"),
        (spelt(same, extra=b"\x3a" + varint(2**64)), "it ends too early"),
        (b"\x18\x00\x12\x05ORTM\x00" + spelt(same), "it is in ONNX Runtime's own format"),
    ],
    ids=range(10),
)
def test_what_parsers_could_see_differently_is_refused(data, message):
    with pytest.raises(WeightsError, match=message):
        check_onnx(data, name="a")


def test_every_place_of_a_tensor_is_walked():
    """By the description of the format that comes with the onnx package."""
    kinds = {
        "model": "ModelProto", "training": "TrainingInfoProto", "graph": "GraphProto",
        "function": "FunctionProto", "node": "NodeProto", "attribute": "AttributeProto",
        "sparse": "SparseTensorProto", "tensor": "TensorProto",
    }  # fmt: skip
    ours = {theirs: kind for kind, theirs in kinds.items()}
    for kind, theirs in kinds.items():
        fields = getattr(onnx, theirs).DESCRIPTOR.fields
        found = {f.number: f.message_type.name for f in fields if f.message_type is not None}
        expected = {number: ours[name] for number, name in found.items() if name in ours}
        assert onnx_check._HOLDS[kind] == expected


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
