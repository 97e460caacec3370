"""`restora bench restoration`, `context` and `walk` as they are asked for."""

import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from restora.cli.main import app

TINY = {
    "tasks": ["dehaze", "derain", "deblur", "lowlight"], "encoder": "lite0", "token_dim": 1280,
    "tokens": 50, "context": "refined", "predicts": "clean", "sde": {"steps": 100},
    "unet": {
        "width": 8, "multipliers": [1, 2], "blocks": 1, "unshuffle": 2, "stem_px": 3,
        "head_dim": 8, "linear_attention": False, "self_attention": False, "norm": "layer",
    },
    "refiner": {"form": "residual", "projected": 8, "hidden": 16, "layers": 1, "heads": 2},
}  # fmt: skip


@pytest.fixture(scope="module")
def make_weight(tmp_path_factory):
    """A function to the file of a tiny SR-Diff whose context moves its output."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("safetensors")
    from restora.networks.sr_diff.config import SRDiffConfig
    from restora.networks.sr_diff.network import SRDiff
    from restora.networks.weight_files import write_safetensors

    def make(**changes):
        torch.manual_seed(0)
        config = SRDiffConfig.model_validate(TINY | changes)
        network = SRDiff(config).eval()
        with torch.no_grad():
            for parameter in network.parameters():
                if not parameter.any():  # what starts as nothing
                    parameter.normal_(0, 0.05)
            network.refiner.basis.normal_(0, 0.5)
        path = tmp_path_factory.mktemp("weight") / "tiny.safetensors"
        write_safetensors(path, config, network.state_dict())
        return path

    return make


@pytest.fixture(scope="module")
def weight(make_weight):
    return make_weight()


@pytest.fixture
def data(tmp_path):
    y, x = np.mgrid[:48, :64]
    for number, name in enumerate(("a", "b")):
        plane = (128 + 70 * np.sin(x / 6 + number) + 40 * np.cos(y / 5)).clip(0, 255)
        clean = np.stack([plane, 255 - plane, plane / 2], axis=-1).astype(np.uint8)
        for folder in ("pairs_made/gt", "pairs_made/lowlight", "clean"):
            (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        Image.fromarray(clean).save(tmp_path / "pairs_made" / "gt" / f"{name}.png")
        Image.fromarray(clean // 3).save(tmp_path / "pairs_made" / "lowlight" / f"{name}.png")
        Image.fromarray(clean).save(tmp_path / "clean" / f"{name}.png")
    return tmp_path


def bench(*arguments):
    return CliRunner().invoke(app, ["bench", *map(str, arguments)])


def told(done):
    """What an error says, in one line; raised, where the program's own handler does not run."""
    return " ".join(f"{done.stderr} {done.exception}".split())


def test_before_and_after_in_one_table(data, weight):
    done = bench(
        "restoration", "--data", data, "--task", "lowlight", "--model", weight, "--threads", "1",
        "--compare-steps", "1,2", "--seeds", "2", "--pictures", data / "out",
        "--json", data / "r.json", "--markdown",
    )  # fmt: skip
    assert done.exit_code == 0, told(done)
    assert done.stdout.startswith("**restoration on made, tiny.safetensors: degraded → restored**")
    for start in ("| lowlight | 1 | 2 |", "| lowlight | 2 | 2 |", "| a | lowlight |"):
        assert done.stdout.count(start) == 1
    report = json.loads((data / "r.json").read_text())
    assert (report["protocol"], report["set"], len(report["rows"])) == ("restoration", "made", 8)
    assert {(row["steps"], row["seed"]) for row in report["rows"]} == {
        (1, 0), (1, 1), (2, 0), (2, 1),
    }  # fmt: skip
    assert {row["done_as"] for row in report["rows"]} == {"lowlight"}
    assert len({row["after"]["psnr"] for row in report["rows"]}) == 8  # seeds and steps tell
    assert len(list((data / "out" / "lowlight").iterdir())) == 2 * (2 + 4)
    assert bench("show", data / "r.json", "--markdown").stdout == done.stdout


def test_the_made_pairs_are_held_against_their_list(data, weight):
    from restora.cli.bench.restoration import notes_on
    from restora.evaluation.restoration_sets import find_pairs

    pairs = find_pairs("made", data, tasks=("lowlight",))
    assert len(notes_on("made", data, pairs, clean="")) == 1
    from restora.evaluation.metrics import psnr

    rows = [
        {"file": f"{pair.name}.png", "kind": "lowlight", "input_psnr": round(figure, 2)}
        for pair in pairs
        for figure in [psnr(*pair.load()[:2])]
    ]
    path = data / "pairs_made" / "params.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    assert notes_on("made", data, pairs, clean="")[1].startswith("PSNR of all 2 degraded pictures")
    rows[1]["input_psnr"] += 0.01
    path.write_text("\n".join(map(json.dumps, rows)))
    assert notes_on("made", data, pairs, clean="")[1].endswith("NOT as noted for: b.")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--task", "denoise"), "There is no task 'denoise'"),
        (("--set", "nowhere"), "there is no folder nowhere"),
        (("--steps", "4", "--compare-steps", "4,10"), "--steps for one number of steps"),
        (("--names", "a,b"), "--names is for a folder of yours"),
        (("--model", "nothing"), "no model named 'nothing'"),
    ],
)
def test_what_makes_no_sense_is_told(data, options, message):
    if "--model" in options:
        options = (*options, "--task", "lowlight")
    done = bench("restoration", "--data", data, *options)
    assert done.exit_code != 0
    assert message in told(done)


def test_contexts_of_a_weight(data, weight):
    done = bench(
        "context", weight, "--data", data, "--clean", "clean", "--task", "lowlight,derain",
        "--steps", "2", "--side", "32", "--json", data / "c.json", "--markdown",
    )  # fmt: skip
    assert done.exit_code == 0, told(done)
    report = json.loads((data / "c.json").read_text())
    assert (report["protocol"], report["set"], report["steps"]) == ("context", "clean", 2)
    assert len(report["rows"]) == 4
    for row in report["rows"]:
        assert len(set(row["psnr"].values())) == 5  # each context gives another picture
    assert "- Trained with the context refined." in done.stdout
    assert "| all |" in done.stdout
    assert bench("show", data / "c.json", "--markdown").stdout == done.stdout


def test_what_a_weight_cannot_is_told_before_it_walks(data, make_weight):
    few = make_weight(tasks=["dehaze"], sde={"steps": 20})
    asked = ("context", few, "--data", data, "--clean", "clean", "--steps")
    assert "--steps is from 1 to 20 for" in told(bench(*asked, 21, "--task", "dehaze"))
    assert "knows dehaze, and no picture is for that" in told(bench(*asked, 2, "--task", "deblur"))


def test_contexts_are_for_sr_diff(data):
    pytest.importorskip("torch")
    done = bench("context", "fbcnn", "--data", data, "--clean", "clean")
    assert done.exit_code != 0
    assert "fbcnn is no SR-Diff" in told(done)


def test_steps_are_for_sr_diff():
    done = bench("walk", "--model", "fbcnn")
    assert done.exit_code != 0
    assert "walks no steps" in told(done)
