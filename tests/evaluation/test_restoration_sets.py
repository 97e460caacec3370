"""Where pairs lie, and what pairs them."""

import json

import numpy as np
import pytest
from PIL import Image

from restora.errors import InputError, UsageError
from restora.evaluation.metrics import psnr
from restora.evaluation.restoration_sets import (
    RestorationPair,
    find_pairs,
    folder_pairs,
    known_inputs,
)
from restora.networks.sr_diff.tasks import TASKS


def put(path, level=100, size=(24, 20)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (level, level // 2, 255 - level)).save(path)


def names(pairs):
    return [(pair.task, pair.name) for pair in pairs]


@pytest.fixture
def data(tmp_path):
    for name in ("a", "b"):
        for kind in ("gt", "haze", "rain", "motion", "lowlight"):
            put(tmp_path / "pairs_made" / kind / f"{name}.png")
    put(tmp_path / "pairs_real" / "derain" / "input" / "1.png")
    put(tmp_path / "pairs_real" / "derain" / "target" / "1.png")
    put(tmp_path / "pairs_real" / "dehaze" / "input" / "0001_0.8_0.2.jpg")
    put(tmp_path / "pairs_real" / "dehaze" / "target" / "0001.png")
    put(tmp_path / "live1_color" / "x.png", size=(64, 48))
    put(tmp_path / "live1_color" / "y.png", size=(64, 48))
    return tmp_path


def test_made_pairs(data):
    pairs = find_pairs("made", data)
    assert names(pairs) == [(task, name) for task in TASKS for name in "ab"]
    assert pairs[4].degraded == data / "pairs_made" / "motion" / "a.png"
    assert {pair.clean.parent.name for pair in pairs} == {"gt"}
    assert names(find_pairs("made", data, tasks=("lowlight", "dehaze"), limit=1)) == [
        ("dehaze", "a"),
        ("lowlight", "a"),
    ]


def test_real_pairs_are_named_as_their_sets_name_them(data):
    pairs = find_pairs("real", data)
    assert names(pairs) == [("dehaze", "0001_0.8_0.2"), ("derain", "1")]
    assert pairs[0].clean == data / "pairs_real" / "dehaze" / "target" / "0001.png"
    with pytest.raises(UsageError, match="no pairs for deblur"):
        find_pairs("real", data, tasks=("deblur",))


def test_synthetic_pairs_are_damaged_alike_every_time(data):
    first, second = (find_pairs("synthetic", data, tasks=("lowlight", "derain")) for _ in "ab")
    assert names(first) == [("derain", "x"), ("derain", "y"), ("lowlight", "x"), ("lowlight", "y")]
    loaded = [pair.load() for pair in first]
    for (clean, bad, file), (_, again, _) in zip(loaded, (p.load() for p in second), strict=True):
        assert np.array_equal(bad, again)
        assert clean.shape == bad.shape == (48, 64, 3)
        assert psnr(clean, bad) < 45
        assert file.startswith(b"\x89PNG")
    assert not np.array_equal(loaded[2][1], loaded[3][1])  # of one content, but named otherwise
    (limited,) = find_pairs("synthetic", data, tasks=("lowlight",), limit=1)
    assert np.array_equal(limited.load()[1], loaded[2][1])  # a part is damaged as the whole is
    (other,) = find_pairs("synthetic", data, tasks=("lowlight",), limit=1, seed=5)
    assert not np.array_equal(other.load()[1], loaded[2][1])


@pytest.mark.parametrize(
    ("bad", "good"),
    [
        ("LQ/a.png", "GT/a.png"),
        ("hazy/0012_0.9_0.16.jpg", "GT/0012.png"),
        ("rainy/rain-001.png", "norain/norain-001.png"),
        ("low/7.png", "high/7.png"),
        ("GOPR0384/blur/000047.png", "GOPR0384/sharp/000047.png"),
    ],
)
def test_layouts_of_published_sets(tmp_path, bad, good):
    put(tmp_path / bad)
    put(tmp_path / good)
    (pair,) = folder_pairs(tmp_path, tasks=("derain",))
    assert (pair.task, pair.degraded, pair.clean) == ("derain", tmp_path / bad, tmp_path / good)


def test_scenes_tell_pictures_of_one_name_apart(tmp_path):
    for scene in ("s1", "s2"):
        for kind in ("blur", "sharp"):
            put(tmp_path / scene / kind / "1.png")
    assert names(folder_pairs(tmp_path, tasks=("deblur",))) == [
        ("deblur", "s1-1"),
        ("deblur", "s2-1"),
    ]


def test_the_layout_of_the_authors_tells_the_tasks(tmp_path):
    for kind in ("hazy", "low-light"):
        for part in ("LQ", "GT"):
            put(tmp_path / kind / part / "a.png")
    assert names(folder_pairs(tmp_path)) == [("dehaze", "a"), ("lowlight", "a")]
    assert names(folder_pairs(tmp_path, tasks=("lowlight",))) == [("lowlight", "a")]


def test_what_does_not_fit_is_told(tmp_path):
    put(tmp_path / "before" / "a.png")
    put(tmp_path / "after" / "a.png")
    with pytest.raises(UsageError, match="--names takes others"):
        folder_pairs(tmp_path, tasks=("derain",))
    unusual = ("before", "after")
    assert len(folder_pairs(tmp_path, tasks=("derain",), names=unusual)) == 1
    with pytest.raises(UsageError, match="--task says"):
        folder_pairs(tmp_path, names=unusual)
    put(tmp_path / "before" / "b.png")
    with pytest.raises(InputError, match="no partner"):
        folder_pairs(tmp_path, tasks=("derain",), names=unusual)
    with pytest.raises(InputError, match="There is no folder"):
        folder_pairs(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="limit of 0"):
        find_pairs("made", tmp_path, limit=0)


def test_two_of_a_pair_are_of_one_size(tmp_path):
    put(tmp_path / "a.png", size=(24, 20))
    put(tmp_path / "b.png", size=(24, 21))
    pair = RestorationPair("derain", "a", tmp_path / "a.png", tmp_path / "b.png")
    with pytest.raises(InputError, match=r"has 24×21 pixels and .* 24×20"):
        pair.load()


def test_the_list_that_came_with_the_made_pairs(data):
    assert known_inputs(data) == {}
    row = {"file": "a.webp", "kind": "motion", "input_psnr": 20.5}
    path = data / "pairs_made" / "params.jsonl"
    path.write_text(json.dumps(row) + "\n")
    assert known_inputs(data) == {("deblur", "a"): 20.5}
    path.write_text("{}\n")
    with pytest.raises(InputError, match="cannot be read"):
        known_inputs(data)
