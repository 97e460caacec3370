from __future__ import annotations

import numpy as np
import pytest

from restora.errors import InputError, UsageError
from restora.semantics.given_captions import EmptyCaptioner, FileCaptioner, StaticCaptioner

TWO = np.zeros((2, 8, 8, 3), np.float32)


def test_texts_from_a_folder_by_stem(tmp_path):
    (tmp_path / "sea.txt").write_text("a grey sea\n")
    (tmp_path / "old.town.txt").write_text("an old\ntown")
    captioner = FileCaptioner(tmp_path)
    assert captioner.caption(TWO, ["x/sea.jpg", "old.town.png"]) == ["a grey sea", "an old town"]


def test_texts_beside_the_pictures(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.txt").write_text(f"photo {name}")
    names = [str(tmp_path / "a.jpg"), str(tmp_path / "b.jpg")]
    assert FileCaptioner().caption(TWO, names) == ["photo a", "photo b"]


def test_a_missing_text_is_named(tmp_path):
    with pytest.raises(InputError, match=r"no caption .*sea\.txt: write it"):
        FileCaptioner(tmp_path).caption(TWO[:1], ["sea.jpg"])


def test_a_text_in_no_known_letters(tmp_path):
    (tmp_path / "sea.txt").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(InputError, match=r"Cannot read the caption .*sea\.txt"):
        FileCaptioner(tmp_path).caption(TWO[:1], ["sea.jpg"])


@pytest.mark.parametrize("names", [None, ["a.jpg"]])
def test_files_need_names(tmp_path, names):
    with pytest.raises(UsageError, match="the name of every picture"):
        FileCaptioner(tmp_path).caption(TWO, names)


def test_a_missing_folder_is_told_at_once(tmp_path):
    with pytest.raises(InputError, match="no folder"):
        FileCaptioner(tmp_path / "nowhere")


def test_the_fingerprint_follows_the_texts(tmp_path):
    (tmp_path / "sea.txt").write_text("a grey sea")
    before = FileCaptioner(tmp_path).fingerprint()
    assert FileCaptioner(tmp_path).fingerprint() == before
    (tmp_path / "sea.txt").write_text("a blue sea")
    assert FileCaptioner(tmp_path).fingerprint() != before


def test_one_caption_for_all_and_none():
    assert StaticCaptioner("a sea").caption(TWO) == ["a sea", "a sea"]
    assert EmptyCaptioner().caption(TWO) == ["", ""]
    prints = {StaticCaptioner("a sea"), StaticCaptioner("a tea"), EmptyCaptioner()}
    assert len({captioner.fingerprint() for captioner in prints}) == 3
