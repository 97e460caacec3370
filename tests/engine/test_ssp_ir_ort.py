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

pytestmark = pytest.mark.timeout(300)  # PyTorch's exporter works long


@pytest.fixture(scope="module")
def card(small_ssp_ir, made_once):
    from restora.semantics.lookup import load_image_encoder, load_text_encoder
    from restora.training.checkpoint import Checkpoint
    from restora.training.export import export_weight
    from restora.training.recipe import parse_recipe

    def make(folder):
        raw = {
            "name": "tiny", "method": "ssp-ir", "network": small_ssp_ir.config.model_dump(),
            "sspir": {"stage": "restore"},
        }  # fmt: skip
        state = small_ssp_ir.state_dict()
        encoders = {
            "image encoder": load_image_encoder("lite0").fingerprint(),
            "text encoder": load_text_encoder("minilm", max_tokens=16).fingerprint(),
        }
        recipe = parse_recipe(raw, name="tiny")
        run = Checkpoint(recipe, 1, 1.0, (), state, state, {}, encoders=encoders)
        export_weight(run, folder, title="t", data="d", device="c", overlap_px=64)

    return str(made_once("ssp-ir-card", make) / "tiny.json")


def test_the_backends_agree(card, small_ssp_ir, pixels):
    light = open_backend(card, device="cpu", threads=1, precision="float")
    assert isinstance(light, SspIrOrtBackend)
    full = SspIrTorchBackend(small_ssp_ir.config, small_ssp_ir.state_dict())
    tiles = np.stack([pixels(48, 64, seed=0), pixels(48, 64, seed=1)])
    grid = lay_grid(48, 64, tile_px=128, overlap_px=16)
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


def test_the_card_is_as_good_as_the_file(card, ssp_ir_file, pixels):
    restorer, picture = Restorer(threads=1), Picture(pixels=pixels(37, 53), space="rgb")
    made = [
        restorer.run(picture, restorer.plan(picture, None, Wishes(model=model, task="real")))
        for model in (card, ssp_ir_file())
    ]
    assert np.abs(made[0].pixels - made[1].pixels).max() < 2e-3
    facts = weight_facts(card)
    assert (facts.tasks, facts.steps, facts.most_steps) == (("real",), 4, 1000)
    assert (facts.torch, facts.overlap_px, facts.multiple_px) == (False, 64, 16)


def test_the_light_install_can_do_it(card, photo, tmp_path):
    Image.fromarray(photo(37, 53)).save(tmp_path / "a.png")
    code = (
        "import sys, restora\n"
        f"r = restora.restore({str(tmp_path / 'a.png')!r}, task='real', model={card!r}, steps=1)\n"
        "assert r.plan.captioner == 'tags' and r.plan.prompt\n"
        "assert not {'torch', 'onnx', 'transformers', 'diffusers'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_card_is_checked(card, tmp_path):
    told = json.loads(Path(card).read_text())
    path = tmp_path / "tiny.json"
    for part in told["files"]:
        (tmp_path / f"tiny.{part}.onnx").symlink_to(Path(card).with_name(f"tiny.{part}.onnx"))
    for changes, message in (
        ({"encoders": {"image encoder": "lite0-other"}}, "taught with the image encoder lite0-ot"),
        ({"training": told["training"] | {"recipe": {}}}, "The card of tiny describes no SSP-IR"),
    ):
        path.write_text(json.dumps(told | changes))
        with pytest.raises(WeightsError, match=message):
            open_backend(str(path), device="cpu", threads=1, precision="float")
    other = told | {"encoders": {"text encoder": "minilm-other"}}
    path.write_text(json.dumps(other))
    with pytest.raises(WeightsError, match="taught with the text encoder minilm-other"):
        Restorer(threads=1).load(Wishes(model=str(path), task="real"))
