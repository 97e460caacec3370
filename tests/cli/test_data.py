"""`restora data make` and `restora data features`, as a user types them."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from restora.cli.main import app
from restora.degradations.by_task import degrade
from restora.errors import InputError, UsageError
from restora.semantics.lookup import load_captioner, load_image_encoder
from restora.semantics.words import describe
from restora.training.sr_diff.layout import Layout, read_features
from restora.training.sr_diff.make_features import load_refiner
from restora.training.ssp_ir.layout import RealLayout

KINDS = ("hazy", "rainy", "motion-blurry", "low-light")


def run(*arguments):
    return CliRunner().invoke(app, ["data", *map(str, arguments)])


def draw(seed):
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), np.uint8)
    return Image.fromarray(coarse).resize((56, 40), Image.Resampling.BICUBIC)


def files(folder):
    """Every file below a folder with its bytes, by path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    draw(0).save(folder / "a.png")
    draw(1).save(folder / "more" / "a.jpg", quality=95)
    return folder


@pytest.fixture
def made(photos, tmp_path):
    """Hazy pairs of two photos."""
    assert run("make", photos, "-o", tmp_path / "data", "--task", "dehaze").exit_code == 0
    return tmp_path / "data"


def test_make_writes_pairs_of_every_task(photos, tmp_path):
    done = run("make", photos, "-o", tmp_path / "data", "--task", "all", "--split", "val")
    assert done.exit_code == 0
    assert done.stderr == "pairs: 8 made\n"
    layout = Layout(tmp_path / "data")
    assert [layout.folder(*section).name for section in layout.sections()] == list(KINDS)
    for split, task in layout.sections():
        pairs = layout.pairs(split, task)
        assert [pair.stem for pair in pairs] == ["a", "more-a"]
        lines = (layout.folder(split, task) / "params.jsonl").read_text().splitlines()
        rows = [json.loads(line) for line in lines]
        assert [(row["file"], row["photo"]) for row in rows] == [
            ("a.png", "a.png"),
            ("more-a.png", "a.jpg"),
        ]
        assert all(0 <= row["strength"] <= 1 and row["settings"] for row in rows)
        assert np.array_equal(Image.open(pairs[0].clean), draw(0))
        degraded = np.asarray(Image.open(pairs[0].degraded), float)
        assert degraded.shape == (40, 56, 3)
        assert np.abs(degraded - draw(0)).mean() > 1


def test_a_pair_depends_on_its_own_name_and_the_seed_alone(photos, made, tmp_path):
    before = files(made)
    (photos / "more" / "a.jpg").unlink()
    draw(7).save(photos / "A first one.png")
    assert run("make", photos, "-o", tmp_path / "other", "--task", "all").exit_code == 0
    after = files(tmp_path / "other")
    assert after["train/hazy/LQ/a.png"] == before["train/hazy/LQ/a.png"]
    run("make", photos, "-o", tmp_path / "seeded", "--task", "dehaze", "--seed", 1)
    seeded = files(tmp_path / "seeded")
    assert seeded["train/hazy/LQ/a.png"] != before["train/hazy/LQ/a.png"]
    assert seeded["train/hazy/GT/a.png"] == before["train/hazy/GT/a.png"]


def test_variants_differ_and_the_first_stays(photos, made):
    before = files(made)
    done = run("make", photos, "-o", made, "--task", "dehaze", "--variants", 3)
    assert done.stderr == "pairs: 4 made, 2 kept\n"
    after = files(made)
    assert before.items() - {("train/hazy/params.jsonl", before["train/hazy/params.jsonl"])} <= (
        after.items()
    )
    assert len({after[f"train/hazy/LQ/a{which}.png"] for which in ("", "+1", "+2")}) == 3
    assert after["train/hazy/GT/a.png"] == after["train/hazy/GT/a+2.png"]
    assert len(Layout(made).pairs("train", "dehaze")) == 6
    assert after["train/hazy/params.jsonl"].count(b"\n") == 6


def test_what_is_there_is_kept_unless_forced(photos, made):
    before = files(made)
    again = run("make", photos, "-o", made, "--task", "dehaze", "--seed", 5)
    assert again.stderr == "pairs: 2 kept\n"
    assert files(made) == before
    forced = run("make", photos, "-o", made, "--task", "dehaze", "--seed", 5, "--force")
    assert forced.stderr == "pairs: 2 made\n"
    after = files(made)
    assert after["train/hazy/LQ/a.png"] != before["train/hazy/LQ/a.png"]
    assert json.loads(after["train/hazy/params.jsonl"].splitlines()[0])["seed"][0] == 5


def test_a_pair_cut_in_half_is_mended_but_never_mixed(photos, made):
    before = files(made)
    (made / "train/hazy/LQ/a.png").unlink()  # as an interrupt leaves it
    assert run("make", photos, "-o", made, "--task", "dehaze").stderr == "pairs: 1 made, 1 kept\n"
    assert files(made) == before
    (made / "train/hazy/LQ/a.png").unlink()
    draw(3).save(made / "train/hazy/GT/a.png")
    (made / "train/hazy/GT/more-a.png").unlink()
    done = run("make", photos, "-o", made, "--task", "dehaze")
    assert done.exit_code == 1
    assert "GT/a.png is there and shows another picture" in done.stderr.replace("\\", "/")
    assert "LQ/more-a.png is there without its GT" in done.stderr.replace("\\", "/")
    assert np.array_equal(Image.open(made / "train/hazy/GT/a.png"), draw(3))


def test_a_bad_photo_stops_no_other(photos, tmp_path):
    (photos / "bad.jpg").write_bytes(b"no picture")
    done = run("make", photos, "-o", tmp_path / "data", "--task", "derain")
    assert done.exit_code == 1
    assert done.stderr.count("bad.jpg") == 1
    assert done.stderr.endswith("pairs: 2 made, 1 failed\n")
    assert len(Layout(tmp_path / "data").pairs("train", "derain")) == 2


def test_photos_are_taken_upright_and_in_colour(tmp_path):
    (tmp_path / "photos").mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6
    draw(0).convert("L").save(tmp_path / "photos" / "a.png", exif=exif)
    assert run("make", tmp_path / "photos", "-o", tmp_path, "--task", "lowlight").exit_code == 0
    with Image.open(tmp_path / "train/low-light/GT/a.png") as clean:
        assert (clean.mode, clean.size) == ("RGB", (40, 56))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["--task", "snow"],
            "--task is dehaze, derain, deblur, lowlight or all, or real, not 'snow'",
        ),
        (["--split", "test"], "--split is train or val, not 'test'"),
        (["--seed", "-1"], "--seed is 0 or more, not -1"),
        (["--variants", "0"], "--variants is at least 1, not 0"),
        (["--caption-model", "tags"], "--caption-model is for --task real"),
        (["--task", "real", "--split", "val"], "--split is not for --task real"),
        (["--task", "real", "--caption-model", "bob"], "There is no captioner 'bob'"),
    ],
)
def test_options_that_make_no_sense(photos, tmp_path, arguments, sentence):
    done = run("make", photos, "-o", tmp_path / "data", *arguments)
    assert isinstance(done.exception, UsageError)  # the command ends with 2
    assert sentence in str(done.exception)
    assert not (tmp_path / "data").exists()


def test_real_pairs_lie_as_ssp_ir_has_them(photos, tmp_path):
    done = run("make", photos, "-o", tmp_path / "data", "--task", "real")
    assert done.exit_code == 0, done.exception
    assert done.stderr == "pairs: 2 made\n"
    layout = RealLayout(tmp_path / "data")
    assert sorted(files(layout.root)) == [
        "gt/a.png", "gt/more-a.png", "params.jsonl", "sr_bicubic/a.png", "sr_bicubic/more-a.png",
    ]  # fmt: skip
    assert [pair.stem for pair in layout.pairs()] == ["a", "more-a"]
    rows = [json.loads(line) for line in (layout.root / "params.jsonl").read_text().splitlines()]
    assert [(row["file"], row["photo"], row["task"]) for row in rows] == [
        ("a.png", "a.png", "real"),
        ("more-a.png", "a.jpg", "real"),
    ]
    clean, degraded = (
        np.asarray(Image.open(layout.root / part / "a.png")) for part in ("gt", "sr_bicubic")
    )
    assert np.array_equal(clean, draw(0))
    again = degrade(clean, "real", rows[0]["seed"])
    assert np.array_equal(degraded, again.pixels)
    assert rows[0]["settings"] == json.loads(json.dumps(again.settings))
    assert rows[0]["strength"] == again.strength


def test_real_pairs_are_kept_and_made_anew_as_others_are(photos, tmp_path):
    root = photos / "pairs"  # among the photos
    command = ("make", photos, "-o", root, "--task", "real")
    run(*command)
    before = files(root)
    assert run(*command, "--variants", 2).stderr == "pairs: 2 made, 2 kept\n"
    assert before.items() - {("params.jsonl", before["params.jsonl"])} <= files(root).items()
    (root / "sr_bicubic" / "a.png").unlink()
    assert run(*command).stderr == "pairs: 1 made, 1 kept\n"
    assert files(root)["sr_bicubic/a.png"] == before["sr_bicubic/a.png"]
    run(*command, "--force", "--seed", 3)
    assert files(root)["sr_bicubic/a.png"] != before["sr_bicubic/a.png"]
    assert files(root)["gt/a.png"] == before["gt/a.png"]


def test_captions_of_real_pairs_are_those_of_the_clean_pictures(photos, tmp_path):
    root = tmp_path / "data"
    command = ("make", photos, "-o", root, "--task", "real", "--variants", 2)
    assert run(*command).stderr == "pairs: 4 made\n"
    done = run(*command, "--caption-model", "tags")
    assert done.stderr == "pairs: 4 kept\ncaptions: 4 made\n"
    tags = load_captioner("tags")
    for stem, seed in (("a", 0), ("a+1", 0)):
        told = (root / "gt_llm_caption" / f"{stem}.txt").read_text()
        shown = np.asarray(draw(seed), np.float32) / 255
        assert told == describe(shown, tags) + "\n" != "\n"
    (root / "gt_llm_caption" / "a.txt").write_text("my own words")
    (root / "gt_llm_caption" / "more-a.txt").unlink()
    again = run(*command, "--caption-model", "static:a pier")
    assert again.stderr == "pairs: 4 kept\ncaptions: 1 made, 3 kept\n"
    assert (root / "gt_llm_caption" / "a.txt").read_text() == "my own words"
    assert (root / "gt_llm_caption" / "more-a.txt").read_text() == "a pier\n"
    run(*command, "--caption-model", "static:a pier", "--force")
    assert (root / "gt_llm_caption" / "a.txt").read_text() == "a pier\n"


def test_a_caption_goes_with_its_clean_picture(photos, tmp_path):
    root = tmp_path / "data"
    command = ("make", photos, "-o", root, "--task", "real")
    run(*command, "--caption-model", "static:a pier")
    run(*command, "--force", "--seed", 1)  # other damage, the same pictures
    assert len(list(root.glob("gt_llm_caption/*.txt"))) == 2
    draw(9).save(photos / "a.png")
    run(*command, "--force")
    assert [path.name for path in root.glob("gt_llm_caption/*.txt")] == ["more-a.txt"]


def test_captions_of_photos_beside_them(photos, tmp_path):
    """And one that is missing stops no other."""
    (photos / "more" / "a.txt").write_text("a wall")
    command = ("make", photos, "-o", tmp_path / "data", "--task", "real")
    done = run(*command, "--caption-model", "file:")
    assert done.exit_code == 1
    assert "There is no caption" in done.stderr
    assert done.stderr.endswith("pairs: 2 made\ncaptions: 1 made, 1 failed\n")
    assert (tmp_path / "data" / "gt_llm_caption" / "more-a.txt").read_text() == "a wall\n"


@pytest.mark.parametrize("place", ["", "more"])
def test_pairs_among_the_photos_are_no_photos(photos, place):
    for done in (run("make", photos, "-o", photos / place, "--task", "derain") for _ in range(2)):
        assert done.exit_code == 0
    assert done.stderr == "pairs: 2 kept\n"


def test_clean_pictures_of_one_task_are_photos_for_another(made):
    done = run("make", made / "train" / "hazy" / "GT", "-o", made, "--task", "lowlight")
    assert done.stderr == "pairs: 2 made\n"


def test_photos_that_would_be_called_alike(photos, tmp_path):
    draw(2).save(photos / "a.webp")
    done = run("make", photos, "-o", tmp_path / "data")
    assert isinstance(done.exception, InputError)
    assert "would both be called a; rename one." in str(done.exception)
    (photos / "a.webp").rename(photos / "a+1.webp")
    done = run("make", photos, "-o", tmp_path / "data", "--variants", 2)
    assert "called like variants of others" in str(done.exception)


def test_features_of_every_picture(made):
    done = run("features", made)
    assert done.exit_code == 0
    assert done.stderr == "files of features: 4 made\n"
    encoder = load_image_encoder("lite0")
    with Image.open(made / "train/hazy/LQ/a.png") as image:
        seen = encoder.encode(np.asarray(image, np.float32)[None] / 255)
    raw = Layout(made).features("train", "dehaze", "LQCLS", "a")
    assert raw.shape == (50, 1280)
    assert np.allclose(raw[0], seen.pooled[0], atol=1e-5)
    assert np.allclose(raw[1:], seen.tokens[0], atol=1e-5)
    clean = Layout(made).features("train", "dehaze", "GTCLS", "a")
    assert not np.allclose(raw, clean, atol=1e-2)
    record = json.loads((made / "encoder.json").read_text())
    assert record == {"encoder": "lite0", "fingerprint": encoder.fingerprint(), "refiner": None}


def test_only_missing_features_are_made(made):
    run("features", made)
    kept, missing = (made / f"train/hazy/LQCLS/{stem}.pt" for stem in ("a", "more-a"))
    before = kept.stat().st_mtime_ns, missing.read_bytes()
    missing.unlink()
    assert run("features", made).stderr == "files of features: 1 made, 3 kept\n"
    assert (kept.stat().st_mtime_ns, missing.read_bytes()) == before
    assert run("features", made, "--force").stderr == "files of features: 4 made\n"
    assert kept.stat().st_mtime_ns != before[0]


def test_features_of_a_pair_that_is_made_anew_go(photos, made):
    run("features", made)
    run("make", photos, "-o", made, "--task", "dehaze", "--force", "--seed", 2)
    assert not list(made.rglob("*.pt"))
    assert run("features", made).stderr == "files of features: 4 made\n"


def test_features_of_two_encoders_are_never_mixed(made):
    run("features", made)
    (made / "train/hazy/LQCLS/a.pt").unlink()
    before = files(made)
    done = run("features", made, "--encoder", "lite2")
    assert isinstance(done.exception, UsageError)
    assert "holds features of the encoder lite0:1280x49:" in str(done.exception)
    assert "not of lite2:1280x81:" in str(done.exception)
    assert files(made) == before
    assert run("features", made, "--encoder", "lite2", "--force").exit_code == 0
    assert {read_features(path).shape for path in made.rglob("*.pt")} == {(82, 1280)}
    assert json.loads((made / "encoder.json").read_text())["encoder"] == "lite2"


def test_features_of_nobody_knows_whom(made):
    run("features", made)
    (made / "encoder.json").unlink()
    done = run("features", made)
    assert "holds features of an unknown encoder" in str(done.exception)
    (made / "encoder.json").write_text('{"what": "is this"}')
    assert "does not say which encoder" in str(run("features", made).exception)


def test_names_of_sots_and_pictures_without_a_clean_one(tmp_path):
    for name in ("val/hazy/LQ/0001_0.8_0.2.jpg", "val/hazy/GT/0001.png", "val/rainy/LQ/1.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        draw(0).save(tmp_path / name)
    assert run("features", tmp_path).exit_code == 0
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.pt")) == [
        "val/hazy/GTCLS/0001.pt",
        "val/hazy/LQCLS/0001_0.8_0.2.pt",
        "val/rainy/LQCLS/1.pt",
    ]


def test_a_bad_picture_stops_no_other(made):
    (made / "train/hazy/LQ/a.png").write_bytes(b"no picture")
    done = run("features", made)
    assert done.exit_code == 1
    assert done.stderr.endswith("files of features: 3 made, 1 failed\n")


def test_features_need_a_layout_and_an_encoder_there_is(made, tmp_path):
    done = run("features", tmp_path / "photos")
    assert isinstance(done.exception, InputError)
    assert "no folder of SR-Diff's data" in str(done.exception)
    assert isinstance(run("features", made, "--encoder", "lite9").exception, UsageError)
    assert isinstance(run("features", made, "--refiner", "nobody").exception, UsageError)


@pytest.fixture
def refiner(tmp_path):
    """A function from a seed to the file of an SR-Diff taught lite0, and its refiner."""
    from restora.networks.catalogue import build
    from restora.networks.sr_diff.config import SRDiffConfig
    from restora.networks.weight_files import write_safetensors

    def make(seed, **changes):
        raw = {
            "tasks": ["dehaze"], "encoder": "lite0", "token_dim": 1280, "tokens": 50,
            "refiner": {"form": "dual-path", "projected": 12, "hidden": 8, "layers": 1, "heads": 2},
            "unet": {"width": 8, "multipliers": [1, 2], "blocks": 1, "head_dim": 8},
        }  # fmt: skip
        config = SRDiffConfig.model_validate(raw | changes)
        torch.manual_seed(seed)
        network = build(config).eval()
        path = tmp_path / f"{seed}.safetensors"
        write_safetensors(path, config, network.state_dict())
        return path, network.refiner

    return make


def test_the_refiner_makes_what_guides(made, refiner):
    path, network = refiner(0)
    assert run("features", made).exit_code == 0
    done = run("features", made, "--refiner", path)
    assert done.exit_code == 0, done.exception
    assert done.stderr == "files of features: 2 made, 4 kept\n"
    raw, refined = (
        Layout(made).features("train", "dehaze", part, "a") for part in ("LQCLS", "RestoreCLS")
    )
    assert refined.shape == (50, 12)
    with torch.inference_mode():
        expected = network(torch.from_numpy(raw)[None])[0].numpy()
    assert np.allclose(refined, expected, atol=1e-5)


def test_features_of_two_refiners_are_never_mixed(made, refiner):
    (first, _), (second, _) = refiner(0), refiner(1)
    run("features", made, "--refiner", first)
    done = run("features", made, "--refiner", second)
    assert isinstance(done.exception, UsageError)
    assert "holds features of the refiner" in str(done.exception)
    assert run("features", made).stderr == "files of features: 4 kept\n"  # and forgets no refiner
    assert isinstance(run("features", made, "--refiner", second).exception, UsageError)
    before = files(made)
    assert run("features", made, "--refiner", second, "--force").exit_code == 0
    after = files(made)
    assert after["train/hazy/RestoreCLS/a.pt"] != before["train/hazy/RestoreCLS/a.pt"]


def test_a_refiner_takes_only_what_it_was_taught(made, refiner):
    path, _ = refiner(0, encoder="lite2", tokens=82)
    done = run("features", made, "--refiner", path)
    assert isinstance(done.exception, UsageError)
    assert "was taught 82 tokens of 1280 numbers of the encoder lite2" in str(done.exception)
    assert not (made / "encoder.json").exists()
    done = run("features", made, "--refiner", "fbcnn-gray-compact")
    assert "fbcnn-gray-compact has no refiner: it is no SR-Diff." in str(done.exception)


def test_where_an_encoder_lay_does_not_matter_but_its_weights_do(refiner):
    path, _ = refiner(0, encoder="blip-vector:/some/folder", tokens=1)
    loaded = load_refiner(str(path))
    encoder = SimpleNamespace(
        name="blip-vector", token_dim=1280, max_tokens=1, fingerprint=lambda: "blip-vector-a"
    )
    loaded.check(encoder)
    replace(loaded, taught="blip-vector-a").check(encoder)
    with pytest.raises(UsageError, match="taught with the image encoder blip-vector-b, not"):
        replace(loaded, taught="blip-vector-b").check(encoder)
