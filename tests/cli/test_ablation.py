"""`restora bench ablation` as it is asked for: five tiny trainings."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")
yaml = pytest.importorskip("yaml")

DAGN = {
    "name": "tiny-dagn",
    "method": "dagn",
    "network": {
        "channels": 1, "widths": [4, 8], "blocks": [1, 1], "sensitive_blocks": 1,
        "insensitive_blocks": 1, "encoder_block": "basic", "encoder_width": 4,
        "encoder_blocks": [1, 1, 1, 1], "mlp": 8, "key": 4, "norm": False,
        "unshuffle": 2, "residual": True, "gate_scale": 2.0,
    },
    "data": {"patch_px": 16, "batch": 4, "clean_share": 0},
    "train": {"steps": 8, "warmup_steps": 4, "decay_steps": 4},
}  # fmt: skip
FBCNN = {
    "name": "tiny",
    "network": {"widths": [4, 8], "blocks": [1, 1], "predictor_blocks": 1, "mlp": 8},
}


@pytest.fixture
def folder(tmp_path):
    for name in ("photos", "clean"):
        (tmp_path / name).mkdir()
        for number in range(2):
            coarse = np.random.default_rng(number).integers(0, 256, (5, 5, 3), np.uint8)
            picture = Image.fromarray(coarse).resize((48, 40), Image.Resampling.BICUBIC)
            picture.save(tmp_path / name / f"{number}.png")
    (tmp_path / "dagn.yaml").write_text(yaml.safe_dump(DAGN))
    (tmp_path / "fbcnn.yaml").write_text(yaml.safe_dump(FBCNN))
    return tmp_path


@pytest.fixture
def ablation(folder, typed):
    """Runs it on a recipe of the folder."""

    def run(*arguments, recipe="dagn.yaml", steps=2):
        return typed(
            "bench", "ablation", folder / recipe, "--photos", folder / "photos", "--validation",
            folder / "clean", "--steps", steps, "--out", folder / "out", "--threads", 1, *arguments,
        )  # fmt: skip

    return run


def test_one_command_makes_the_table_and_resumes(folder, ablation, typed):
    done = ablation()
    assert done.returncode == 0, done.stderr
    lines = done.stdout.strip().splitlines()
    assert lines[0] == "Gain over JPEG in dB of PSNR, tiny-dagn after 2 steps:"
    assert lines[2] == "| variant | parameters | QF 10 | QF 40 | QF 10, 50 |"
    assert [line.split(" ")[1] for line in lines[4:]] == ["none", "fusion", "CSG", "CIG", "all"]
    report = json.loads((folder / "out" / "ablation.json").read_text())
    rows = {row["variant"]: row for row in report["report"]["rows"]}
    parameters = {variant: row["parameters"] for variant, row in rows.items()}
    assert parameters["none"] < min(parameters[v] for v in ("fusion", "CSG", "CIG"))
    # Fusion and CIG share the insensitive encoder: together they cost less than apart.
    apart = sum(parameters[v] - parameters["none"] for v in ("fusion", "CSG", "CIG"))
    assert max(parameters["fusion"], parameters["CSG"]) < parameters["all"]
    assert parameters["all"] < parameters["none"] + apart
    logs = [folder / "out" / variant / "log.jsonl" for variant in rows]
    written = [log.read_text() for log in logs]
    assert [json.loads(text.splitlines()[-1])["step"] for text in written] == [2] * 5

    (folder / "out" / "ablation.json").unlink()
    again = ablation()
    assert again.returncode == 0, again.stderr
    assert again.stdout == done.stdout
    assert [log.read_text() for log in logs] == written  # nothing was trained anew
    show = typed("bench", "show", folder / "out/ablation.json")
    assert show.stdout == done.stdout

    refused = ablation(steps=3)
    assert refused.returncode == 2
    message = "holds a run with another recipe, number of steps or photos"
    assert message in " ".join(refused.stderr.split())


def test_the_schedule_keeps_its_shape():
    from restora.cli.bench.ablation import _variant
    from restora.training.recipe import parse_recipe

    recipe = parse_recipe(DAGN, name="tiny")
    found = _variant(recipe, ("sensitive",), 4)
    assert (found.train.steps, found.train.warmup_steps, found.train.decay_steps) == (4, 2, 2)
    network = found.network
    assert (network.fusion, network.sensitive, network.insensitive) == (False, True, False)
    everything = _variant(recipe, ("fusion", "sensitive", "insensitive"), 8)
    assert everything == recipe


@pytest.mark.parametrize(
    ("recipe", "arguments", "message"),
    [
        ("fbcnn.yaml", (), "the ablation switches parts of a DAGN; this is a recipe of fbcnn."),
        ("dagn.yaml", ("--override", "decoupling.stage=encoders"), "trains the encoders alone"),
        ("dagn.yaml", ("--override", "train.steps=no"), "train.steps"),
    ],
)
def test_recipes_that_have_no_ablation(folder, ablation, recipe, arguments, message):
    done = ablation(*arguments, recipe=recipe)
    assert done.returncode == 2
    assert message in " ".join(done.stderr.split())
    assert not (folder / "out").exists()
