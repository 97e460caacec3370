"""Which pictures, where to, and what becomes of them."""

import pytest

from restora.engine.batch import Job, find_jobs, run_jobs
from restora.errors import InputError, UsageError


@pytest.fixture
def tree(tmp_path):
    """A folder with pictures at two depths, and things that are none."""
    root = tmp_path / "in"
    for name in ("a.jpg", "sub/b.JPG", "sub/deep/c.png", "Thumbs.db", "note.txt", "._a.jpg"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    return root


def targets(jobs, out):
    return sorted(str(job.target.relative_to(out)) for job in jobs)


def test_a_folder_is_mirrored(tree, tmp_path):
    out = tmp_path / "out"
    assert targets(find_jobs([str(tree)], out, format=None), out) == [
        "a.png", "sub/b.png", "sub/deep/c.png",
    ]  # fmt: skip
    assert targets(find_jobs([str(tree)], out, format="jpg"), out) == [
        "a.jpg", "sub/b.jpg", "sub/deep/c.jpg",
    ]  # fmt: skip
    assert targets(find_jobs([str(tree)], out, format="same"), out) == [
        "a.jpg", "sub/b.JPG", "sub/deep/c.png",
    ]  # fmt: skip


def test_a_pattern(tree, tmp_path):
    out = tmp_path / "out"
    assert targets(find_jobs([str(tree / "**/*.jpg")], out, format=None), out) == ["a.png"]


def test_one_file_to_one_file(tree, tmp_path):
    out = tmp_path / "new.webp"
    assert find_jobs([str(tree / "a.jpg")], out, format=None) == [Job(tree / "a.jpg", out)]


def test_in_place(tree):
    jobs = find_jobs([str(tree / "a.jpg")], None, format=None, in_place=True)
    assert jobs == [Job(tree / "a.jpg", tree / "a.jpg")]


@pytest.mark.parametrize(
    ("inputs", "out", "error", "message"),
    [
        (["a.jpg"], None, UsageError, "Say where the result goes: -o OUT, or --in-place"),
        (["a.jpg"], "a.jpg", UsageError, "would be written over an input"),
        (["a.jpg"], "b.gif", UsageError, "Restora does not write '.gif'"),
        (
            ["nothing.jpg"],
            "out",
            InputError,
            "nothing.jpg: there is no such file, folder or pattern",
        ),
        (["empty"], "out", InputError, "empty: the folder holds no pictures"),
        (["a.jpg", "sub/deep/a.jpg"], "out", UsageError, "would both be written to"),
    ],
)
def test_what_cannot_be(tree, monkeypatch, inputs, out, error, message):
    monkeypatch.chdir(tree)
    (tree / "empty").mkdir()
    (tree / "sub/deep/a.jpg").write_bytes(b"x")
    with pytest.raises(error) as raised:
        find_jobs(inputs, None if out is None else tree / out, format=None)
    assert message in str(raised.value)


def jobs_of(tmp_path, count):
    return [Job(tmp_path / f"{n}.jpg", tmp_path / "out" / f"{n}.png") for n in range(count)]


@pytest.mark.parametrize("workers", [1, 3])
def test_one_bad_picture_never_stops_the_rest(tmp_path, workers):
    def restore(job):
        if job.source.stem == "2":
            raise InputError("2.jpg: is bad.")
        if job.source.stem == "4":
            raise RuntimeError("boom")
        job.target.write_bytes(b"done")
        return {}

    outcomes = list(run_jobs(jobs_of(tmp_path, 6), restore, workers=workers))
    status = {o.job.source.stem: (o.status, o.message) for o in outcomes}
    assert status["2"] == ("failed", "2.jpg: is bad.")
    assert status["4"][0] == "failed"
    assert "unexpected RuntimeError: boom" in status["4"][1]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "0.png", "1.png", "3.png", "5.png",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("existing", "status", "content"),
    [("refuse", "failed", b"old"), ("skip", "skipped", b"old"), ("overwrite", "restored", b"new")],
)
def test_results_that_are_there(tmp_path, existing, status, content):
    job = jobs_of(tmp_path, 1)[0]
    job.target.parent.mkdir()
    job.target.write_bytes(b"old")

    def restore(job):
        job.target.write_bytes(b"new")
        return {}

    (outcome,) = run_jobs([job], restore, existing=existing)
    assert outcome.status == status
    assert job.target.read_bytes() == content
    if existing == "refuse":
        assert "use --overwrite or --skip-existing" in outcome.message


def test_an_output_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    job = Job(tmp_path / "a.jpg", tmp_path / "file" / "a.png")
    (outcome,) = run_jobs([job], lambda job: {})
    assert outcome.status == "failed"
    assert "the folder cannot be made" in outcome.message


def test_suffix_and_format_must_agree(tree, tmp_path):
    with pytest.raises(UsageError, match=r"its suffix promises PNG, but --format says jpeg"):
        find_jobs([str(tree / "a.jpg")], tmp_path / "o.png", format="jpeg")
