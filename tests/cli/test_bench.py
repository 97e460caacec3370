"""What `restora bench` measures, as it is asked for; the figures are tested in evaluation."""

from __future__ import annotations

import importlib.resources
import io
import json

import numpy as np
import pytest
from PIL import Image

from restora.cli.bench.variants import MODES, mode_notes, pixel_restorers, read_variants
from restora.engine.plan import Wishes
from restora.engine.restorer import Restorer
from restora.errors import UsageError


@pytest.fixture
def run(typed):
    """Runs a bench."""
    return lambda *arguments: typed("bench", *arguments)


@pytest.fixture(scope="module")
def waves():
    y, x = np.mgrid[:48, :64]
    return (128 + 70 * np.sin(x / 6) + 40 * np.cos(y / 5)).clip(0, 255).astype(np.uint8)


@pytest.fixture
def testsets(tmp_path, waves):
    for folder in ("live1_gray", "real_jpeg"):
        (tmp_path / folder).mkdir()
    Image.fromarray(waves).save(tmp_path / "live1_gray" / "a.png")
    Image.fromarray(waves).save(tmp_path / "real_jpeg" / "a.jpg", quality=20)
    return tmp_path


def test_variants_are_wishes_by_name():
    found = read_variants(["blind", "tool strength=50 quality=auto", "header tile_px=256"], "fbcnn")
    assert list(found) == [
        "Restora fbcnn, blind",
        "Restora fbcnn, tool strength=50 quality=auto",
        "Restora fbcnn, header tile_px=256",
    ]
    assert [variant.wishes for variant in found.values()] == [
        Wishes(model="fbcnn"),
        Wishes(model="fbcnn", strength=50),
        Wishes(model="fbcnn", tile_px=256),
    ]
    assert mode_notes(found)[2] == f"header: {MODES['header'].summary}."


def test_blind_alone_needs_no_word():
    assert list(read_variants(["blind"], "fbcnn")) == ["Restora fbcnn"]
    assert list(read_variants(["tool"], "fbcnn")) == ["Restora fbcnn, tool"]


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["bind"], "--variant begins with blind or header or tool, not 'bind'."),
        ([""], "--variant begins with blind or header or tool, not ''."),
        (['blind model="x'], "a quote or a backslash is left open."),
        (["blind strngth=3"], "'strngth=3' is no wish. Did you mean strength? Known are model=,"),
        (["blind strength"], "'strength' is no wish. Did you mean strength? Known are"),
        (["blind strength=much"], "--variant: strength cannot be 'much'."),
        (["blind strength=101"], "--strength is a number from 0 to 100, not 101."),
        (["blind", "blind"], "--variant 'blind' is asked for twice."),
        (["blind model=x"], "no model named 'x'"),
    ],
)
def test_variants_that_make_no_sense(texts, message):
    with pytest.raises(UsageError) as caught:
        read_variants(texts, "fbcnn")
    assert message in str(caught.value)


@pytest.fixture
def cards(tmp_path):
    """Cards of one name in two folders, of which one has a space in its name."""
    shipped = importlib.resources.files("restora.weights") / "fbcnn-gray-compact.json"
    paths = [tmp_path / folder / "tiny.json" for folder in ("one", "the other")]
    for path in paths:
        path.parent.mkdir()
        path.write_text(shipped.read_text())
    return paths


def test_models_of_one_file_name_go_by_their_paths(cards):
    one, other = cards
    assert list(read_variants([f"blind 'model={other}'"], "fbcnn")) == ["Restora tiny.json, blind"]
    found = read_variants([f"blind model={one}", f'blind model="{other}"', "blind"], "fbcnn")
    assert list(found) == [
        f"Restora {one}, blind",
        f"Restora {other}, blind",
        "Restora fbcnn, blind",
    ]
    assert [variant.wishes.model for variant in found.values()] == [str(one), str(other), "fbcnn"]
    with pytest.raises(UsageError, match="asked for twice"):
        read_variants([f"blind model={one}"] * 2, "fbcnn")


@pytest.mark.parametrize("constraint", ["soft", "hard"])
def test_blind_can_keep_to_the_bins(waves, constraint):
    file = io.BytesIO()
    Image.fromarray(waves).save(file, "JPEG", quality=37)
    (variant,) = read_variants([f"blind constraint={constraint}"], "fbcnn").values()
    restorer = Restorer(threads=1)
    plan = variant.repair(restorer, file.getvalue())[1]
    tool = restorer.restore(file.getvalue(), variant.wishes).plan
    assert plan.quality_source == "network"
    assert (plan.constraint, plan.half_width) == (tool.constraint, tool.half_width)
    assert [reason for reason in plan.reasons if reason.startswith("constraint")] == [
        f"constraint {constraint}: measured, with the file's bins"
    ]


def test_blind_says_why_there_are_no_bins(waves):
    file = io.BytesIO()
    Image.fromarray(waves).convert("CMYK").save(file, "JPEG", quality=37)
    (variant,) = read_variants(["blind constraint=hard"], "fbcnn").values()
    plan = variant.repair(Restorer(threads=1), file.getvalue())[1]
    assert plan.constraint == "off"
    assert not any("not a JPEG" in reason for reason in plan.reasons)


def test_modes_decide_as_they_say(waves):
    file = io.BytesIO()
    Image.fromarray(waves).save(file, "JPEG", quality=37)
    restorer = Restorer(threads=1)
    variants = read_variants(["blind", "header", "header quality=5"], "fbcnn")
    blind, header, asked = (
        variant.repair(restorer, file.getvalue())[1] for variant in variants.values()
    )
    assert blind.quality_source == "network"
    assert (header.quality, header.quality_source) == (37, "asked")
    assert asked.quality == 5
    pictures = [
        restore(file.getvalue()) for restore in pixel_restorers(variants, restorer).values()
    ]
    assert {(picture.shape, picture.dtype.name) for picture in pictures} == {((48, 64), "uint8")}


def test_several_variants_in_one_run(run, testsets):
    done = run(
        "jpeg-gray", "--data", testsets, "--quality", "10", "--limit", "1", "--markdown",
        "--variant", "blind", "--variant", "header strength=50", "--json", testsets / "r.json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "| Restora fbcnn, blind |" in done.stdout
    assert "| Restora fbcnn, header strength=50 |" in done.stdout
    again = run("show", testsets / "r.json", "--markdown")
    assert again.stdout == done.stdout


def test_double(run, testsets):
    done = run(
        "jpeg-double", "--data", testsets, "--limit", "1", "--variant", "blind", "--markdown",
        "--json", testsets / "r.json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "| method | 30, 10 | 50, 10 |" in done.stdout
    rows = json.loads((testsets / "r.json").read_text())["rows"]
    assert (rows[0]["earlier"], rows[0]["quality"], rows[0]["shift_px"]) == (30, 10, [4, 4])


def test_off_the_grid(run, testsets):
    done = run(
        "jpeg-gray", "--data", testsets, "--limit", "1", "--quality", "offgrid", "--markdown"
    )
    assert "| method | QF 5 | QF 15 | QF 25 | QF 35 | QF 75 | QF 90 | s/MP |" in done.stdout


def test_real_jpeg_and_show(run, testsets):
    done = run(
        "real-jpeg", "--data", testsets, "--variant", "header", "--markdown",
        "--json", testsets / "r.json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "| Restora fbcnn, header | 1 of 1 | 0 |" in done.stdout
    assert "| a.jpg | 20 | - | 20 |" in done.stdout
    assert run("show", testsets / "r.json", "--markdown").stdout == done.stdout


def test_show_refuses_what_is_no_report(run, tmp_path):
    path = tmp_path / "r.json"
    for content, message in (
        ("{", "cannot be read as a report"),
        ("[]", "is no report of `restora bench`"),
        ('{"protocol": "jpeg-gray"}', "is a damaged report, or of another version"),
    ):
        path.write_text(content)
        done = run("show", path)
        assert done.returncode == 1
        assert message in done.stderr


def test_a_json_file_that_cannot_be_written_is_told_first(run, testsets):
    done = run("jpeg-gray", "--data", testsets, "--json", testsets / "none" / "r.json")
    assert (done.returncode, done.stdout) == (2, "")
    assert "its folder is not there" in done.stderr


def test_kept_reports_and_logs_are_drawn(run, tmp_path, testsets):
    report = tmp_path / "report.json"
    done = run("jpeg-gray", "--data", testsets, "--quality", "10", "--variant", "blind",
               "--json", report)  # fmt: skip
    assert report.exists(), done.stderr
    (tmp_path / "log.jsonl").write_text('{"step": 500, "psnr_10": 29.0, "jpeg_10": 28.5}\n')
    for arguments in (
        ("gains", report),
        ("cost", "--quality", "40"),
        ("training", f"a={tmp_path}"),
    ):
        picture = tmp_path / f"{arguments[0]}.svg"
        done = run("plot", *arguments, "-o", picture)
        assert (done.returncode, done.stderr) == (0, "")
        assert picture.read_bytes().startswith(b"<?xml")
    refused = run("plot", "training", str(tmp_path), "-o", tmp_path / "b.svg")
    assert refused.returncode == 2
    assert "is not NAME=FOLDER" in refused.stderr
    refused = run("plot", "gains", tmp_path / "log.jsonl", "-o", tmp_path / "b.svg")
    assert refused.returncode == 1
    assert "log.jsonl is no report of `restora bench jpeg-...`." in refused.stderr


def test_only_a_network_with_codes_can_be_decoupled(run, testsets, sodiff_card):
    """One sees nothing of the whole picture, the other something else."""
    for model in ("fbcnn", sodiff_card):
        done = run("decoupling", "--data", testsets, "--set", "live1_gray", "--model", model)
        assert (done.returncode, done.stdout) == (2, "")
        told = " ".join(done.stderr.split())
        assert told.endswith("has no codes whose decoupling could be measured; a DAGN weight has.")


def test_codes_are_measured_and_shown_again(run, testsets, waves):
    for number in range(1, 5):  # five folds need five pictures
        moved = np.roll(waves, 7 * number, axis=1) // number
        Image.fromarray(moved).save(testsets / "live1_gray" / f"{number}.png")
    done = run(
        "decoupling", "--data", testsets, "--set", "live1_gray", "--model", "dagn",
        "--threads", "1", "--json", testsets / "r.json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for row in ("| dagn-color-compact | sensitive |", "| dagn-gray-compact | insensitive |"):
        assert row in done.stdout
    assert run("show", testsets / "r.json").stdout == done.stdout


def test_downstream_without_classifier_and_its_options(run, testsets):
    downstream = ("downstream", "--data", testsets, "--set", "live1_gray", "--quality", "10")
    done = run(*downstream, "--classifier", "none", "--json", testsets / "r.json")
    assert done.returncode == 0, done.stderr
    assert "| JPEG | 10 | - | - | - | 0." in done.stdout
    assert run("show", testsets / "r.json").stdout == done.stdout
    for option, value, message in (
        ("--classifier", "lite1", "There is no classifier 'lite1'; there are lite0, lite2."),
        ("--detector", "yolo.pt", "--detector is an ONNX file or the word torchvision, not"),
    ):
        refused = run(*downstream, "--classifier", "none", option, value)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert message in " ".join(refused.stderr.split())
