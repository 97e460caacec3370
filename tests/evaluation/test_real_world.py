"""Real-world damage, before and after: its pictures, its figures, how sure they are."""

import json
import math

import numpy as np
import pytest
from PIL import Image

from restora.errors import InputError, UsageError
from restora.evaluation.card_scores import read_card_scores
from restora.evaluation.metrics import psnr
from restora.evaluation.real_world import RealFidelity, measure_real_world
from restora.evaluation.real_world_folders import RealWorldFolders
from restora.evaluation.real_world_report import INPUT, RealWorldReport
from restora.evaluation.real_world_sets import (
    SETTINGS,
    clean_pictures,
    pair_cases,
    synthetic_cases,
)
from restora.evaluation.real_world_tables import real_world_grids
from restora.images.enlarge import enlarge_bytes


def made(number, side=24):
    y, x = np.mgrid[:side, : side + 8]
    plane = (128 + 70 * np.sin(x / 3 + number) + 40 * np.cos(y / 4)).clip(0, 255)
    return np.stack([plane, 255 - plane, plane / 2], axis=-1).astype(np.uint8)


@pytest.fixture
def photos(tmp_path):
    (tmp_path / "cid22_val").mkdir()
    for number, name in enumerate("abc"):
        Image.fromarray(made(number)).save(tmp_path / "cid22_val" / f"{name}.png")
    return tmp_path


def noise(clean, seed, setting):
    """Damage that needs no PyTorch: noise that grows with the scale."""
    drawn = np.random.default_rng(seed).normal(0, 5 * setting.scale, clean.shape)
    return (clean + drawn).clip(0, 255).astype(np.uint8)


def clean_of(photos):
    return {path.stem: np.asarray(Image.open(path)) for path in photos.glob("*/*.png")}


def measured(photos, **options):
    clean = clean_of(photos)
    cases = synthetic_cases(clean_pictures("cid22", photos), noise)
    half = {
        "nearer": lambda it: ((it.degraded.astype(int) + clean[it.name]) // 2).astype(np.uint8),
        "further": lambda it: (it.degraded // 2).astype(np.uint8),
    }
    return measure_real_world(
        cases, half, [RealFidelity()], test_set="cid22", model="nearer",
        bases=(INPUT, "further"), **options,
    )  # fmt: skip


def test_every_picture_by_every_method(photos):
    seen = []
    report = measured(photos, progress=lambda *at: seen.append(at))
    assert report.settings == tuple(map(str, SETTINGS)) == ("x1 light", "x2 full", "x4 full")
    assert report.methods == ("input", "nearer", "further")
    assert seen[-1] == (27, 27)
    assert len(report.rows) == 27
    case = synthetic_cases(clean_pictures("cid22", photos), noise)[0]
    loaded = case.load()
    assert report.rows[0].scores["psnr"] == psnr(loaded.clean, loaded.degraded)
    assert RealWorldReport.model_validate_json(report.model_dump_json()) == report


def test_differences_are_paired_and_bracketed(photos):
    report = measured(photos)
    found = {(d.setting, d.method, d.base, d.score): d for d in report.differences}
    gain = found["x1 light", "nearer", INPUT, "psnr"]
    steps = [
        after.scores["psnr"] - before.scores["psnr"]
        for after, before in zip(
            report.rows_of("x1 light", "nearer"), report.rows_of("x1 light", INPUT), strict=True
        )
    ]
    assert gain.mean == pytest.approx(np.mean(steps))
    assert min(steps) <= gain.low <= gain.mean <= gain.high <= max(steps)
    assert gain.n == 3
    every = found[None, "nearer", INPUT, "psnr"]
    apart = [found[str(each), "nearer", INPUT, "psnr"].mean for each in SETTINGS]
    assert every.mean == pytest.approx(np.mean(apart))
    assert found[None, "nearer", "further", "ssim"].low > 0
    assert (None, INPUT, "further", "psnr") not in found


def test_a_part_of_a_set_is_damaged_as_the_whole(photos):
    whole = synthetic_cases(clean_pictures("cid22", photos), noise)
    (photos / "cid22_val" / "a.png").unlink()
    part = synthetic_cases(clean_pictures("cid22", photos, limit=1), noise)
    again = next(c for c in whole if (c.name, c.setting) == ("b", "x1 light"))
    assert (part[0].load().degraded == again.load().degraded).all()
    assert len({case.seed for case in whole}) == len(whole)


def test_the_published_chain_gives_the_same_figures_again(photos):
    pytest.importorskip("torch")
    from restora.cli.bench.real_options import published_damage

    def run():
        cases = synthetic_cases(clean_pictures("cid22", photos), published_damage())
        same = {"same": lambda loaded: loaded.start}
        return measure_real_world(
            cases, same, [RealFidelity()], test_set="cid22", model="same", warm_up=False
        )

    one, two = run(), run()
    assert one.damage == two.damage
    for a, b in zip(one.rows, two.rows, strict=True):
        assert a.scores == b.scores
    means = [one.mean(setting, INPUT, "psnr") for setting in one.settings]
    assert means[0] > means[2]  # light damage is lighter
    assert len(set(one.damage.values())) == 3


def test_tables_name_what_is_held_against_what(photos):
    report = measured(photos, notes=("A note.",))
    means, steps = real_world_grids(report)
    assert means.heading[:6] == ("damage", "method", "n", "PSNR ↑", "gain", "SSIM ↑")
    assert [row[:2] for row in means.measured[-3:]] == [
        ("mean", "input"), ("mean", "nearer"), ("mean", "further"),
    ]  # fmt: skip
    assert means.measured[0][4] == "-"
    assert float(means.measured[1][4]) > 0 > float(means.measured[2][4])
    assert means.notes[0] == "A note."
    assert steps.heading == ("damage", "difference", "PSNR ↑", "SSIM ↑")
    assert ("all", "nearer − further") in [row[:2] for row in steps.measured]
    assert "input − further" not in [row[1] for row in steps.measured]


def test_a_perfect_picture_is_no_number_to_subtract(photos):
    clean = clean_of(photos)
    cases = synthetic_cases(clean_pictures("cid22", photos, limit=1), noise)
    report = measure_real_world(
        cases, {"perfect": lambda it: clean[it.name]}, [RealFidelity()],
        test_set="s", model="perfect", warm_up=False,
    )  # fmt: skip
    assert math.isinf(report.mean("x1 light", "perfect", "psnr"))
    assert {d.score for d in report.differences} == {"ssim", "ssim_y"}
    assert RealWorldReport.model_validate_json(report.model_dump_json()) == report
    assert real_world_grids(report)[0].measured[1][3:5] == ("inf", "+inf")


def pairs(folder, *, names=("input", "target"), stems=("a", "b"), factor=2):
    for place, cut in zip(names, (factor, 1), strict=True):
        (folder / place).mkdir(parents=True)
        for number, stem in enumerate(stems):
            Image.fromarray(made(number)[::cut, ::cut]).save(folder / place / f"{stem}.png")
    return folder


def test_pairs_are_enlarged_to_their_partners(tmp_path):
    cases = pair_cases(pairs(tmp_path / "p"))
    assert [(c.name, c.setting, c.factor) for c in cases] == [
        ("a", "pairs x2", 2), ("b", "pairs x2", 2),
    ]  # fmt: skip
    loaded = cases[0].load()
    assert loaded.degraded.shape == (12, 16, 3)
    assert loaded.start.shape == loaded.clean.shape == (24, 32, 3)
    assert (loaded.start == enlarge_bytes(loaded.degraded, 2)).all()
    assert psnr(loaded.clean, loaded.start) > 12
    assert pair_cases(pairs(tmp_path / "q", names=("LR", "HR"), factor=1))[0].setting == "pairs"
    report = measure_real_world(
        cases, {"m": lambda it: it.start}, [RealFidelity()], test_set="s", model="m"
    )
    assert {row.scores["psnr"] for row in report.rows_of("pairs x2", "m")} == {
        row.scores["psnr"] for row in report.rows_of("pairs x2", INPUT)
    }


def test_released_names_pair_too(tmp_path):
    folder = pairs(tmp_path / "p", stems=("Canon_1_LR2", "Canon_2_LR2"))
    for path in (folder / "target").iterdir():
        path.rename(path.with_stem(path.stem.replace("LR2", "HR")))
    assert [case.clean.stem for case in pair_cases(folder)] == ["Canon_1_HR", "Canon_2_HR"]


def test_pairs_that_do_not_fit_are_told(tmp_path):
    folder = pairs(tmp_path / "p")
    (folder / "target" / "b.png").unlink()
    with pytest.raises(InputError, match=r"has no partner in .*target: b\.png"):
        pair_cases(folder)
    Image.fromarray(made(0, side=25)).save(folder / "target" / "b.png")
    with pytest.raises(InputError, match=r"b\.png has 16×12 pixels and .* 33×25; the clean"):
        pair_cases(folder)
    with pytest.raises(InputError, match="no folders called input and target, LQ and GT"):
        pair_cases(tmp_path)


def test_what_cannot_be_measured_is_told(photos):
    cases = synthetic_cases(clean_pictures("cid22", photos, limit=1), noise)

    def run(**restorers):
        return measure_real_world(cases, restorers, [RealFidelity()], test_set="s", model="m")

    with pytest.raises(UsageError, match="nothing to measure"):
        run()
    with pytest.raises(UsageError, match="cannot be called input"):
        run(input=lambda it: it.degraded)
    with pytest.raises(InputError, match=r"m turned a into uint8 of the shape \(24, 32\)"):
        run(m=lambda it: it.degraded[..., 0])
    with pytest.raises(UsageError, match="--set is live1, cid22, urban10"):
        clean_pictures("kodak", photos)
    with pytest.raises(UsageError, match="A limit of 0"):
        clean_pictures("cid22", photos, limit=0)
    Image.fromarray(made(0)).save(photos / "cid22_val" / "a.webp", lossless=True)
    with pytest.raises(UsageError, match="there are two a"):
        clean_pictures("cid22", photos)


def test_pictures_lie_where_a_toolbox_finds_them(photos, tmp_path):
    measured(photos, folders=RealWorldFolders(tmp_path / "out", ("nearer", "further")))
    found = {p.relative_to(tmp_path / "out").as_posix() for p in tmp_path.glob("out/*/*/*")}
    methods = ("clean", "input", "nearer", "further")
    assert found == {
        f"{place}/{method}/{name}.png"
        for place in ("x1-light", "x2-full", "x4-full") for method in methods for name in "abc"
    }  # fmt: skip


def test_a_card_keeps_what_the_model_scores(photos, tmp_path):
    report = measured(photos)
    path = tmp_path / "real.json"
    path.write_text(report.model_dump_json())
    scores = read_card_scores(path)
    assert set(scores) == {f"real cid22 {n}" for n in ("PSNR", "SSIM", "PSNR Y", "SSIM Y", "gain")}
    assert tuple(scores["real cid22 PSNR"]) == report.settings
    assert scores["real cid22 PSNR"]["x4 full"] == round(
        report.mean("x4 full", "nearer", "psnr"), 2
    )
    assert scores["real cid22 gain"]["x4 full"] > 0
    content = json.loads(path.read_text()) | {"protocol": "priors"}
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="holds no scores for a card"):
        read_card_scores(path)
