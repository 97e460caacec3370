"""`restora restore --task real`, and `restora compare` with captions, as a user types them."""

import json
import sys

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import restora
from restora.cli.main import app
from restora.engine import words
from restora.errors import MissingExtra, UsageError

TINY = {
    "prior": {
        "codec": {
            "unshuffle": 4, "widths": [8], "layers": 1, "latents": 6, "scale": 1.0,
            "attention": False, "linear": True,
        },
        "unet": {
            "widths": [8, 12], "reads": [False, True], "layers": 1, "heads": [2, 2],
            "self_attention": False,
        },
        "token_dim": 384, "norm": "local", "norm_groups": 2,
    },
    "encoder": "lite0", "tokens": 50, "token_dim": 1280,
    "text_encoder": "minilm", "text_tokens": 16, "null_text": "zeros",
    "predicts": "clean", "residual": True, "start": "processed", "walk": 2,
    "sampler": "dpm-solver++", "text_guidance": 1.0, "colour_fix": "none", "keeps_detail": True,
    "processor": {
        "widths": [4, 6, 8],
        "front": {"widths": [6, 8], "blocks": 1, "unshuffle": 2, "gain": True},
    },
    "refiner": {"layers": 1, "hidden": 16, "dim": 8},
    "attention": {"form": "light", "window": 2},
}  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The file of a tiny SSP-IR whose every part counts."""
    import torch

    from restora.networks.ssp_ir.config import SSPIRConfig
    from restora.networks.ssp_ir.network import SSPIR
    from restora.networks.weight_files import write_safetensors

    torch.manual_seed(0)
    network = SSPIR(SSPIRConfig.model_validate(TINY)).eval()
    with torch.no_grad():
        for value in network.parameters():
            value.add_(0.05 * torch.randn(value.shape))
    path = tmp_path_factory.mktemp("weight") / "tiny.safetensors"
    write_safetensors(path, network.config, network.state_dict())
    return str(path)


@pytest.fixture
def photo(tmp_path):
    y, x = np.mgrid[:37, :53]
    gray = (128 + 90 * np.sin(x / 5) * np.cos(y / 7)).astype(np.uint8)
    path = tmp_path / "photo.png"
    Image.fromarray(np.stack([gray, gray // 2, 255 - gray], axis=-1)).save(path)
    return path


def run(*arguments):
    result = CliRunner().invoke(app, [*map(str, arguments)])
    if isinstance(result.exception, (UsageError, MissingExtra)):
        return str(result.exception)
    assert result.exception is None, result.output
    return result.output


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image).astype(int)


def test_a_picture_with_all_options(model, photo, tmp_path):
    wished = {
        "prompt": "a calm sea", "negative_prompt": "rain", "steps": 3, "sampler": "ddpm",
        "text_guidance": 2.5, "image_guidance": 1.5, "color_fix": "wavelet", "upscale": 2,
        "seed": 3, "samples": 2,
    }  # fmt: skip
    asked = ["--task", "real", "--model", model]
    for name, value in wished.items():
        asked += [f"--{name.replace('_', '-')}", value]
    out, again = tmp_path / "out.png", tmp_path / "again.png"
    told = run("restore", photo, "-o", out, *asked, "--explain")
    for said in (
        "task real: asked for", 'caption asked for: "a calm sea"', 'led away from: "rain"',
        "3 steps of the 1000 it was trained on, by ddpm, and the mean of 2 samples",
        "text guidance 2.5, image guidance 1.5: 3 looks a step", "colour fix wavelet: asked for",
        "enlarged 2 times before, bicubic, to 106×74 pixels", "seed 3:",
    ):  # fmt: skip
        assert said in told, said
    (line,) = run("restore", photo, "-o", again, *asked, "--json").splitlines()[:1]
    report = json.loads(line)
    assert (report["width_px"], report["height_px"]) == (106, 74)
    assert {name: report["plan"][name] for name in wished} == wished
    assert report["plan"]["captioner"] == "asked"
    assert pixels(out).shape == (74, 106, 3)
    assert np.array_equal(pixels(out), pixels(again))
    restora.restore(photo, task="real", model=model, **wished).save(tmp_path / "api.png")
    assert np.array_equal(pixels(out), pixels(tmp_path / "api.png"))


def test_the_caption_is_always_told(model, photo, tmp_path):
    def told(*asked):
        out = tmp_path / "out.png"
        return run("restore", photo, "-o", out, "--overwrite", "--task", "real", "--model", model,
                   *asked)  # fmt: skip

    assert f'{photo}: caption "a pink and purple photo' in told()
    assert "(by tags)\n" in told()
    assert f'{photo}: caption "a dog"\n' in told("--prompt", "a dog")
    assert f"{photo}: no caption\n" in told("--prompt", "")
    assert f'{photo}: caption "a cat" (by static)' in told("--caption-model", "static:a cat")
    explained = told("--explain")
    assert explained.count("a pink and purple photo") == 1
    assert "  - caption by tags:" in explained
    assert ": caption" not in run("restore", photo, "-o", tmp_path / "plain.png")


def test_without_the_extra_it_says_so(model, photo, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    words._load_reader.cache_clear()
    asked = ["restore", photo, "--task", "real", "--model", model]
    assert "no caption; --explain tells why" in run(*asked, "-o", tmp_path / "a.png")
    told = run(*asked, "-o", tmp_path / "b.png", "--explain")
    assert "no caption: This needs tokenizers, which the light install leaves out" in told
    told = run(*asked, "-o", tmp_path / "c.png", "--prompt", "a dog")
    assert told.endswith("pip install 'restora[captions]'")
    assert not (tmp_path / "c.png").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--upscale", "2"], "--upscale is for --task real; --task jpeg does not take it."),
        (["--prompt", "a dog"], "--prompt is for --task real; --task jpeg does not take it."),
        (["--model", "MODEL"], "does not repair JPEG artifacts; say --task real."),
        (["--task", "real", "--model", "MODEL", "--upscale", "9"], "--upscale is 1, 2, 3 or 4"),
        (["--task", "real", "--model", "MODEL", "--sampler", "x"], "--sampler is ddpm or dpm-solv"),
        (["--task", "real", "--model", "MODEL", "--caption-model", "x"], "There is no captioner"),
        (["--task", "real", "--model", "MODEL", "--steps", "2000"], "--steps is from 1 to 1000"),
    ],
)
def test_one_clear_sentence_before_any_work(model, photo, tmp_path, arguments, message):
    arguments = [model if argument == "MODEL" else argument for argument in arguments]
    assert message in run("restore", photo, "-o", tmp_path / "out.png", *arguments)
    assert not (tmp_path / "out.png").exists()


def test_compare_tries_captions(model, photo, tmp_path):
    sheet = tmp_path / "s.png"
    asked = ["--task", "real", "--model", model, "--text-guidance", "3", "--zoom-size", "16"]
    told = run("compare", photo, "-o", sheet, *asked, "--prompt", "a dog", "--prompt", "rain")
    assert "s.png: 4 pictures" in told
    row = pixels(sheet)[8:45]
    step = (row.shape[1] - 8) // 3
    cells = [row[:, 8 + k * step :][:, :53] for k in range(3)]
    assert np.array_equal(cells[0], pixels(photo))
    assert not np.array_equal(cells[1], cells[2])
    assert "s.png: 3 pictures" in run("compare", photo, "-o", sheet, *asked, "--overwrite")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--task", "real", "--quality", "10"], "--task real compares captions: --prompt"),
        (["--prompt", "a dog"], "--prompt is for --task real"),
        (["--task", "derain"], "compare is for --task jpeg or real, not 'derain'"),
        (["--model", "MODEL"], "compare tries quality settings, which "),
        (["--steps", "3"], "--steps is for models that sample"),
    ],
)
def test_compare_refuses(model, photo, arguments, message):
    arguments = [model if argument == "MODEL" else argument for argument in arguments]
    assert message in run("compare", photo, *arguments)
