"""The example programs do what they say, without the programs they are for."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import restora
from restora.errors import InputError, UsageError

EXAMPLES = Path(__file__).parents[1] / "examples"


def load(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def photo(tmp_path):
    """A JPEG of odd sides with EXIF and a profile; its path."""
    y, x = np.mgrid[:75, :101]
    plane = (128 + 70 * np.sin(x / 6) + 40 * np.cos(y / 5)).clip(0, 255)
    picture = np.stack([plane, 255 - plane, plane / 2], axis=-1).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0132] = "2012:05:06 07:08:09"
    path = tmp_path / "größe.jpg"
    Image.fromarray(picture).save(path, quality=10, exif=exif, dpi=(300, 300))
    return path


def as_image(path):
    with Image.open(path) as image:
        return torch.from_numpy(np.asarray(image.convert("RGB"), np.float32)[None] / 255)


class TestComfyUI:
    def test_a_batch_comes_back_restored(self, photo):
        node = load("comfyui_restora").RestoraJPEG()
        image = torch.cat([as_image(photo), as_image(photo).flip(2)])
        (restored,) = node.restore(image, quality=10, strength=100, model="fbcnn")
        assert restored.shape == image.shape and restored.dtype == torch.float32
        assert restored.min() >= 0 and restored.max() <= 1
        assert 0.003 < (restored - image).abs().mean() < 0.1
        expected = restora.restore(photo, quality=10, constraint="off").picture.pixels
        assert np.abs(restored[0].numpy() - expected).max() < 1e-6

    def test_strength_and_quality_reach_the_network(self, photo):
        node, image = load("comfyui_restora").RestoraJPEG(), as_image(photo)
        (none,) = node.restore(image, quality=10, strength=0, model="fbcnn")
        assert (none - image).abs().max() < 1e-6
        told = [node.restore(image, quality=q, strength=100, model="fbcnn")[0] for q in (0, 10, 90)]
        change = [float((picture - image).abs().mean()) for picture in told]
        assert change[2] < 0.7 * change[1]
        assert change[0] > change[2]  # estimated: nearer to the truth

    def test_it_fails_loudly(self, photo):
        node, image = load("comfyui_restora").RestoraJPEG(), as_image(photo)
        with pytest.raises(ValueError, match=r"RGB pictures \(B, H, W, 3\)"):
            node.restore(image[..., :1], quality=0, strength=100, model="fbcnn")
        with pytest.raises(UsageError, match="no model named"):
            node.restore(image, quality=0, strength=100, model="fbcn")

    def test_the_node_is_what_comfyui_asks_for(self):
        module = load("comfyui_restora")
        for name, node in module.NODE_CLASS_MAPPINGS.items():
            assert name in module.NODE_DISPLAY_NAME_MAPPINGS
            asked = node.INPUT_TYPES()["required"]
            assert callable(getattr(node, node.FUNCTION)) and node.CATEGORY
            assert node.RETURN_TYPES == ("IMAGE",) and asked["image"] == ("IMAGE",)
            for kind, settings in (asked["quality"], asked["strength"]):
                assert kind == "INT" and settings["min"] <= settings["default"] <= settings["max"]


class TestGradio:
    def test_a_file_comes_back_with_its_metadata(self, photo):
        path, told = load("gradio_app").restore_file(str(photo))
        assert Path(path).name == "größe.png"
        assert "quality 10: read from the file's quantisation tables" in told
        with Image.open(path) as image:
            assert image.size == (101, 75)
            assert image.getexif()[0x0132] == "2012:05:06 07:08:09"
            assert round(image.info["dpi"][0]) == 300
            pixels = np.asarray(image)
        _, told = load("gradio_app").restore_file(str(photo), quality=30, strength=50)
        assert "quality 30: asked for" in told and "strength 50 %" in told
        assert (pixels != np.asarray(Image.open(photo))).any()

    def test_it_says_what_is_wrong_and_needs_no_gradio(self, tmp_path):
        (tmp_path / "note.jpg").write_text("no picture")
        module = load("gradio_app")
        with pytest.raises(InputError, match="not a picture Restora knows"):
            module.restore_file(str(tmp_path / "note.jpg"))
        assert "gradio" not in sys.modules
