"""`restora restore --task`, and what other verbs make of a model that samples."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import restora
from restora.cli.main import app
from restora.errors import UsageError


@pytest.fixture(scope="module")
def card(sr_diff_card):
    return sr_diff_card()


@pytest.fixture
def photo(tmp_path):
    y, x = np.mgrid[:60, :80]
    gray = (128 + 90 * np.sin(x / 5) * np.cos(y / 7)).astype(np.uint8)
    path = tmp_path / "photo.jpg"
    Image.fromarray(np.stack([gray, gray // 2, 255 - gray], axis=-1)).save(path, quality=40)
    return path


def run(*arguments):
    result = CliRunner().invoke(app, [*map(str, arguments)])
    if isinstance(result.exception, UsageError):
        return str(result.exception)
    assert result.exception is None, result.output
    return result.output


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image).astype(int)


def test_a_task_with_all_its_options(card, photo, tmp_path):
    asked = ["--task", "dehaze", "--model", card, "--steps", 2, "--samples", 2, "--seed", 3]
    out = tmp_path / "out.png"
    told = run("restore", photo, "-o", out, *asked, "--explain")
    for words in (
        "task dehaze: asked for", "2 steps of the 100", "mean of 2 samples", "seed 3:",
        "constraint off: the file's bins hold the haze too",
    ):  # fmt: skip
        assert words in told
    again = tmp_path / "again.png"
    (line,) = run("restore", photo, "-o", again, *asked, "--json").splitlines()[:1]
    plan = json.loads(line)["plan"]
    assert (plan["task"], plan["steps"], plan["samples"], plan["seed"]) == ("dehaze", 2, 2, 3)
    assert np.array_equal(pixels(out), pixels(again))
    assert np.abs(pixels(out) - pixels(photo)).max() > 5
    wishes = {"task": "dehaze", "model": card, "steps": 2, "samples": 2, "seed": 3}
    restora.restore(photo, **wishes).save(tmp_path / "api.png")
    assert np.array_equal(pixels(out), pixels(tmp_path / "api.png"))


def test_the_light_install_can_do_it(card, photo, tmp_path):
    code = (
        "import sys, restora\n"
        f"restora.restore({str(photo)!r}, task='auto', model={card!r}, steps=1)"
        f".save({str(tmp_path / 'out.png')!r})\n"
        "assert not {'torch', 'onnx', 'transformers', 'diffusers'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.png").exists()


def test_auto_tells_what_it_found(card, sr_diff_card, photo, tmp_path):
    told = run("restore", photo, "-o", tmp_path / "a.png", "--task", "auto", "--model", card,
               "--steps", 1, "--explain")  # fmt: skip
    assert "task dehaze: the judge is 90 % sure" in told
    assert "first fbcnn-color-compact restores the picture" in told
    calm = sr_diff_card("nothing", 0.95)
    Image.open(photo).save(tmp_path / "photo.png")
    told = run("restore", tmp_path / "photo.png", "-o", tmp_path / "b.png", "--task", "auto",
               "--model", calm)  # fmt: skip
    assert "nothing to restore was found; --task says what to undo all the same" in told
    assert np.array_equal(pixels(tmp_path / "b.png"), pixels(tmp_path / "photo.png"))


def test_what_needs_nothing_is_not_written_over_itself(sr_diff_card, photo, tmp_path):
    path = tmp_path / "photo.webp"
    Image.open(photo).save(path, quality=50)
    before = path.read_bytes()
    calm = sr_diff_card("nothing", 0.95)
    run("restore", path, "--in-place", "--format", "same", "--task", "auto", "--model", calm)
    assert path.read_bytes() == before  # saved again, a lossy file would have lost something


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--task", "dehaze", "--model", "fbcnn"], "fbcnn repairs JPEG artifacts"),
        (["--model", "CARD"], "say --task dehaze, derain, deblur, lowlight or auto"),
        (["--task", "fog"], "--task is jpeg, dehaze, derain, deblur, lowlight, real or auto"),
        (["--task", "dehaze", "--model", "CARD", "--quality", "9"], "does not look at it"),
        (["--steps", "4"], "--steps is for models that sample"),
    ],
)
def test_one_clear_sentence_before_any_work(card, photo, tmp_path, arguments, message):
    arguments = [card if argument == "CARD" else argument for argument in arguments]
    assert message in run("restore", photo, "-o", tmp_path / "out.png", *arguments)
    assert not (tmp_path / "out.png").exists()


def test_compare_has_nothing_to_try(card, photo):
    told = run("compare", photo, "--model", card)
    assert told == f"compare tries quality settings, which {card} does not look at."
