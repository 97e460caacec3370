"""The loop: resumes exactly, stops by the clock, learns, and ships what it learnt."""

import copy
import json

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from restora.errors import UsageError, WeightsError
from restora.networks.fbcnn import FBCNN
from restora.networks.onnx_weights import read_onnx_weights
from restora.training.checkpoint import load_checkpoint, save_checkpoint
from restora.training.export import export_onnx, export_weight
from restora.training.initial import grow, read_initial
from restora.training.loop import BEFORE_DECAY, LATEST, LOG, train
from restora.weights.cards import Card


def assert_same(a, b):
    for key in ("network", "average"):
        assert getattr(a, key).keys() == getattr(b, key).keys()
        for name, value in getattr(a, key).items():
            assert torch.equal(value, getattr(b, key)[name]), name


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_resumes_exactly(photos, recipe, tmp_path, precision):
    settings = recipe.train.model_copy(update={"precision": precision})
    recipe = recipe.model_copy(update={"train": settings})
    whole = train(recipe, photos, out=tmp_path / "whole")
    # The same run with an end after step 4, then taken up again by the full recipe: the clock of
    # a real budget would make the test depend on the machine.
    half = recipe.model_copy(
        update={"train": settings.model_copy(update={"steps": 4, "decay_steps": 0})}
    )
    stopped = train(half, photos, out=tmp_path / "parts")
    assert stopped.step == 4
    resumed = train(recipe, photos, out=tmp_path / "parts")
    assert resumed.step == whole.step == 8
    assert_same(whole, resumed)
    assert_same(resumed, load_checkpoint(tmp_path / "parts" / LATEST))


def test_changes_on_the_way_count_and_are_told(photos, recipe, tmp_path):
    """Another weight decay and other photos from step 4 on; the log holds every step once."""
    settings = recipe.train.model_copy(update={"steps": 4, "decay_steps": 0, "weight_decay": 0.5})
    train(recipe.model_copy(update={"train": settings}), photos, out=tmp_path / "run")
    log = tmp_path / "run" / LOG
    with log.open("a") as file:  # a row of a step that a kill took back
        file.write('{"step": 6, "pixel": 1.0}\n')
    same = train(recipe, photos, out=tmp_path / "run", budget_s=0)
    assert same.step == 4
    assert [json.loads(line)["step"] for line in log.read_text().splitlines()] == [4]
    other = copy.copy(photos)
    other.key = "another"
    changed = train(recipe, other, out=tmp_path / "run")
    assert "train.weight_decay 0.5" in changed.history[0]
    assert changed.history[1] == "until step 4: other photos"
    assert {group["weight_decay"] for group in changed.optimiser["param_groups"]} == {
        recipe.train.weight_decay
    }


def test_stops_by_the_clock(photos, recipe, tmp_path):
    done = train(recipe, photos, out=tmp_path / "run", budget_s=0)
    assert done.step == 0
    assert (tmp_path / "run" / LATEST).exists()


def test_keeps_the_moment_before_the_decay(photos, recipe, tmp_path):
    train(recipe, photos, out=tmp_path / "run")
    assert load_checkpoint(tmp_path / "run" / BEFORE_DECAY).step == 5


def test_logs_losses_and_validation(photos, recipe, photo_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "restora.training.tasks.validation_pictures",
        lambda folder, channels: iter(
            [np.full((16, 16), 99, np.uint8) + np.eye(16, dtype=np.uint8)]
        ),
    )
    rows = []
    train(
        recipe, photos, out=tmp_path / "run", validation=photo_folder, validate_every=4,
        report=rows.append,
    )  # fmt: skip
    logged = [json.loads(line) for line in (tmp_path / "run" / LOG).read_text().splitlines()]
    assert logged == rows
    assert [row["step"] for row in rows] == [4, 8]
    assert {"pixel", "quality", "psnr_10", "jpeg_10", "quality_error_10", "lr"} <= rows[0].keys()


def test_learns(photos, recipe, tmp_path):
    """Fifty steps bring the loss on fixed pairs down."""
    settings = recipe.train.model_copy(update={"steps": 60, "lr": 5e-3, "decay_steps": 20})
    data = recipe.data.model_copy(
        update={"batch": 8, "quality_min": 5, "quality_max": 10, "benchmark_share": 0.0,
                "clean_share": 0.0, "double_share": 0.0, "shifted_share": 0.0}
    )  # fmt: skip
    rows = []
    train(
        recipe.model_copy(update={"train": settings, "data": data}), photos,
        out=tmp_path / "run", validate_every=20, report=rows.append,
    )  # fmt: skip
    assert rows[-1]["pixel"] < 0.97 * rows[0]["pixel"]


def test_another_network_in_the_folder_is_refused(photos, recipe, tmp_path):
    train(recipe, photos, out=tmp_path / "run", budget_s=0)
    other = recipe.model_copy(update={"network": recipe.network.model_copy(update={"mlp": 9})})
    with pytest.raises(UsageError, match="holds a run of another network"):
        train(other, photos, out=tmp_path / "run", budget_s=0)


def test_a_file_that_is_no_checkpoint(tmp_path):
    path = tmp_path / "x.pt"
    path.write_bytes(b"nothing")
    with pytest.raises(WeightsError, match="not a training checkpoint"):
        load_checkpoint(path)


@pytest.fixture
def exported(photos, recipe, made_once):
    """A run, the card it became, and the file of that."""

    def make(folder):
        done = train(recipe, photos, out=folder / "run")
        # Eight steps leave biases that are still equal, which the exporter would store once.
        for value in done.average.values():
            value.add_(0.01 * torch.randn(value.shape, generator=torch.Generator().manual_seed(1)))
        save_checkpoint(done, folder / "done.pt")
        card = export_weight(
            done, folder / "out", title="tiny", data="made by code", device="cpu", overlap_px=32
        )
        (folder / "returned.json").write_text(card.model_dump_json())

    folder = made_once("fbcnn-exported", make)
    card = Card.model_validate_json((folder / "returned.json").read_text())
    return load_checkpoint(folder / "done.pt"), card, folder / "out" / "tiny.json"


def test_the_whole_graph_matches_pytorch(exported, recipe):
    done, _, _ = exported
    network = FBCNN(recipe.network).eval()
    network.load_state_dict(done.average)
    data = export_onnx(network)
    network.load_state_dict(read_onnx_weights([data], recipe.network))
    session = onnxruntime.InferenceSession(data)
    for size in [(1, 1), (16, 16), (35, 50)]:
        picture = np.random.default_rng(0).random((1, 1, *size), np.float32)
        for quality in (float("nan"), 20.0):
            restored, predicted = session.run(
                None, {"picture": picture, "quality": np.array([quality], np.float32)}
            )
            strength = torch.tensor([[1 - quality / 100]])
            expected, seen = network(torch.from_numpy(picture), strength)
            assert np.allclose(restored, expected.detach(), atol=1e-4)
            assert np.allclose(predicted, 100 * (1 - seen.detach()), atol=1e-2)


def test_encoder_and_decoder_match_pytorch(exported, recipe):
    _, card, path = exported
    assert Card.model_validate_json(path.read_text()) == card
    parts = [path.with_name(f"tiny.{part}.onnx").read_bytes() for part in card.files]
    network = FBCNN(recipe.network).eval()
    network.load_state_dict(read_onnx_weights(parts, recipe.network))
    encoder, decoder = map(onnxruntime.InferenceSession, parts)
    for shape in [(1, 1, 4, 4), (3, 1, 20, 32)]:
        picture = np.random.default_rng(0).random(shape, np.float32)
        *features, predicted = encoder.run(None, {"picture": picture})
        names = [output.name for output in encoder.get_outputs()][:-1]
        quality = np.linspace(10, 90, shape[0], dtype=np.float32)
        feeds = {"picture": picture, "quality": quality, **dict(zip(names, features, strict=True))}
        (restored,) = decoder.run(None, feeds)
        strength = torch.from_numpy(1 - quality / 100)[:, None]
        expected, seen = network(torch.from_numpy(picture), strength)
        assert np.allclose(restored, expected.detach(), atol=1e-4)
        assert np.allclose(predicted, 100 * (1 - seen.detach()[:, 0]), atol=1e-2)


def test_export_stores_halves(exported):
    path = exported[2].with_name("tiny.encoder.onnx")
    types = {t.name: t.data_type for t in onnx.load(path).graph.initializer}
    assert types["encoder.0.0.conv1.weight"] == onnx.TensorProto.FLOAT  # too small to matter
    assert types["body_encoder.0.conv1.weight"] == onnx.TensorProto.FLOAT16


def test_export_names_no_folder_of_this_machine(exported):
    data = b"".join(p.read_bytes() for p in exported[2].parent.iterdir())
    assert b".py" not in data
    assert b"/site-packages" not in data


def test_a_training_starts_from_a_file(exported, recipe):
    done, _, path = exported
    from_onnx = read_initial(path, recipe.network)
    for name, value in read_initial(path.parents[1] / "run" / LATEST, recipe.network).items():
        assert from_onnx[name].shape == value.shape
    for name, value in done.average.items():
        assert torch.allclose(from_onnx[name], value, atol=1e-3)


def test_gray_weights_grow_into_a_color_network(recipe):
    """On a picture without colour the wider network does what the gray one did."""
    torch.manual_seed(0)
    gray = FBCNN(recipe.network).eval()
    torch.nn.init.normal_(gray.tail.weight, std=0.1)
    changes = {"channels": 3, "ycbcr": True, "widths": (6, 9)}
    color = FBCNN(recipe.network.model_copy(update=changes)).eval()
    color.load_state_dict(grow(gray.state_dict(), color.config))
    luma = torch.rand(1, 1, 16, 24)
    restored, strength = color(luma.expand(1, 3, 16, 24))
    expected, seen = gray(luma)
    assert torch.allclose(restored, expected.expand_as(restored), atol=1e-4)
    assert torch.allclose(strength, seen, atol=1e-4)


def test_a_network_that_does_not_fit_is_refused(exported, recipe):
    with pytest.raises(WeightsError, match="does not fit into the recipe's"):
        read_initial(exported[2], recipe.network.model_copy(update={"blocks": (2, 1)}))
    wider = recipe.network.model_copy(update={"widths": (6, 9)})
    grown = read_initial(exported[2], wider, seed=1)
    assert grown["head.weight"].shape[0] == 6
    torch.rand(3)
    again, other = (read_initial(exported[2], wider, seed=seed) for seed in (1, 2))
    random = "encoder.0.0.conv1.weight"  # of the new channels
    assert torch.equal(grown[random], again[random])
    assert not torch.equal(grown[random], other[random])
