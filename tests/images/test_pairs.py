"""Pairs by name: what belongs together, and what is said where something is missing."""

import pytest
from PIL import Image

from restora.errors import InputError
from restora.images.pairs import Pair, pair_by_stem, pictures_by_stem, sots_key


@pytest.fixture
def folders(tmp_path):
    """A function from the names of two folders' files to the folders."""

    def make(degraded, clean):
        made = tmp_path / "LQ", tmp_path / "GT"
        for folder, names in zip(made, (degraded, clean), strict=True):
            folder.mkdir(exist_ok=True)
            for name in names:
                (folder / name).write_bytes(b"not decoded")
        return made

    return make


def test_pairs_are_by_stem_and_sorted(folders):
    bad, good = folders(["b.png", "a.jpg", "c.1.png"], ["a.png", "c.1.webp", "b.PNG"])
    assert pair_by_stem(bad, good) == [
        Pair("a", bad / "a.jpg", good / "a.png"),
        Pair("b", bad / "b.png", good / "b.PNG"),
        Pair("c.1", bad / "c.1.png", good / "c.1.webp"),
    ]


def test_only_pictures_count(folders):
    bad, good = folders(["a.png", "notes.txt", "._a.png", "a.pt"], ["a.png", "Thumbs.db"])
    (good / "b.png").mkdir()
    assert [pair.stem for pair in pair_by_stem(bad, good)] == ["a"]


def test_a_missing_partner_on_either_side_is_one_message(folders):
    bad, good = folders([f"{n}.png" for n in range(7)], ["0.png", "1.png", "x.png"])
    with pytest.raises(InputError) as caught:
        pair_by_stem(bad, good)
    assert str(caught.value) == (
        f"5 pictures of {bad} have no partner in {good}: 2.png, 3.png, 4.png and 2 more. "
        f"1 picture of {good} has no partner in {bad}: x.png."
    )


def test_two_of_one_stem(folders):
    bad, good = folders(["a.png", "a.jpg"], ["a.png"])
    with pytest.raises(
        InputError, match=r"LQ: pictures are told apart .* and a.png is called like"
    ):
        pair_by_stem(bad, good)


def test_sots_naming(folders):
    bad, good = folders(
        ["0001_0.8_0.2.jpg", "0001_1_0.1.jpg", "0002_0.85_0.16.jpg"], ["0001.png", "0002.png"]
    )
    pairs = pair_by_stem(bad, good, key=sots_key)
    assert [(pair.stem, pair.clean.name) for pair in pairs] == [
        ("0001_0.8_0.2", "0001.png"),
        ("0001_1_0.1", "0001.png"),
        ("0002_0.85_0.16", "0002.png"),
    ]
    with pytest.raises(InputError, match=r"3 pictures of .*LQ have no partner"):
        pair_by_stem(bad, good)


def test_a_key_hides_no_missing_picture(folders):
    bad, good = folders(["0001_0.8_0.2.jpg", "0003_1_1.jpg"], ["0001.png", "0002.png"])
    with pytest.raises(InputError, match=r"0003_1_1\.jpg\. 1 picture of .* 0002\.png\."):
        pair_by_stem(bad, good, key=sots_key)


def test_folders_without_pictures(folders, tmp_path):
    bad, good = folders(["notes.txt"], ["a.png"])
    with pytest.raises(InputError, match=r"LQ: the folder holds no pictures\."):
        pair_by_stem(bad, good)
    with pytest.raises(InputError, match=r"There is no folder .*nowhere\."):
        pair_by_stem(tmp_path / "nowhere", good)
    with pytest.raises(InputError, match="the folder cannot be read"):
        pictures_by_stem(good / "a.png")


def test_a_link_to_a_picture_is_one(folders, tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "real.png")
    bad, good = folders([], ["a.png"])
    (bad / "a.png").symlink_to(tmp_path / "real.png")
    assert [pair.stem for pair in pair_by_stem(bad, good)] == ["a"]
