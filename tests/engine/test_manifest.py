"""A manifest: what is claimed, what is to be done, what is noted; and that nothing is lost."""

import hashlib
import json
import sqlite3
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from restora.engine.archive import LocalArchive
from restora.engine.batch import Outcome
from restora.engine.listing import Listed
from restora.engine.manifest import PAGE, Manifest
from restora.errors import InputError, OutputError, UsageError

SETTINGS = {"strength": 100, "weights": {"a": "1"}}


def plan(manifest, listed, archive, *, settings=SETTINGS, existing="refuse"):
    manifest.plan(
        listed,
        settings=settings,
        root=archive.root,
        format=settings.get("format"),
        sizes=archive.sizes(),
        real=archive.real,
        existing=existing,
    )


class Run:
    """Runs over a folder whose restoration is a word before the bytes."""

    def __init__(self, folder):
        self.inputs, self.out = folder / "in", folder / "out"
        self.inputs.mkdir()
        self.named = []  # where not all the inputs
        self.archive = LocalArchive(self.out)

    def write(self, name, data):
        path = self.inputs / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def open(self, existing="refuse", chosen=SETTINGS):
        manifest = Manifest(self.archive.manifest)
        try:
            plan(
                manifest,
                self.archive.listed([str(each) for each in self.named or [self.inputs]], []),
                self.archive,
                settings=chosen,
                existing=existing,
            )
        except BaseException:
            manifest.__exit__()
            raise
        return manifest

    def go(self, *, existing="refuse", stop_after=None, chosen=SETTINGS):
        """One run; its last picture may be written and never noted. Returns what was made."""
        made = []
        with self.open(existing, chosen) as manifest:
            for item in manifest.waiting():
                data = Path(item.source).read_bytes()
                known = hashlib.sha256(data).hexdigest()
                if item.known == known:
                    manifest.record(Outcome(item, "skipped", "the same"))
                    continue
                target = self.out / item.target
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(b"restored " + data)
                made.append(item.target)
                if len(made) == stop_after:
                    return made
                report = {
                    "input_sha256": known,
                    "output_sha256": hashlib.sha256(b"restored " + data).hexdigest(),
                    "output_bytes": len(data) + 9,
                    "seconds": 0.5,
                    "plan": {"quality": 10},
                    "notes": ["odd"],
                }
                manifest.record(Outcome(item, "restored", report=report))
        return made

    def results(self):
        return {
            path.relative_to(self.out).as_posix(): path.read_bytes()
            for path in self.out.rglob("*")
            if path.is_file() and "manifest" not in path.name
        }

    def rows(self):
        with sqlite3.connect(self.archive.manifest) as database:
            database.row_factory = sqlite3.Row
            return {row["target"]: dict(row) for row in database.execute("SELECT * FROM manifest")}


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path)


def test_a_row_tells_all_about_its_picture(run):
    run.write("sub/a.jpg", b"one")
    assert run.go() == ["sub/a.png"]
    (row,) = run.rows().values()
    assert row["source"] == str((run.inputs / "sub/a.jpg").resolve())
    assert row["status"] == "restored"
    assert row["input_sha256"] == hashlib.sha256(b"one").hexdigest()
    assert row["output_sha256"] == hashlib.sha256(b"restored one").hexdigest()
    assert row["output_bytes"] == 12
    assert json.loads(row["plan"]) == {"quality": 10}
    assert json.loads(row["report"]) == {"notes": ["odd"]}
    assert row["seconds"] == 0.5
    assert row["error"] == ""


def test_a_second_run_does_what_is_missing_failed_or_changed(run):
    for name in ("kept.jpg", "missing.jpg", "changed.jpg", "touched.jpg", "failed.jpg"):
        run.write(name, name.encode())
    run.go()
    (run.out / "missing.png").unlink()
    run.write("changed.jpg", b"another picture")
    (run.inputs / "touched.jpg").touch()
    with run.open() as manifest:
        waiting = {item.target: item for item in manifest.waiting()}
        manifest.record(Outcome(waiting["missing.png"], "failed", "It is bad."))
        touched = (run.inputs / "touched.jpg").read_bytes()
        assert waiting["touched.png"].known == hashlib.sha256(touched).hexdigest()
        manifest.record(Outcome(waiting["touched.png"], "skipped", "the same"))
    assert sorted(waiting) == ["changed.png", "missing.png", "touched.png"]
    assert run.rows()["missing.png"]["error"] == "It is bad."
    run.write("new.jpg", b"new")
    assert run.go() == ["changed.png", "missing.png", "new.png"]
    assert run.go() == []
    assert run.rows()["missing.png"]["error"] == ""
    assert run.results()["changed.png"] == b"restored another picture"


def test_pages_come_one_after_the_other_while_rows_change(run):
    listed = [Listed(f"/in/{number:05}.jpg", f"{number:05}.jpg", "") for number in range(2 * PAGE)]
    with Manifest(run.archive.manifest) as manifest:
        plan(manifest, listed, run.archive)
        seen = []
        for item in manifest.waiting():
            seen.append(item.source)
            manifest.record(Outcome(item, "failed", "no"))
        assert seen == [each.source for each in listed]
        assert manifest.count("failed") == len(listed)


def test_a_file_of_somebody_else_is_never_touched(run):
    run.write("a.jpg", b"a")
    run.out.mkdir()
    (run.out / "a.png").write_bytes(b"precious")
    for existing, status in (("refuse", "failed"), ("skip", "skipped"), ("refuse", "failed")):
        assert run.go(existing=existing) == []
        assert run.rows()["a.png"]["status"] == status
        assert run.results() == {"a.png": b"precious"}
    with run.open() as manifest:
        assert [(status, error) for status, _, error in manifest.refused()] == [
            ("failed", "a.png: exists already; use --overwrite or --skip-existing.")
        ]
    assert run.go(existing="overwrite") == ["a.png"]
    assert run.go() == []


def test_a_result_that_somebody_worked_on_is_not_made_again(run):
    run.write("a.jpg", b"a")
    run.go()
    (run.out / "a.png").write_bytes(b"retouched by hand")
    assert run.go() == []
    assert run.rows()["a.png"]["error"] == (
        "a.png: was changed after it was written; use --overwrite or --skip-existing."
    )
    assert run.results() == {"a.png": b"retouched by hand"}
    assert run.go(existing="overwrite") == ["a.png"]
    assert run.results() == {"a.png": b"restored a"}


def test_a_file_that_takes_the_name_of_a_result_that_failed_is_not_touched(run):
    run.write("a.jpg", b"a")
    with run.open() as manifest:
        for item in manifest.waiting():
            manifest.record(Outcome(item, "failed", "It is bad."))
    (run.out / "a.png").write_bytes(b"precious")
    run.write("a.jpg", b"whole")
    for _ in range(2):
        assert run.go() == []
        assert run.results() == {"a.png": b"precious"}
    assert run.rows()["a.png"]["error"].startswith("a.png: exists already; use --overwrite")
    assert run.go(existing="overwrite") == ["a.png"]


def test_a_file_that_takes_the_name_of_a_planned_result_is_not_touched(run):
    run.write("a.jpg", b"a")
    run.open().__exit__()
    (run.out / "a.png").write_bytes(b"precious")
    assert run.go() == []
    assert run.results() == {"a.png": b"precious"}


def test_an_input_with_the_name_of_a_result_that_failed_is_an_input(tmp_path):
    run = Run(tmp_path)
    run.out = run.inputs
    run.archive = LocalArchive(run.inputs)
    run.write("x.jpg", b"bad")
    with run.open() as manifest:
        for item in manifest.waiting():
            manifest.record(Outcome(item, "failed", "It is bad."))
    run.write("x.png", b"another picture")
    run.write("x.jpg", b"whole")
    assert run.go() == ["x.png.png"]
    assert (run.inputs / "x.png").read_bytes() == b"another picture"


def test_a_retouched_result_is_not_made_again_though_its_picture_changed(run):
    run.write("a.jpg", b"a")
    run.go()
    run.write("a.jpg", b"another")
    run.open().__exit__()  # a run that dies before it begins
    (run.out / "a.png").write_bytes(b"retouched by hand")
    assert run.go() == []
    assert run.results() == {"a.png": b"retouched by hand"}


def test_photos_that_moved_are_known_again(run, tmp_path):
    run.write("a.jpg", b"1")
    run.write("b.jpg", b"2")
    run.write("b.webp", b"3")
    run.go()
    before = run.results()
    run.inputs = run.inputs.rename(tmp_path / "elsewhere")
    assert run.go() == []
    assert run.results() == before
    assert {Path(row["source"]).parent for row in run.rows().values()} == {run.inputs.resolve()}


def test_other_photos_of_the_same_names_keep_the_results_of_the_first(run, tmp_path):
    run.write("a.jpg", b"1")
    run.go()
    run.inputs.rename(tmp_path / "elsewhere")
    run.inputs = tmp_path / "in2"
    run.write("a.jpg", b"another")
    assert run.go() == ["a.jpg.png"]
    assert run.results() == {"a.png": b"restored 1", "a.jpg.png": b"restored another"}


def test_names_that_differ_in_case_alone_keep_their_suffix(run):
    """On many disks they are one name."""
    run.write("A.jpg", b"1")
    run.write("a.webp", b"2")
    assert run.go() == ["A.jpg.png", "a.webp.png"]
    run.write("s/B.jpg", b"3")
    run.write("s/b.jpg", b"4")  # this disk tells them apart, so it takes both results
    assert run.go() == ["s/B.jpg.png", "s/b.jpg.png"]


def test_names_that_clash_keep_their_suffix_and_never_move_an_older_one(run):
    run.write("a.jpg", b"1")
    run.write("b.jpg", b"2")
    run.write("b.webp", b"3")
    assert sorted(run.go()) == ["a.png", "b.jpg.png", "b.webp.png"]
    run.write("a.webp", b"4")
    assert run.go() == ["a.webp.png"]
    assert run.results()["a.png"] == b"restored 1"


def test_two_pictures_of_one_name_are_refused_and_nothing_is_claimed(run, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "a.jpg").write_bytes(b"2")
    run.write("a.jpg", b"1")
    inputs = [str(run.inputs), str(other)]
    with Manifest(run.archive.manifest) as manifest:
        with pytest.raises(UsageError, match=r"a\.jpg would both be written to a\.jpg\.png; rest"):
            plan(manifest, run.archive.listed(inputs, []), run.archive)
        assert list(manifest.waiting()) == []
    assert run.rows() == {}


def test_a_result_never_goes_over_an_input(run):
    """However its folder is called."""
    run.write("sub/a.png", b"1")
    run.out.mkdir()
    (run.out / "sub").symlink_to(run.inputs / "sub")
    assert run.go() == []
    assert run.rows()["sub/a.png"]["error"].startswith("sub/a.png: exists already")
    with pytest.raises(UsageError, match=r"sub/a\.png: the result would be written over an inp"):
        run.go(existing="overwrite")
    assert (run.inputs / "sub/a.png").read_bytes() == b"1"


def test_an_input_that_stood_in_the_way_is_no_result_when_it_is_named_itself(tmp_path):
    run = Run(tmp_path)
    run.out = run.inputs
    run.archive = LocalArchive(run.inputs)
    run.write("a.jpg", b"1")
    run.write("a.png", b"2")
    run.named = [run.inputs / "a.jpg"]
    assert run.go() == []
    assert run.rows()["a.png"]["error"].startswith("a.png: exists already;")
    run.named = []
    with pytest.raises(UsageError, match=r"in/a\.png: the result would be written over an input"):
        run.go(existing="overwrite")
    assert (run.inputs / "a.png").read_bytes() == b"2"
    assert run.go() == ["a.png.png"]


def test_results_beside_their_inputs_are_no_inputs_of_the_next_run(tmp_path):
    run = Run(tmp_path)
    run.out = run.inputs
    run.archive = LocalArchive(run.inputs)
    run.write("a.jpg", b"1")
    assert run.go() == ["a.png"]
    assert run.go() == []


def test_other_settings_are_told_and_make_all_again_if_asked(run):
    run.write("a.jpg", b"1")
    run.go()
    other = {"strength": 50, "weights": {"a": "1"}}
    with pytest.raises(UsageError) as refused:
        run.go(chosen=other)
    assert str(refused.value) == (
        "The results were made with other settings (strength 100, now 50): choose another -o, "
        "or make all of them again with --overwrite."
    )
    assert run.go() == []
    assert run.go(chosen=other, existing="overwrite") == ["a.png"]
    assert run.go(chosen=other) == []


def test_another_format_needs_another_folder(run):
    run.write("a.jpg", b"1")
    run.go()
    with pytest.raises(
        UsageError, match=r"settings \(format not given, now jpeg\): choose another -o\.$"
    ):
        run.go(chosen=SETTINGS | {"format": "jpeg"}, existing="overwrite")
    assert run.go() == []


def test_a_run_that_comes_to_nothing_settles_nothing(run):
    assert run.go(chosen={"strength": 50}) == []
    run.write("a.jpg", b"1")
    assert run.go() == ["a.png"]
    run.write("a.png", b"2")  # would be written over what is read
    run.out, run.archive = run.inputs, LocalArchive(run.inputs)
    run.write("s.jpg", b"3")
    run.named = [run.inputs / "s.jpg"]
    assert run.go() == ["s.png"]


def test_a_claim_is_on_the_disk_before_a_result_and_an_outcome_need_not_be(run, monkeypatch):
    run.write("a.jpg", b"1")
    said = []
    connect = sqlite3.connect

    def listening(*arguments, **options):
        database = connect(*arguments, **options)
        database.set_trace_callback(said.append)
        return database

    monkeypatch.setattr(sqlite3, "connect", listening)
    run.go()
    kept = [line for line in said if "synchronous" in line or line.startswith("UPDATE pictures")]
    begun = next(n for n, line in enumerate(kept) if "SET begun = 1" in line)
    noted = next(n for n, line in enumerate(kept) if "output_sha256" in line)
    assert kept[begun - 1] == "PRAGMA synchronous=FULL"
    assert kept[noted - 1] == "PRAGMA synchronous=NORMAL"


def test_one_run_at_a_time_and_any_number_of_readers(run):
    run.write("a.jpg", b"1")
    with run.open():
        with pytest.raises(OutputError, match=r"manifest\.sqlite is in use by another run\.$"):
            run.open()
        link = run.out / "link.sqlite"
        link.symlink_to(run.archive.manifest)
        with pytest.raises(OutputError, match=r"in use by another run\.$"):
            Manifest(link)
        assert run.rows()["a.png"]["status"] == "waiting"
    run.open().__exit__()


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda path: path.write_bytes(b"not a database" * 100), "is no manifest, or damaged"),
        (lambda path: sqlite3.connect(path).execute("CREATE TABLE t (x)"), "of something else"),
    ],
)
def test_what_is_no_manifest_is_left_alone(tmp_path, make, sentence):
    path = tmp_path / "m.sqlite"
    make(path)
    before = path.read_bytes()
    with pytest.raises(InputError, match=sentence):
        Manifest(path)
    assert path.read_bytes() == before


def test_a_place_that_cannot_be(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match=r"file: is a file, not a folder\.$"):
        Manifest(tmp_path / "file" / "m.sqlite")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match="cannot be used as a manifest"):
        Manifest(tmp_path / "folder")


def test_one_of_another_version(run):
    run.open().__exit__()
    with sqlite3.connect(run.archive.manifest) as database:
        database.execute("UPDATE facts SET value = '9' WHERE name = 'format'")
    with pytest.raises(InputError, match=r"another version of restora \(format 9, this one "):
        run.open()


def test_a_result_of_a_run_that_died_is_not_trusted(run):
    """Of the same size as the one before, and of a picture that is no longer there."""
    run.write("a.jpg", b"1")
    run.go()
    run.write("a.jpg", b"2")
    run.go(stop_after=1)
    run.write("a.jpg", b"1")
    assert run.go() == ["a.png"]
    assert run.results() == {"a.png": b"restored 1"}


names = st.sampled_from(["a.jpg", "a.webp", "b.jpg", "s/a.jpg", "s/c.png"])
steps = st.one_of(
    st.tuples(st.just("write"), names, st.binary(max_size=3)),
    st.tuples(st.just("touch"), names),
    st.tuples(st.just("lose"), names),
    st.tuples(st.just("die"), st.integers(1, 3)),
    st.tuples(st.just("run")),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(history=st.lists(steps, min_size=1, max_size=12))
def test_whatever_happened_the_last_run_makes_it_whole(history, tmp_path_factory):
    """After any past, a run to its end leaves what one run alone leaves, name for name."""
    run = Run(tmp_path_factory.mktemp("past"))
    for step in history:
        match step:
            case ("write", name, data):
                run.write(name, data)
            case ("touch", name) if (run.inputs / name).exists():
                (run.inputs / name).touch()
            case ("lose", name):
                (run.out / name).with_suffix(".png").unlink(missing_ok=True)
            case ("die", count):
                run.go(stop_after=count)
            case ("run",):
                run.go()
    run.go()
    made = run.results()
    by_input = {row["source"]: made[target] for target, row in run.rows().items()}
    assert by_input == {
        str(path.resolve()): b"restored " + path.read_bytes()
        for path in run.inputs.rglob("*")
        if path.is_file()
    }
    assert len(made) == len(by_input)
    assert {row["status"] for row in run.rows().values()} <= {"restored"}
    assert run.go() == []
