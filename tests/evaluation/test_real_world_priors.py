"""What each prior is worth, by walks without it."""

import numpy as np
import pytest
from PIL import Image

from restora.errors import UsageError
from restora.evaluation.real_world import RealFidelity
from restora.evaluation.real_world_priors import Middle, measure_priors
from restora.evaluation.real_world_sets import clean_pictures, synthetic_cases
from restora.evaluation.real_world_tables import real_world_grids

LOSS = {None: 2.0, "image": 4.0, "pixel": 6.0, "control": 20.0}


class Leaning:
    """Knows the clean pictures, and is off by more without a part, and by wrong words."""

    parts = ("text", "image", "pixel", "control")
    has_front = True
    multiple_px = 8

    def __init__(self, clean):
        self.clean = clean
        self.tokens_of = []

    def caption(self, degraded):
        assert degraded.shape == (40, 48, 3)  # of the whole
        return f"brightness {round(float(degraded.mean()))}"

    def tokens(self, degraded):
        self.tokens_of.append(degraded.shape)
        return np.full((1, 2, 3), degraded.mean(), np.float32)

    def restore(self, degraded, tokens, words, *, without=None):
        assert degraded.shape == (32, 32, 3)
        number = int(np.argmin([abs(m.mean() - tokens.mean()) for m in self.clean]))
        right = f"brightness {round(float(tokens.mean()))}"
        off = LOSS[without] + (0 if words == right else 1 if words is None else 3)
        return (self.clean[number][4:36, 8:40] + off).astype(np.uint8)

    def processed(self, degraded):
        return degraded


@pytest.fixture
def photos(tmp_path):
    rng = np.random.default_rng(0)
    for number, name in enumerate("abc"):
        pixels = rng.integers(50 + 40 * number, 90 + 40 * number, (40, 48, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    return tmp_path


def brighter(clean, seed, setting):
    return (clean + np.uint8(setting.scale)).astype(np.uint8)


def measured(photos, network=None):
    clean = [np.asarray(Image.open(path)) for path in sorted(photos.glob("*.png"))]
    cases = synthetic_cases(clean_pictures("", photos, folder=photos), brighter)
    return measure_priors(
        cases, network or Leaning(clean), [RealFidelity()], test_set="s", model="m", side_px=39
    )


def test_each_part_is_left_out(photos):
    report = measured(photos)
    assert report.methods == (
        "input", "full", "no caption", "wrong words", "no image tokens", "no pixel attention",
        "no structure", "Processor alone",
    )  # fmt: skip
    scores = {name: report.mean("x1 light", name, "psnr") for name in report.methods}
    assert scores["full"] > scores["no caption"] > scores["wrong words"] > scores["no structure"]
    assert scores["full"] > scores["no image tokens"] > scores["no pixel attention"]
    assert scores["Processor alone"] == scores["input"]  # which this one leaves as it is
    loss = {d.method: d for d in report.differences
            if (d.setting, d.base, d.score) == (None, "full", "psnr")}  # fmt: skip
    assert loss["no structure"].high < loss["wrong words"].low < 0
    assert loss["no structure"].mean == pytest.approx(20 * np.log10(2 / 20), abs=1e-9)


def test_the_table_of_differences_is_over_all_damage(photos):
    means, steps = real_world_grids(measured(photos))
    assert means.title == "priors on s, m"
    assert "s/MP" not in means.heading
    assert {row[0] for row in steps.measured} == {"all"}
    assert [row[1] for row in steps.measured][:2] == ["no caption − full", "wrong words − full"]
    assert "full − input" in [row[1] for row in steps.measured]
    assert any(note.startswith("no structure: what the ControlNet adds") for note in means.notes)


def test_parts_a_network_does_not_have_are_not_asked_for(photos):
    class Plain(Leaning):
        parts = ("control",)
        has_front = False

    network = Plain([np.asarray(Image.open(path)) for path in sorted(photos.glob("*.png"))])
    assert measured(photos, network).methods == ("input", "full", "no structure")


def test_wrong_words_need_another_picture(photos):
    for name in "bc":
        (photos / f"{name}.png").unlink()
    with pytest.raises(UsageError, match="described otherwise than a; take more"):
        measured(photos)


def test_a_picture_too_small_is_told(photos):
    (case, *_) = synthetic_cases(clean_pictures("", photos, folder=photos), brighter)
    assert Middle(case, None, 16).load().clean.shape == (32, 48, 3)
    with pytest.raises(UsageError, match="a has no 64 pixels"):
        Middle(case, None, 64).load()
