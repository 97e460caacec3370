"""An SSP-IR in ONNX Runtime is the one in PyTorch."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from restora.engine.backend_ort_ssp_ir import SspIrOrtBackend
from restora.engine.backend_ssp_ir import Asked
from restora.engine.backend_torch_ssp_ir import SspIrTorchBackend
from restora.engine.models import open_backend, weight_facts
from restora.engine.noise import NoiseField
from restora.engine.plan import Wishes
from restora.engine.restorer import Restorer
from restora.engine.tiles import lay_grid
from restora.errors import WeightsError
from restora.images import Picture
from restora.networks.weight_files import read_weights, write_safetensors
from restora.weights.registry import FOLDER

NAME = "ssp-ir-compact"
CARD = str(FOLDER / f"{NAME}.json")


@pytest.fixture(scope="module")
def loaded():
    return read_weights(Path(CARD))


def test_the_backends_agree(loaded, pixels):
    light = open_backend(NAME, device="cpu", threads=1, precision="float")
    assert isinstance(light, SspIrOrtBackend)
    full = SspIrTorchBackend(loaded.config, loaded.weights)
    tiles = np.stack([pixels(64, 64, seed=0), pixels(64, 64, seed=1)])
    grid = lay_grid(64, 64, tile_px=128, overlap_px=16, grid_px=64)
    draw = NoiseField(3, grid).of([(0, 0), (0, 0)])
    for whole in (None, np.concatenate(list(tiles))):
        for asked in (
            Asked(3, "dpm-solver++"),
            Asked(2, "ddpm", 2.0, 3.0, samples=2, prompt="a sea", negative_prompt="rain"),
        ):
            a, b = (
                each.encode(tiles, None if whole is None else each.survey(whole), draw=draw)
                for each in (e.asked(asked) for e in (light, full))
            )
            expected = light.decode(a, 50.0)
            assert np.abs(expected - tiles).max() > 2e-2
            assert np.abs(expected - full.decode(b, 50.0)).max() < 1e-3


def test_the_card_is_as_good_as_the_file(loaded, pixels, tmp_path):
    file = tmp_path / "a.safetensors"
    write_safetensors(file, loaded.config, loaded.weights)
    restorer, picture = Restorer(threads=1), Picture(pixels=pixels(37, 53), space="rgb")
    made = [
        restorer.run(picture, restorer.plan(picture, None, Wishes(model=model, task="real")))
        for model in (CARD, str(file))
    ]
    assert np.abs(made[0].pixels - made[1].pixels).max() < 2e-3
    facts = weight_facts(NAME)
    assert (facts.tasks, facts.steps, facts.most_steps) == (("real",), 1, 1000)
    assert (facts.torch, facts.overlap_px, facts.multiple_px) == (False, 128, 64)


def test_the_light_install_can_do_it(photo, tmp_path):
    Image.fromarray(photo(37, 53)).save(tmp_path / "a.png")
    code = (
        "import sys, restora\n"
        f"r = restora.restore({str(tmp_path / 'a.png')!r}, task='real', steps=2)\n"
        "assert r.plan.captioner == 'tags' and r.plan.prompt\n"
        "assert not {'torch', 'onnx', 'transformers', 'diffusers'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_card_is_checked(tmp_path):
    told = json.loads(Path(CARD).read_text())
    path = tmp_path / f"{NAME}.json"
    for part in told["files"]:
        (tmp_path / f"{NAME}.{part}.onnx").symlink_to(FOLDER / f"{NAME}.{part}.onnx")
    for changes, message in (
        ({"encoders": {"image encoder": "lite0-other"}}, "taught with the image encoder lite0-ot"),
        ({"training": told["training"] | {"recipe": {}}}, f"The card of {NAME} describes no"),
    ):
        path.write_text(json.dumps(told | changes))
        with pytest.raises(WeightsError, match=message):
            open_backend(str(path), device="cpu", threads=1, precision="float")
    other = told | {"encoders": {"text encoder": "minilm-other"}}
    path.write_text(json.dumps(other))
    with pytest.raises(WeightsError, match="taught with the text encoder minilm-other"):
        Restorer(threads=1).load(Wishes(model=str(path), task="real"))
