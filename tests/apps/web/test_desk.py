"""A dial that turns fast gives what a restoration gives."""

import pytest

from restora.apps.web.desk import Desk
from restora.engine.wishes import Wishes
from restora.errors import InputError
from restora.images import encode

SETTINGS = [
    {},
    {"quality": 30},
    {"quality": 8, "strength": 40},
    {"constraint": "off"},
    {"constraint": "hard", "strength": 70},
    {"ensemble": 2, "quality": 20},
]


@pytest.fixture
def desk(restorer):
    return Desk(restorer, pixels=10_000, largest=100_000)


def turned(desk, data, id="a", told=None, **settings):
    return desk.restore(
        id, lambda: data, Wishes(**settings), name="a.jpg",
        progress=lambda *done: told.append(done) if told is not None else None,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["plain.jpg", "camera.jpg", "gray.jpg", "inks.jpg", "deep.tif"])
def test_the_same_bytes_as_without_a_desk(name, files, desk, restorer):
    desk.lay("a", restorer.open(files[name]))
    for settings in SETTINGS[: 6 if name == "plain.jpg" else 3]:
        made = turned(desk, files[name], **settings)
        alone = restorer.restore(files[name], Wishes(**settings))
        assert encode(made.picture, format="TIFF") == encode(alone.picture, format="TIFF")
        assert made.inside == alone.inside
        told, expected = made.report(), alone.report()
        assert told.pop("seconds") >= 0
        assert expected.pop("seconds") >= 0
        assert told == expected


def test_other_tasks_too(files, desk, restorer):
    for settings in ({"task": "dehaze", "steps": 1}, {"task": "dehaze", "steps": 1, "strength": 9}):
        made = turned(desk, files["plain.jpg"], **settings)
        alone = restorer.restore(files["plain.jpg"], Wishes(**settings))
        assert encode(made.picture, format="PNG") == encode(alone.picture, format="PNG")


def test_a_turn_does_not_encode_again(jpeg, desk):
    data = jpeg()
    turned(desk, data)
    sheet = desk._sheets["a"]
    session = sheet.session
    turned(desk, data, quality=50)
    turned(desk, data, strength=50, constraint="off")
    assert desk._sheets["a"].session is session
    turned(desk, data, ensemble=2)
    assert desk._sheets["a"].session is not session


def test_what_was_used_longest_ago_makes_room(jpeg, desk):
    for id in ("a", "b", "c"):  # 3072 pixels each, of 10000
        turned(desk, jpeg(), id)
    turned(desk, jpeg(), "a")
    turned(desk, jpeg(), "d")
    assert list(desk._sheets) == ["c", "a", "d"]
    turned(desk, jpeg(80, 80), "e")
    assert list(desk._sheets) == ["d", "e"]
    desk.clear("d")
    desk.clear("never there")
    assert list(desk._sheets) == ["e"]


def test_what_was_laid_down_is_not_read_again(jpeg, desk, restorer):
    desk.lay("a", restorer.open(jpeg()))

    def read():
        raise AssertionError("it was read again")

    desk.restore("a", read, Wishes(), name="a.jpg", progress=lambda *_: None)


def test_too_large_a_picture_is_done_without_memory(jpeg, desk, restorer):
    data = jpeg(96, 112)
    turned(desk, jpeg(), "small")
    desk.lay("large", restorer.open(data))
    assert list(desk._sheets) == ["small"]
    told = []
    for settings in ({}, {"quality": 40}):
        made = turned(desk, data, "large", told, **settings)
        alone = restorer.restore(data, Wishes(**settings))
        assert encode(made.picture, format="PNG") == encode(alone.picture, format="PNG")
    assert list(desk._sheets) == ["small"]
    assert told[-1][0] == told[-1][1] > 0


def test_every_view_of_an_ensemble_counts(jpeg, desk, restorer):
    data = jpeg()  # 3072 pixels, of 10000
    turned(desk, data, ensemble=2)
    assert list(desk._sheets) == ["a"]
    made = turned(desk, data, ensemble=4)
    assert not desk._sheets
    alone = restorer.restore(data, Wishes(ensemble=4))
    assert encode(made.picture, format="PNG") == encode(alone.picture, format="PNG")


def test_enlarged_pixels_count(jpeg, restorer):
    small = Desk(restorer, pixels=10_000, largest=10_000)
    with pytest.raises(InputError, match="has 128×96 pixels, more than the limit of 10,000 pixels"):
        turned(small, jpeg(), task="real", upscale=2, prompt="")
