"""Figures before and after a restoration, and the tables that show them."""

import math

import numpy as np
import pytest
from PIL import Image

from restora.errors import InputError, UsageError
from restora.evaluation.metrics import psnr, ssim, studio_luma
from restora.evaluation.published.restoration import CAVEATS, RESTORATION
from restora.evaluation.restoration import (
    RestorationReport,
    Restored,
    Walk,
    measure_restoration,
    walks_of,
)
from restora.evaluation.restoration_pictures import BeforeAfter
from restora.evaluation.restoration_sets import RestorationPair
from restora.evaluation.restoration_tables import restoration_grids


def waves(seed=0, height=40, width=52):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    plane = 128 + 50 * np.sin(x / 9 + seed) * np.cos(y / 13) + rng.normal(0, 4, (height, width))
    return np.stack([plane, plane * 0.8, 255 - plane], axis=-1).clip(0, 255).astype(np.uint8)


def darker(picture, by):
    return (picture * by).astype(np.uint8)


@pytest.fixture
def pairs(tmp_path):
    """Two pictures in low light and one with haze; what is degraded is darker by a half."""
    found = []
    for task, name, seed in (("dehaze", "c", 2), ("lowlight", "a", 0), ("lowlight", "b", 1)):
        clean, bad = (tmp_path / f"{name}-{kind}.png" for kind in ("clean", "bad"))
        Image.fromarray(waves(seed)).save(clean)
        Image.fromarray(darker(waves(seed), 0.5)).save(bad)
        found.append(RestorationPair(task, name, clean, bad))
    return found


class DoNothing:
    """A restorer that gives back what it was given."""

    def __init__(self):
        self.asked = []

    def __call__(self, file, task, walk):
        import io

        self.asked.append((task, walk))
        with Image.open(io.BytesIO(file)) as image:
            return Restored(np.asarray(image.convert("RGB")))


def test_nothing_done_gains_nothing(pairs, tmp_path):
    seen = []
    report = measure_restoration(
        pairs, DoNothing(), test_set="made", model="nothing",
        progress=lambda *at: seen.append(at), clock=iter(range(100)).__next__,
    )  # fmt: skip
    assert (seen[0], seen[-1]) == ((0, 3), (3, 3))
    assert [row.gain for row in report.rows] == [0, 0, 0]
    assert not any(row.worse for row in report.rows)
    row, clean, bad = report.rows[1], waves(0), darker(waves(0), 0.5)
    assert (row.task, row.picture, row.seconds) == ("lowlight", "a", 1)
    assert row.before == row.after
    assert row.before.psnr == psnr(clean, bad)
    assert row.before.ssim == ssim(clean, bad)
    assert row.before.psnr_y == psnr(studio_luma(clean), studio_luma(bad))
    assert row.before.ssim_y == ssim(studio_luma(clean), studio_luma(bad))
    grids = restoration_grids(report)
    assert [line[4] for line in grids[0].measured] == ["+0.00"] * 3  # dehaze, lowlight, mean
    assert [line[8] for line in grids[0].measured] == ["0"] * 3
    assert grids[0].notes[0] == "single sample, seed 0."
    assert len(grids) == 2


def test_the_first_picture_warms_up(pairs):
    nothing = DoNothing()
    measure_restoration(pairs[1:], nothing, test_set="made", model="nothing")
    assert nothing.asked == [("lowlight", Walk(None, 0))] * 3


def test_who_got_worse_is_named(pairs):
    def restore(file, task, walk):
        found = DoNothing()(file, task, walk).pixels
        return Restored(darker(found, 0.5) if task == "dehaze" else darker(found, 1.3))

    report = measure_restoration(pairs, restore, test_set="made", model="m")
    first, second = restoration_grids(report)
    by_task = {line[0]: line for line in first.measured}
    assert by_task["dehaze"][4].startswith("-")
    assert [by_task[task][8] for task in ("dehaze", "lowlight", "mean")] == ["1", "0", "1"]
    assert "worse, dehaze: c." in first.notes
    assert not any(note.startswith("worse, lowlight") for note in first.notes)
    assert [line[0] for line in second.measured] == ["c", "a", "b"]
    gains = {task: float(line[4]) for task, line in by_task.items()}
    assert gains["mean"] == pytest.approx((gains["dehaze"] + gains["lowlight"]) / 2, abs=0.011)


def test_steps_and_seeds(pairs):
    """Every number of steps is a row, and seeds are a mean with their standard deviation."""

    def restore(file, task, walk):
        found = DoNothing()(file, task, walk).pixels
        return Restored(darker(found, 1.1 + 0.02 * walk.steps + 0.1 * walk.seed), walk.steps, task)

    walks = walks_of((4, 10), seed=1, seeds=2)
    report = measure_restoration(pairs[1:], restore, test_set="made", model="m", walks=walks)
    assert report.steps == (4, 10)
    assert report.seeds == (1, 2)
    (four, ten), notes = restoration_grids(report)[0].measured, restoration_grids(report)[0].notes
    assert [line[:3] for line in (four, ten)] == [("lowlight", "4", "2"), ("lowlight", "10", "2")]
    means = [
        np.mean([r.after.psnr for r in report.rows if (r.steps, r.seed) == (4, s)]) for s in (1, 2)
    ]
    expected = f"{np.mean(means):.2f} ± {np.std(means, ddof=1):.2f}"
    assert four[3].endswith(f"→ {expected}")
    assert float(ten[4]) > float(four[4]) > 0
    assert notes[0].startswith("single sample of each of the seeds 1, 2: means, ±")
    assert restoration_grids(report)[1].heading[4:6] == ("restored, steps 4", "gain, dB, steps 4")


def test_a_task_that_was_not_told(pairs):
    def restore(file, task, walk):
        pixels = DoNothing()(file, task, walk).pixels
        return Restored(pixels, 4, "dehaze") if task == "dehaze" else Restored(pixels, None, "none")

    report = measure_restoration(pairs, restore, test_set="made", model="m", told=False)
    assert report.steps == (4,)  # also of what was left alone
    notes = restoration_grids(report)[0].notes
    assert "The task was not told: the tool took the right one in 1 of 3 results." in notes


def test_a_report_comes_back_from_its_file(pairs):
    def perfect(_file, task, _walk):
        return Restored(waves(2 if task == "dehaze" else 0), 4, task)

    report = measure_restoration(pairs[:2], perfect, test_set="made", model="m", samples=3)
    assert all(math.isinf(row.after.psnr) for row in report.rows)
    assert restoration_grids(report)[0].notes[0] == "mean of 3 samples, seed 0."
    text = report.model_dump_json()
    assert '"psnr":"Infinity"' in text
    assert RestorationReport.model_validate_json(text) == report


def test_pictures_are_written(pairs, tmp_path):
    out = BeforeAfter(tmp_path / "out")
    measure_restoration(pairs[:2], DoNothing(), test_set="made", model="m", pictures=out)
    names = sorted(str(path.relative_to(tmp_path / "out")) for path in out.folder.rglob("*.png"))
    kinds = ("clean", "input", "restored")
    assert names == [f"{task}-{kind}.png" for task in ("dehaze/c", "lowlight/a") for kind in kinds]
    with Image.open(tmp_path / "out" / "lowlight" / "a-restored.png") as image:
        assert np.array_equal(image, darker(waves(0), 0.5))


def test_published_rows_stand_beside_a_folder_of_the_users_alone(pairs):
    report = measure_restoration(pairs, DoNothing(), test_set="/data/reside", model="m")
    published = restoration_grids(report)[2:]
    assert len(published) == 1  # nobody published low light
    assert published[0].quoted[0] == (
        "SR-Diff (published)", "RESIDE-6k", "~31.63", "~0.958", "unknown",
    )  # fmt: skip
    assert set(CAVEATS) <= set(published[0].notes)
    assert any("ten times" in note for note in published[0].notes)
    assert len(restoration_grids(report.model_copy(update={"set": "made"}))) == 2


def test_published_records():
    rain = [row for row in RESTORATION if row.set == "Rain100H"]
    assert [(row.method, row.psnr, row.ssim, row.channel) for row in rain[:2]] == [
        ("SR-Diff", 32.82, 0.924, "unknown"),
        ("IR-SDE", 31.65, 0.9041, "Y"),
    ]
    assert [row.read_off for row in rain] == [row.method != "IR-SDE" for row in rain]
    for task in ("dehaze", "derain"):
        figures = [row.psnr for row in RESTORATION if row.task == task]
        assert figures == sorted(figures, reverse=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": (4,), "seeds": 0}, "0 seeds measure nothing"),
        ({"steps": (4, 4)}, "asked for twice"),
        ({"steps": (0,)}, "1 step at least, not 0"),
        ({"steps": (4,), "seed": -1}, "from 0, not -1"),
    ],
)
def test_walks_that_make_no_sense(options, message):
    with pytest.raises(UsageError, match=message):
        walks_of(**options)


def test_a_picture_of_another_size_is_refused(pairs):
    def restore(_file, _task, _walk):
        return Restored(np.zeros((8, 8, 3), np.uint8))

    with pytest.raises(InputError, match=r"c came back as uint8 of the shape \(8, 8, 3\)"):
        measure_restoration(pairs, restore, test_set="made", model="m")
    with pytest.raises(UsageError, match="nothing to measure"):
        measure_restoration([], restore, test_set="made", model="m")
