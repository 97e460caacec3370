"""Which pictures, and where their results go."""

from pathlib import Path

import pytest

from restora.engine.jobs import Job, find_jobs
from restora.errors import InputError, UsageError
from restora.images import read_file


@pytest.fixture
def tree(tmp_path):
    """A folder with pictures at two depths, and things that are none."""
    root = tmp_path / "in"
    for name in ("a.jpg", "sub/b.JPG", "sub/deep/c.png", "Thumbs.db", "note.txt", "._a.jpg"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    return root


def targets(found, out):
    return sorted(str(job.target.relative_to(out)) for job in found.jobs)


@pytest.mark.parametrize(
    ("format", "expected"),
    [
        (None, ["a.png", "sub/b.png", "sub/deep/c.png"]),
        ("jpg", ["a.jpg", "sub/b.jpg", "sub/deep/c.jpg"]),
        ("same", ["a.jpg", "sub/b.JPG", "sub/deep/c.png"]),
    ],
)
def test_a_folder_is_mirrored(tree, tmp_path, format, expected):
    out = tmp_path / "out"
    assert targets(find_jobs([str(tree)], out, format=format), out) == expected


def test_a_pattern(tree, tmp_path):
    out = tmp_path / "out"
    assert targets(find_jobs([str(tree / "**/*.jpg")], out, format=None), out) == ["a.png"]


def test_a_name_with_brackets_is_a_name_first(tree, tmp_path):
    (tree / "[a].jpg").write_bytes(b"x")
    found = find_jobs([str(tree / "[a].jpg")], tmp_path / "out.png", format=None)
    assert found.jobs == [Job(tree / "[a].jpg", tmp_path / "out.png")]


def test_one_file_to_one_file(tree, tmp_path):
    out = tmp_path / "new.webp"
    assert find_jobs([str(tree / "a.jpg")], out, format=None).jobs == [Job(tree / "a.jpg", out)]


def test_in_place(tree):
    found = find_jobs([str(tree / "a.jpg")], None, format=None, in_place=True)
    assert found.jobs == [Job(tree / "a.jpg", tree / "a.jpg")]


@pytest.mark.parametrize("in_place", [True, False])
def test_a_picture_named_twice_is_restored_once(tree, tmp_path, in_place):
    inputs = [str(tree / "a.jpg"), str(tree / "sub/../a.jpg"), str(tree / "*.jpg")]
    out = None if in_place else tmp_path / "out"
    assert len(find_jobs(inputs, out, format=None, in_place=in_place).jobs) == 1


def test_clashing_names_keep_their_old_suffix(tree, tmp_path):
    (tree / "a.png").write_bytes(b"x")
    out = tmp_path / "out"
    assert targets(find_jobs([str(tree)], out, format=None), out) == [
        "a.jpg.png", "a.png.png", "sub/b.png", "sub/deep/c.png",
    ]  # fmt: skip


def test_names_that_differ_in_case_alone_keep_their_suffix(tmp_path):
    """On many disks they are one name."""
    for name in ("A.jpg", "a.webp", "B.jpg", "b.jpg", "c.jpg"):
        (tmp_path / name).touch()
    jobs = find_jobs([str(tmp_path)], tmp_path / "out", format=None).jobs
    assert [job.target.name for job in jobs] == [
        "A.jpg.png", "B.jpg.png", "a.webp.png", "b.jpg.png", "c.png",
    ]  # fmt: skip


def test_a_longer_name_may_clash_as_well(tmp_path):
    for name in ("x.jpg", "x.png", "x.jpg.png", "y.jpg"):
        (tmp_path / name).write_bytes(b"x")
    out = tmp_path / "out"
    found = find_jobs([str(tmp_path)], out, format=None)
    assert {job.source.name: job.target.name for job in found.jobs} == {
        "x.jpg": "x.jpg.png", "x.png": "x.png.png", "x.jpg.png": "x.jpg.png.png", "y.jpg": "y.png",
    }  # fmt: skip


@pytest.mark.parametrize("in_place", [True, False])
def test_links_in_a_circle_are_a_job_that_will_fail(tree, tmp_path, in_place):
    (tree / "loop.jpg").symlink_to("loop.jpg")
    (tree / "folder").symlink_to("folder")
    out = None if in_place else tmp_path / "out"
    inputs = [str(tree / "loop.jpg"), str(tree)]
    found = find_jobs(inputs, out, format=None, in_place=in_place)
    assert sorted(job.source.name for job in found.jobs) == ["a.jpg", "b.JPG", "c.png", "loop.jpg"]
    with pytest.raises(InputError, match=r"loop\.jpg cannot be read \("):
        read_file(tree / "loop.jpg")


def test_results_of_an_earlier_run_are_no_inputs(tree):
    out = tree / "out"
    out.mkdir()
    (out / "a.png").write_bytes(b"x")
    found = find_jobs([str(tree)], out, format=None)
    assert targets(found, out) == ["a.png", "sub/b.png", "sub/deep/c.png"]


def test_an_input_that_is_not_there_stops_no_other(tree, tmp_path):
    found = find_jobs([str(tree / "a.jpg"), "nothing.jpg"], tmp_path / "out", format=None)
    assert len(found.jobs) == 1
    assert found.unusable == [
        ("nothing.jpg", "nothing.jpg: there is no such file, folder or pattern of files.")
    ]


def test_a_folder_that_cannot_be_read_is_named(tree, tmp_path, monkeypatch):
    import os

    real = os.scandir

    def scandir(path):
        if Path(path).name == "deep":  # permissions do not bind root, so the refusal is made here
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    found = find_jobs([str(tree)], tmp_path / "out", format=None)
    assert targets(found, tmp_path / "out") == ["a.png", "sub/b.png"]
    assert "deep: the folder cannot be read (Permission denied)." in found.unusable[0][1]


@pytest.mark.parametrize(
    ("inputs", "out", "format", "error", "message"),
    [
        (["a.jpg"], None, None, UsageError, "Say where the result goes: -o OUT, or --in-place"),
        (["a.jpg"], "a.jpg", None, UsageError, "would be written over an input"),
        (["a.jpg"], "b.gif", None, UsageError, "Restora does not write '.gif'"),
        (["a.jpg"], "o.png", "jpeg", UsageError, "promises PNG, but --format says jpeg"),
        (["a.jpg", "sub/b.JPG"], "o.png", None, UsageError, "one picture, but there are 2"),
        (["nothing.jpg"], "out", None, InputError, "nothing.jpg: there is no such file"),
        (["n" * 300 + ".jpg"], "out", None, InputError, "there is no such file"),
        (["empty"], "out", None, InputError, "empty: the folder holds no pictures"),
        (["a.jpg", "x/a.jpg"], "out", None, UsageError, "would both be written to"),
    ],
)
def test_what_cannot_be(tree, monkeypatch, inputs, out, format, error, message):
    monkeypatch.chdir(tree)
    (tree / "empty").mkdir()
    (tree / "x").mkdir()
    (tree / "x/a.jpg").write_bytes(b"x")
    with pytest.raises(error) as raised:
        find_jobs(inputs, None if out is None else tree / out, format=format)
    assert message in str(raised.value)


@pytest.mark.parametrize(("out", "format"), [("out", None), (None, "png"), ("out", "png")])
def test_in_place_takes_no_output(tree, out, format):
    with pytest.raises(UsageError, match="it takes neither -o nor --format"):
        find_jobs([str(tree)], None if out is None else Path(out), format=format, in_place=True)
