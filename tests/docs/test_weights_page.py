"""The code of weights.md runs as it is printed, beside the files of weights that it names."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from restora.networks.fbcnn import FBCNN, FBCNNConfig
from restora.networks.released import from_released, to_released
from restora.weights.registry import FOLDER

PAGE = "docs/weights.md"
AUTHORS = FBCNNConfig(  # as their class, but narrow
    channels=3, widths=(16, 16, 24, 32), blocks=(2, 2, 2, 2), predictor_blocks=2, mlp=16
)


@pytest.fixture
def photo(tmp_path, monkeypatch):
    """The pixels of a JPEG of odd sides in the folder where the code runs."""
    monkeypatch.chdir(tmp_path)
    y, x = np.mgrid[:75, :101]
    plane = (128 + 70 * np.sin(x / 6) + 40 * np.cos(y / 5)).clip(0, 255)
    picture = np.stack([plane, 255 - plane, plane / 2], axis=-1).astype(np.uint8)
    Image.fromarray(picture).save("photo.jpg", quality=15)
    with Image.open("photo.jpg") as image:
        return np.asarray(image, np.float32) / 255


def test_our_weights_in_onnx_runtime(photo, sodiff_card, python_of):
    for path in FOLDER.glob("*-color-compact.*.onnx"):
        shutil.copy(path, ".")
    for path in Path(sodiff_card).parent.glob("*.onnx"):
        shutil.copy(path, path.name.replace("tiny", "mine"))
    names, made = {}, []
    for block in python_of(PAGE):
        if "fbcnn_color.pth" in block.text:
            continue
        exec(compile(block.text, f"{PAGE}, line {block.line}", "exec"), names)
        made.append(names["restored"].reshape(-1, 3).shape)
        if "network" in names:  # DAGN, SODiff
            assert names["restored"].shape == photo.shape
            assert 0.005 < np.abs(names["restored"] - photo).mean() < 0.2
    assert len(made) == 3
    with Image.open("photo.png") as image:
        assert np.abs(np.asarray(image) / 255 - photo).mean() < 0.05


def test_the_authors_weights_with_half_the_size(tmp_path, monkeypatch, python_of):
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    network = FBCNN(AUTHORS)
    torch.save(to_released(network.state_dict(), AUTHORS), "fbcnn_color.pth")
    (block,) = [block for block in python_of(PAGE) if "fbcnn_color.pth" in block.text]
    exec(compile(block.text, f"{PAGE}, line {block.line}", "exec"), {})
    small, whole = Path("small.safetensors").stat(), Path("fbcnn_color.pth").stat()
    assert small.st_size < 0.7 * whole.st_size
    _, weights = from_released(torch.load("released.pth", weights_only=True), source="released")
    assert all(torch.equal(weights[name], value) for name, value in network.state_dict().items())
