"""The same walks by other contexts, and how sure the differences are."""

import numpy as np
import pytest
from PIL import Image

from restora.errors import UsageError
from restora.evaluation.context_ablation import (
    CONTEXTS,
    ContextReport,
    bootstrap,
    context_grids,
    measure_contexts,
)
from restora.evaluation.metrics import psnr
from restora.evaluation.restoration_sets import RestorationPair

HELP = {"none": 0.5, "raw": 0.6, "refined": 0.8, "oracle": 0.9}


class Brightener:
    """Restores darkness as far as its context tells it to; the noise is that of its seed."""

    def __init__(self):
        self.seeds = []

    def contexts(self, degraded, clean):
        assert degraded.mean() < clean.mean()
        told = {name: share for name, share in HELP.items() if name != "none"}
        return {name: np.full((1, 1, 2), share, np.float32) for name, share in told.items()}

    def restore(self, degraded, task, context, *, steps, seed):
        assert (task, steps) == ("lowlight", 4)
        self.seeds.append(seed)
        share = float(context.mean()) or HELP["none"]
        noise = np.random.default_rng(seed).normal(0, 1, degraded.shape)
        return (degraded * 2 * share + noise).clip(0, 255).astype(np.uint8)


@pytest.fixture
def pairs(tmp_path):
    found = []
    for number in range(4):
        rng = np.random.default_rng(number)
        clean = rng.integers(100, 200, (40, 44, 3)).astype(np.uint8)
        Image.fromarray(clean).save(tmp_path / f"{number}.png")
        Image.fromarray(clean // 2).save(tmp_path / f"{number}-dark.png")
        paths = (tmp_path / f"{number}.png", tmp_path / f"{number}-dark.png")
        found.append(RestorationPair("lowlight", str(number), *paths))
    return found


def test_contexts_are_compared_on_equal_noise(pairs):
    network, seen = Brightener(), []
    report = measure_contexts(
        pairs, network, model="m", test_set="s", steps=4, seeds=(0, 1), side_px=32,
        progress=lambda *at: seen.append(at),
    )  # fmt: skip
    assert seen[-1] == (4 * 5 * 2, 4 * 5 * 2)
    assert len(set(network.seeds)) == 4 * 2  # one for each picture and seed, whatever the context
    for row in report.rows:
        assert tuple(row.psnr) == tuple(CONTEXTS)
        scores = [row.psnr[name] for name in ("none", "raw", "refined", "oracle")]
        assert scores == sorted(scores)
        assert row.psnr["other"] == row.psnr["refined"]  # all pictures are told the same here
    with Image.open(pairs[0].clean) as clean, Image.open(pairs[0].degraded) as dark:
        middle = (slice(4, 36), slice(6, 38))
        expected = psnr(np.asarray(clean)[middle], np.asarray(dark)[middle])
    assert report.rows[0].before == expected
    assert ContextReport.model_validate_json(report.model_dump_json()) == report

    means, steps = context_grids(report)
    assert means.measured[0][:2] == ("lowlight", "4")
    assert steps.heading[1:] == (
        *("other - none", "raw - none", "refined - none", "oracle - none"),
        *("refined - other", "refined - raw"),
    )
    (line,) = steps.measured  # one task: no line for all
    mean, low, high = (float(text.strip("[],")) for text in line[3].split())
    assert 0 < low <= mean <= high
    assert mean == pytest.approx(np.mean(report.differences("refined", "none")), abs=6e-4)
    assert line[5] == "+0.000 [+0.000, +0.000]"


def test_intervals_cover_the_mean_as_often_as_they_say():
    rng = np.random.default_rng(0)
    hits = 0
    for number in range(100):
        low, high = bootstrap(rng.normal(1, 2, 40), seed=number)
        hits += low <= 1 <= high
    assert 87 <= hits <= 100
    narrow, wide = (bootstrap(rng.normal(0, spread, 40)) for spread in (0.1, 10))
    assert narrow[1] - narrow[0] < 0.1 * (wide[1] - wide[0])
    assert bootstrap([1.0, 2.0, 4.0]) == bootstrap([1.0, 2.0, 4.0])


def test_pictures_count_once_over_all_tasks(pairs):
    report = measure_contexts(pairs, Brightener(), model="m", test_set="s", steps=4)
    again = [
        row.model_copy(update={"task": "derain", "psnr": {**row.psnr, "raw": row.psnr["none"]}})
        for row in report.rows
    ]
    both = report.model_copy(update={"rows": (*report.rows, *again)})
    assert len(both.differences("raw", "none")) == 4
    assert np.allclose(
        both.differences("raw", "none"), np.array(report.differences("raw", "none")) / 2
    )
    assert [line[0] for line in context_grids(both)[1].measured] == ["derain", "lowlight", "all"]


def test_one_picture_has_no_other(pairs):
    with pytest.raises(UsageError, match="lowlight has one"):
        measure_contexts(pairs[:1], Brightener(), model="m", test_set="s", steps=4)
    with pytest.raises(UsageError, match="no picture"):
        measure_contexts([], Brightener(), model="m", test_set="s", steps=4)
    with pytest.raises(UsageError, match="no seed"):
        measure_contexts(pairs, Brightener(), model="m", test_set="s", steps=4, seeds=())
