"""`restora compare` and `restora export`, as a user types them."""

import math

import numpy as np
import pytest
import torch
from PIL import Image, ImageFont
from typer.testing import CliRunner

from restora.cli.main import app
from restora.errors import OutputError
from restora.images.contact_sheet import FONT_PX
from restora.networks.fbcnn import FBCNN, FBCNNConfig
from restora.networks.released import to_released
from restora.networks.weight_files import read_weights


@pytest.fixture
def run(typed):
    return typed


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.fixture
def photo(tmp_path):
    """A JPEG lying on its side."""
    y, x = np.mgrid[:96, :160]
    gray = (128 + 90 * np.sin(x / 5) * np.cos(y / 7)).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.stack([gray, gray // 2, 255 - gray], axis=-1)).save(
        tmp_path / "a.jpg", quality=30, exif=exif
    )
    return tmp_path / "a.jpg"


def test_a_sheet_and_a_zoom(run, photo, tmp_path):
    done = run("compare", photo, "--quality", "10,60", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "first result" in done.stderr
    sheet = pixels(tmp_path / "a-compare.png")
    # input, by itself and two settings: three cells of 96x160 upright pixels in the first row,
    # as far apart as the widest label is wide
    widest = ImageFont.load_default(FONT_PX).getlength("by itself: quality 30, header")
    step = math.ceil(widest) + 8
    assert sheet.shape == (2 * (160 + 26 + 8) + 8, 3 * step + 8, 3)
    zoom = pixels(tmp_path / "a-compare-zoom.png")
    assert zoom.shape == (2 * (4 * 96 + 26 + 8) + 8, 3 * (4 * 96 + 8) + 8, 3)
    cells = [sheet[8:168, 8 + step * k :][:, :96] for k in range(3)]
    assert not np.array_equal(cells[0], cells[1])  # the input and what was made of it
    again = run("compare", photo, cwd=tmp_path)
    assert again.returncode == 1
    assert "a-compare.png is there already; --overwrite replaces it" in again.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--quality", "10,x"), "--quality is numbers with commas between, not '10,x'"),
        (("--quality", "0"), "--quality is numbers from 1 to 100, not 0"),
        (("--quality", "10,101"), "--quality is numbers from 1 to 100, not 101"),
        (("--zoom", "5"), "--zoom is two numbers from 0, X,Y, not '5'"),
        (("--zoom", "500,0"), "--zoom 500,0 is outside the picture of 96×160 pixels"),
        (("--zoom-size", "3"), "--zoom-size is from 16 to 512 pixels, not 3"),
        (("-o", "a.jpg"), "a.jpg: the sheet is a PNG; its name ends in .png"),
    ],
)
def test_compare_refuses(run, photo, tmp_path, options, message):
    done = run("compare", photo, *options, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert not list(tmp_path.glob("*.png"))


def test_the_folder_of_the_sheet_is_made(run, photo, tmp_path):
    done = run("compare", photo, "--quality", "30", "-o", "new/deep/s.png", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert {p.name for p in (tmp_path / "new" / "deep").iterdir()} == {"s.png", "s-zoom.png"}


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("file/s.png", "file: is a file, not a folder"),
        ("folder.png", "folder.png cannot be written: it is a folder"),
    ],
)
def test_a_bad_place_is_told_before_any_work(tmp_path, monkeypatch, out, message):
    """The picture is not even looked for."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder.png").mkdir()
    done = CliRunner().invoke(app, ["compare", "nowhere.jpg", "-o", out, "--overwrite"])
    assert isinstance(done.exception, OutputError)
    assert message in str(done.exception)


def test_settings_are_checked_before_any_work(run, tmp_path):
    done = run("compare", "nowhere.jpg", "--quality", "10,101", cwd=tmp_path)
    assert done.returncode == 2
    assert "not 101" in done.stderr


@pytest.mark.parametrize(("mode", "kept"), [("L", False), ("RGB", True)])
def test_the_profile_of_a_gray_picture_is_not_put_on_the_sheet(tmp_path, monkeypatch, mode, kept):
    monkeypatch.chdir(tmp_path)
    icc = bytes(16) + {"L": b"GRAY", "RGB": b"RGB "}[mode] + bytes(200)
    Image.effect_noise((32, 40), 40).convert(mode).save("a.jpg", quality=30, icc_profile=icc)
    assert CliRunner().invoke(app, ["compare", "a.jpg", "--quality", "30"]).exit_code == 0
    for name in ("a-compare.png", "a-compare-zoom.png"):
        with Image.open(name) as image:
            assert image.info.get("icc_profile") == (icc if kept else None)


def test_one_pixel_is_no_pixels(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.new("L", (1, 20), 90).save("a.jpg", quality=30)
    done = CliRunner().invoke(app, ["compare", "a.jpg", "--quality", "30", "--zoom", "0,0"])
    assert "a-compare-zoom.png: 1 pixel from (0, 0), 4 times" in done.output


@pytest.fixture
def released(tmp_path):
    """A small network as the authors would have saved it."""
    torch.manual_seed(0)
    network = FBCNN(FBCNNConfig(channels=1, widths=(4, 8, 8, 12), blocks=(1,) * 4, mlp=8,
                                predictor_blocks=1))  # fmt: skip
    for value in network.parameters():
        torch.nn.init.normal_(value, std=0.1)
    torch.save(to_released(network.state_dict(), network.config), tmp_path / "tiny.pth")
    return network


def test_whatever_comes_out_goes_in_again(released, tmp_path, monkeypatch):
    """From the authors' file to ONNX and safetensors and back, and each restores alike."""
    monkeypatch.chdir(tmp_path)
    for source, form, extra in [
        ("tiny.pth", "onnx", ()),
        ("tiny.pth", "safetensors", ()),
        ("tiny.json", "onnx-whole", ("--name", "whole")),
        ("tiny.safetensors", "safetensors", ("--released-names", "--name", "back")),
    ]:
        arguments = ["export", source, "-o", ".", "--format", form, *extra]
        assert CliRunner().invoke(app, arguments).exit_code == 0
    back = read_weights(tmp_path / "back.safetensors")
    assert back.kind == "released"
    for name, value in released.state_dict().items():
        assert torch.equal(back.weights[name], value)
    assert (tmp_path / "whole.onnx").stat().st_size > 1000
    noise = np.random.default_rng(0).integers(0, 256, (40, 56), np.uint8)
    Image.fromarray(noise).save(tmp_path / "x.png")
    results = []
    for model in ("tiny.pth", "tiny.json", "tiny.safetensors", "back.safetensors"):
        out = f"{model}.png"
        arguments = ["restore", "x.png", "-o", out, "--model", model]
        assert CliRunner().invoke(app, arguments).exit_code == 0
        results.append(pixels(tmp_path / out).astype(int))
    for result in results[1:]:
        assert np.abs(result - results[0]).max() <= 1


def test_a_gray_network_takes_a_colour_picture(run, released, photo, tmp_path):
    done = run("restore", photo, "-o", "out.png", "--model", "tiny.pth", "--explain", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "colour picture, gray network: luma is restored, colour is kept" in done.stderr
    assert pixels(tmp_path / "out.png").shape == (160, 96, 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("tiny.pth", "--format", "pkl"), "--format is onnx, onnx-whole, safetensors, not 'pkl'"),
        (("tiny.pth", "--released-names"), "--released-names goes with --format safetensors"),
        (("tiny.pth", "--overlap", "0"), "--overlap is a multiple of 16 pixels, at least 16"),
        (("tiny.pth", "--overlap", "40"), "at least 16, not 40"),
        (("tiny.pth", "--overlap", "-16"), "at least 16, not -16"),
        (("run.pt",), "A run's card needs --title, --data and --trained-on"),
    ],
)
def test_export_refuses(run, released, tmp_path, options, message):
    done = run("export", *options, "-o", "out", cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_wrong_file_is_told(run, photo, tmp_path):
    (tmp_path / "wrong.pth").write_bytes(photo.read_bytes())
    done = run("restore", photo, "-o", "x.png", "--model", "wrong.pth", cwd=tmp_path)
    assert done.returncode == 1
    assert "wrong.pth: this is not a file of PyTorch weights" in done.stderr
