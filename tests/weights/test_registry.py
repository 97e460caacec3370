"""Every weight in the table is there, is the one its card describes, and says how it was made."""

import hashlib

import pytest

from restora.errors import UsageError
from restora.weights.registry import FOLDER, MODELS, find_model, load_card, load_weight

WEIGHTS = [weight for model in MODELS for weight in (model.gray, model.color)]


@pytest.mark.parametrize("weight", WEIGHTS)
def test_card_and_file_agree(weight):
    card, data = load_card(weight), load_weight(weight)
    assert card.name == weight
    assert hashlib.sha256(data).hexdigest() == card.sha256
    assert len(data) == card.size_bytes
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
        assert load_card(model.gray).channels == 1
        assert load_card(model.color).channels == 3


def test_all_weights_together_are_small():
    assert sum(p.stat().st_size for p in FOLDER.glob("*.onnx")) <= 12_000_000


def test_no_file_without_a_place():
    assert {p.stem for p in FOLDER.glob("*.onnx")} == set(WEIGHTS)


def test_the_nearest_name_is_offered():
    with pytest.raises(UsageError, match="Did you mean 'fbcnn'"):
        find_model("fbcn")
