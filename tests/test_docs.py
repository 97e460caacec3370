"""Code in the documentation runs as it is printed."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from restora.weights.registry import FOLDER

DOCS = Path(__file__).parents[1] / "docs"


def code_of(page, heading):
    """The indented blocks of a section, as one text each."""
    section = (DOCS / page).read_text().partition(f"## {heading}\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"(?:^    .*\n|^\n(?=    ))+", section, re.MULTILINE)
    return [re.sub("^    ", "", block, flags=re.MULTILINE) for block in blocks]


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


def test_our_weights_in_onnx_runtime(photo, sodiff_card):
    for path in FOLDER.glob("*-color-compact.*.onnx"):
        shutil.copy(path, ".")
    for path in Path(sodiff_card).parent.glob("*.onnx"):
        shutil.copy(path, path.name.replace("tiny", "mine"))
    names, made = {}, []
    for code in code_of("weights.md", "Our weights in ONNX Runtime"):
        exec(compile(code, "weights.md", "exec"), names)
        made.append(names["restored"].reshape(-1, 3).shape)
        if "network" in names:  # DAGN, SODiff
            assert names["restored"].shape == photo.shape
            assert 0.005 < np.abs(names["restored"] - photo).mean() < 0.2
    assert len(made) == 3
    with Image.open("photo.png") as image:
        assert np.abs(np.asarray(image) / 255 - photo).mean() < 0.05
