"""The other verbs, as a user types them."""

import json

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def run(typed):
    return typed


def picture(height_px=64, width_px=80, seed=0):
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (6, 7, 3), np.uint8)
    return Image.fromarray(coarse).resize((width_px, height_px), Image.Resampling.BICUBIC)


def test_help_names_every_verb(run):
    done = run("--help")
    assert done.returncode == 0
    for verb in ("restore", "inspect", "models", "bench", "train", "export"):
        assert verb in done.stdout


def test_version(run):
    assert run("--version").stdout.startswith("restora 0.")


def test_a_wrong_option_is_wrong_usage(run):
    assert run("restore", "--qualty", "3").returncode == 2


def test_inspect(run, tmp_path):
    picture().save(tmp_path / "a.jpg", quality=37, progressive=True)
    done = run("inspect", tmp_path / "a.jpg")
    assert done.returncode == 0, done.stderr
    for words in ("37", "progressive", "4:2:0", "80", "64"):
        assert words in done.stdout


def test_inspect_takes_words_of_strangers_as_they_are(run, tmp_path):
    (tmp_path / "[").mkdir()
    for name in ("[/b] a.jpg", "[old] a.jpg"):
        picture().save(tmp_path / name, comment="[/b] hi [red]x")
        done = run("inspect", name, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        lines = done.stdout.splitlines()
        assert lines[0] == name
        assert [line.split(maxsplit=1)[1] for line in lines if line.startswith("Comment")] == [
            "[/b] hi [red]x"
        ]


def test_inspect_wraps_no_line(run, tmp_path):
    picture().save(tmp_path / "a.jpg", qtables=[[9] * 64, [7] * 64])
    lines = run("inspect", tmp_path / "a.jpg").stdout.splitlines()
    (saved,) = [line for line in lines if line.startswith("Saved at")]
    assert len(saved) > 80
    assert saved.endswith("on average")


def test_inspect_json_and_bad_files(run, tmp_path):
    picture().save(tmp_path / "a.jpg", quality=37)
    (tmp_path / "b.txt").write_text("hello")
    done = run("inspect", "--json", tmp_path / "b.txt", tmp_path / "a.jpg")
    assert done.returncode == 1
    assert json.loads(done.stdout)["quality"]["quality"] == 37
    assert "b.txt" in done.stderr


def test_models(run):
    done = run("models")
    assert "fbcnn (default)" in done.stdout
    assert "fbcnn-color-compact" in done.stdout
    assert "multiply-adds a pixel" in done.stdout
    cards = json.loads(run("models", "--json").stdout)
    assert {card["channels"] for card in cards["fbcnn"]} == {1, 3}


@pytest.fixture
def testsets(tmp_path):
    folder = tmp_path / "testsets" / "live1_gray"
    folder.mkdir(parents=True)
    picture(64, 64).convert("L").save(folder / "a.png")
    return tmp_path / "testsets"


def test_bench_measures_and_checks_the_baseline(run, testsets, tmp_path):
    """A made test set cannot give the published JPEG row: bench says so and fails."""
    done = run(
        "bench", "jpeg-gray", "--data", testsets, "--quality", "10", "--estimate",
        "--json", tmp_path / "r.json", "--markdown",
    )  # fmt: skip
    assert done.returncode == 1
    assert "| JPEG" in done.stdout
    assert "Restora fbcnn" in done.stdout
    assert "FBCNN" in done.stdout
    assert done.stderr.startswith("restora: ")
    report = json.loads((tmp_path / "r.json").read_text())
    assert {row["method"] for row in report["rows"]} == {"JPEG", "Restora fbcnn"}
    assert len(report["quality_errors"]) == 9


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["jpeg-grey"], "jpeg-grey"),
        (["jpeg-gray", "--set", "live2"], "live2"),
        (["jpeg-gray", "--data", "nowhere"], "nowhere"),
        (["jpeg-gray", "--quality", "ten"], "numbers with commas between, not 'ten'"),
        (["jpeg-gray", "--model", "x"], "no model named 'x'"),
    ],
)
def test_bench_refuses(run, arguments, message):
    done = run("bench", *arguments)
    assert done.returncode == 2
    assert message in done.stderr


def test_bench_resources(run):
    done = run("bench", "resources", "--megapixels", "0.01")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("| 0.0 |")


def test_train_export_and_bench_it(run, tmp_path):
    """From photos to a weight with its card, by commands alone."""
    photos = tmp_path / "photos"
    photos.mkdir()
    picture(60, 60).save(photos / "a.png")
    recipe = tmp_path / "r.yaml"
    recipe.write_text(
        "name: tiny\nnetwork: {widths: [4, 8], blocks: [1, 1], predictor_blocks: 1, mlp: 8,"
        " unshuffle: 2, residual: true}\ndata: {patch_px: 16, batch: 2}\n"
        "train: {steps: 4, decay_steps: 2}\n"
    )
    run_folder = tmp_path / "run"
    done = run(
        "train", recipe, "--photos", photos, "--out", run_folder, "--budget", "2m",
        "--override", "train.seed=5", "--threads", 1,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "finished at step 4" in done.stderr
    done = run(
        "export", run_folder / "latest.pt", "--out", tmp_path / "w", "--title", "tiny",
        "--data", "made by code", "--trained-on", "a test",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    card = json.loads((tmp_path / "w" / "tiny.json").read_text())
    assert card["training"]["recipe"]["train"]["seed"] == 5
    for part in ("encoder", "decoder"):
        file = tmp_path / "w" / f"tiny.{part}.onnx"
        assert file.stat().st_size == card["files"][part]["size_bytes"]
    picture(60, 60).convert("L").save(tmp_path / "a.jpg", quality=20)
    done = run("restore", tmp_path / "a.jpg", "-o", tmp_path / "b.png",
               "--model", tmp_path / "w" / "tiny.json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "b.png") as image:
        assert image.size == (60, 60)


@pytest.mark.parametrize(
    ("budget", "override", "message"),
    [
        ("soon", "train.lr=1e-3", "--budget is a number and a unit, such as 90s, 25m or 2h"),
        ("1m", "train.stepz=3", "train.stepz: no such key; did you mean steps?"),
    ],
)
def test_train_refuses(run, tmp_path, budget, override, message):
    recipe = tmp_path / "r.yaml"
    recipe.write_text("name: tiny\nnetwork: {widths: [4, 8], blocks: [1, 1]}\n")
    (tmp_path / "photos").mkdir()
    picture(200, 200).save(tmp_path / "photos" / "a.png")
    done = run(
        "train", recipe, "--photos", tmp_path / "photos", "--out", tmp_path / "run",
        "--budget", budget, "--override", override,
    )  # fmt: skip
    assert done.returncode == 2
    assert message in done.stderr
