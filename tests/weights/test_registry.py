"""Every weight in the table is there, is the one its card describes, and says how it was made."""

import hashlib

import pytest

from restora.engine.models import open_backend, resolve_model
from restora.errors import UsageError, WeightsError
from restora.weights.cards import PARTS
from restora.weights.registry import (
    ENCODERS,
    FOLDER,
    MODELS,
    find_model,
    load_card,
    load_weight,
)

COLOUR_ALONE = ("sodiff", "sr-diff", "ssp-ir")
WEIGHTS = [weight for model in MODELS for weight in model.weights]


@pytest.mark.parametrize("weight", WEIGHTS)
def test_card_and_file_agree(weight):
    card = load_card(weight)
    assert card.name == weight
    assert set(PARTS[card.method]) == set(card.parts()) <= set(card.files)
    for part, file in card.files.items():
        data = load_weight(weight, part)
        assert hashlib.sha256(data).hexdigest() == file.sha256
        assert len(data) == file.size_bytes
    assert card.macs_per_pixel <= 150_000


@pytest.mark.parametrize("weight", WEIGHTS)
def test_a_card_tells_how_and_how_good(weight):
    card = load_card(weight)
    assert card.licence == "Apache-2.0"
    assert card.training.steps > 0
    assert card.training.seconds > 0
    assert "photos" in card.training.data
    assert card.training.curve
    assert card.scores


def test_channels_fit_their_place():
    for model in MODELS:
        # A diffusion model is of colour alone: gray pictures go through it as neutral ones.
        assert model.gray is not None or load_card(model.color).method in COLOUR_ALONE
        assert model.gray is None or load_card(model.gray).channels == 1
        assert load_card(model.color).channels == 3


def test_all_weights_together_are_small():
    """Half precision and 8 bits, gray and colour of five methods: what a wheel carries."""
    most = {
        "fbcnn": 18_000_000, "dagn": 15_000_000, "sodiff": 13_000_000, "sr-diff": 8_000_000,
        "ssp-ir": 13_000_000,
    }  # fmt: skip
    for method, most_bytes in most.items():
        files = FOLDER.glob(f"{method}-*.onnx")
        assert 0 < sum(p.stat().st_size for p in files) <= most_bytes
    assert {load_card(weight).method for weight in WEIGHTS} == most.keys()
    for weight in WEIGHTS:
        card = load_card(weight)
        latent = card.method in ("sodiff", "ssp-ir")  # which bring a codec
        assert card.size_bytes() <= (13_000_000 if latent else 7_500_000)


def test_no_file_without_a_place():
    weights = [*WEIGHTS, *ENCODERS]
    expected = {f"{weight}.{part}.onnx" for weight in weights for part in load_card(weight).files}
    assert {p.name for p in FOLDER.glob("*.onnx")} == expected


@pytest.mark.parametrize("name", ENCODERS)
def test_an_encoder_is_a_weight_but_no_model(name):
    card = load_card(name)
    assert (card.name, card.method, card.licence) == (name, "image-encoder", "Apache-2.0")
    parts = sum(len(load_weight(name, part)) for part in card.parts())
    assert parts == card.size_bytes() <= 10_000_000
    assert card.encoders["image"].startswith(f"{name}:")
    with pytest.raises(UsageError, match=f"There is no model named '{name}'"):
        find_model(name)
    with pytest.raises(WeightsError, match=f"The weight {name} restores nothing by itself"):
        resolve_model(str(FOLDER / f"{name}.json"))


def test_a_card_elsewhere_is_found_by_its_path(tmp_path):
    for file in FOLDER.glob("fbcnn-gray-compact.*"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    path = str(tmp_path / "fbcnn-gray-compact.json")
    assert load_card(path) == load_card("fbcnn-gray-compact")
    assert load_weight(path, "decoder") == load_weight("fbcnn-gray-compact", "decoder")
    (tmp_path / "fbcnn-gray-compact.encoder.onnx").write_bytes(b"other")
    with pytest.raises(WeightsError, match=r"compact\.encoder\.onnx is damaged"):
        load_weight(path, "encoder")


def test_a_card_in_capitals_is_a_card_too(tmp_path):
    for file in FOLDER.glob("fbcnn-gray-compact.*"):
        name = file.name.replace(".json", ".JSON")
        (tmp_path / name).write_bytes(file.read_bytes())
    path = str(tmp_path / "fbcnn-gray-compact.JSON")
    assert load_card(path) == load_card("fbcnn-gray-compact")
    assert load_weight(path, "encoder") == load_weight("fbcnn-gray-compact", "encoder")
    assert resolve_model(path).gray == path
    assert open_backend(path, device="cpu", threads=1, precision="float").channels == 1


def test_a_missing_card_is_told(tmp_path):
    with pytest.raises(WeightsError, match=r"x\.json: this card is missing or damaged"):
        load_card(str(tmp_path / "x.json"))


def test_the_nearest_name_is_offered():
    with pytest.raises(UsageError, match="Did you mean 'fbcnn'"):
        find_model("fbcn")


def test_a_card_of_a_method_from_the_future_is_told(tmp_path):
    text = (FOLDER / "fbcnn-gray-compact.json").read_text()
    path = tmp_path / "x.json"
    path.write_text(text.replace('"method": "fbcnn"', '"method": "swirl"', 1))
    with pytest.raises(
        WeightsError, match=r"this version knows fbcnn, dagn, sodiff, .*not 'swirl'"
    ):
        load_card(str(path))
