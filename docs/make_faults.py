"""Breaks runs over an archive in every way we know of, takes them up again, and compares.

    python docs/make_faults.py --data FOLDER_OF_JPEGS [--trials 20] [--ray-trials 5]

Everything is the real command in processes of its own, on real JPEGs. After each fault the same
command is given again. What lies in the folder of the results then is compared, byte for byte, with
what a run leaves that nothing happened to, and its manifest has to hold one row a picture, with the
hash of that very file. Fills the table in docs/reliability.md.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import power_cut
from marked import put, table
from PIL import Image

HERE = Path(__file__).parent
PAGE, KEPT = HERE / "reliability.md", HERE / "benchmarks" / "faults.json"
COUNT = 12  # pictures of the archive
Results = dict[str, bytes]


@dataclass
class Row:
    """One kind of fault.

    Attributes:
        fault: What was done.
        engine: local or ray.
        expected: What has to happen.
        tried: How often.
        held: How often that happened.
        notes: What happened where it did not.
    """

    fault: str
    engine: str
    expected: str
    tried: int = 0
    held: int = 0
    notes: list[str] = field(default_factory=list)

    def note(self, problem: str | None) -> None:
        """Count a trial; None: what was expected happened."""
        self.tried += 1
        self.held += problem is None
        if problem is not None:
            self.notes.append(problem)


class Lab:
    """An archive, what a run that nothing happened to leaves of it, and the command."""

    def __init__(self, folder: Path, photos: Path, engine: str) -> None:
        self.folder, self.engine = folder, engine
        self.inputs = folder / "in"
        found = sorted(photos.glob("*.jpg"))[:COUNT]
        if len(found) < COUNT:
            sys.exit(f"{photos}: needs {COUNT} files that end in .jpg")
        for number, photo in enumerate(found):
            place = self.inputs / f"{number % 3}" / photo.name
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(photo, place)
        # A name that only its suffix tells from another.
        first = self.inputs / "0" / found[0].name
        with Image.open(first) as image:
            image.save(first.with_suffix(".webp"), quality=60)
        calm = folder / "calm"
        done = self.run(calm)
        if done.returncode:
            sys.exit(f"A run without any fault failed: {done.stderr}")
        self.undisturbed = results(calm)

    def command(self, out: Path, *options: str, inputs: list[str] | None = None) -> list[str]:
        """The command line of a run."""
        how = ["--resume"] if self.engine == "local" else ["--engine", "ray", "--jobs", "2"]
        code = "from restora.cli.main import main; main()"
        sources = inputs or [str(self.inputs)]
        return [sys.executable, "-c", code, "restore", *sources, "-o", str(out), *how, *options]

    def run(
        self, out: Path, *options: str, inputs: list[str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """A run to its end."""
        command = self.command(out, *options, inputs=inputs)
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)

    def start(self, out: Path) -> subprocess.Popen[str]:
        """A run in the background, with processes of its own group."""
        return subprocess.Popen(
            self.command(out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    @contextmanager
    def out(self) -> Iterator[Path]:
        """A folder for results, and nothing left of it afterwards."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        try:
            yield folder
        finally:
            shutil.rmtree(folder)

    def problem(self, out: Path, expected: Results | None = None) -> str | None:
        """What is wrong with the results of an archive; None: nothing."""
        expected = self.undisturbed if expected is None else expected
        found, noted = results(out), rows(out)
        if found.keys() != expected.keys():
            return (
                f"missing {expected.keys() - found.keys()}, more {found.keys() - expected.keys()}"
            )
        wrong = [name for name in found if found[name] != expected[name]]
        if wrong:
            return f"other bytes in {wrong}"
        restored = {name: sha for name, (status, sha) in noted.items() if status == "restored"}
        hashes = {name: hashlib.sha256(data).hexdigest() for name, data in found.items()}
        return None if restored == hashes else "the manifest says something else"


def results(out: Path) -> Results:
    """Every file in a folder of results but the manifest."""
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in out.rglob("*")
        if path.is_file() and "manifest" not in path.name
    }


def count(out: Path) -> int:
    """How many results there are, which a run may just be writing."""
    return sum(1 for _ in out.rglob("*.png"))


def rows(out: Path) -> dict[str, tuple[str, str]]:
    """Status and hash of every result in its manifest."""
    manifest = out / "restora-manifest.sqlite"
    with closing(sqlite3.connect(f"file:{manifest}?mode=ro", uri=True)) as database:
        query = "SELECT target, status, output_sha256 FROM manifest"
        return {target: (status, sha) for target, status, sha in database.execute(query)}


def killed(lab: Lab, trials: int, rng: random.Random) -> Row:
    """All of it, at a moment like any other, again and again until it is done."""
    row = Row(
        "`kill -9` of the run, all its processes at once",
        lab.engine,
        "the next run finishes; same bytes",
    )
    for _ in range(trials):
        with lab.out() as out:
            for _ in range(1 + rng.randrange(3)):
                process = lab.start(out)
                wait_for(lambda out=out: count(out) >= 1, process)
                time.sleep(rng.uniform(0, 2))
                end(process)
            lab.run(out)
            row.note(lab.problem(out))
    return row


def driver_killed(lab: Lab, trials: int, rng: random.Random) -> Row:
    """Its first process alone: the others have to go by themselves."""
    row = Row(
        "`kill -9` of the driver alone",
        lab.engine,
        "its workers end within seconds, the last of Ray within 90 s; the next run, given at once, "
        "finishes; same bytes",
    )
    for _ in range(trials):
        with lab.out() as out:
            process = lab.start(out)
            wait_for(lambda out=out: count(out) >= 1, process)
            time.sleep(rng.uniform(0, 2))
            process.kill()
            process.communicate()
            died = time.monotonic()
            group = process.pid
            idle = wait_until(lambda group=group: not actors(group), 15)
            lab.run(out)
            left = 90 - (time.monotonic() - died)
            gone = wait_until(lambda group=group: not alive(group), max(1, left))
            if idle and gone:
                row.note(lab.problem(out))
            else:
                row.note("a process went on" if idle else "a worker went on")
    return row


def worker_killed(lab: Lab, trials: int, rng: random.Random) -> Row:
    """One of the processes that restore."""
    row = Row("`kill -9` of a worker, twice a run", lab.engine, "the run goes on; same bytes")
    for _ in range(trials):
        with lab.out() as out:
            process = lab.start(out)
            deaths = 0
            for least in (1, 4):
                wait_for(lambda out=out, n=least: count(out) >= n, process)
                workers = actors(process.pid)
                if workers:
                    os.kill(rng.choice(workers), signal.SIGKILL)
                    deaths += 1
            _, said = process.communicate(timeout=300)
            if not deaths:
                row.note("no worker was found")
            elif process.returncode:
                row.note(f"exit {process.returncode}: {said[-300:]}")
            else:
                row.note(lab.problem(out))
    return row


def full_disk(lab: Lab, trials: int, rng: random.Random) -> Row:
    """Too little room for the results; then more."""
    row = Row(
        "full disk (a small file system), then more room",
        lab.engine,
        "one sentence, exit 1, no half file; the next run finishes; same bytes",
    )
    whole = sum(len(data) for data in lab.undisturbed.values())
    for _ in range(trials):
        disk = Path(tempfile.mkdtemp(dir=lab.folder))
        size = int(whole * rng.uniform(0.2, 0.9))
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk)]
        if subprocess.run(mount, check=False).returncode:
            row.note("no small file system could be mounted")
            break
        try:
            manifest = ["--manifest", str(lab.folder / f"{disk.name}.sqlite")]
            done = lab.run(disk, *manifest)
            half = {n for n, data in results(disk).items() if lab.undisturbed.get(n) != data}
            subprocess.run(["mount", "-o", "remount,size=1g", str(disk)], check=True)
            again = lab.run(disk, *manifest)
            if done.returncode != 1 or "no room for more results" not in done.stderr or half:
                row.note(f"exit {done.returncode}, half {half}: {done.stderr[-300:]}")
            elif again.returncode or results(disk) != lab.undisturbed:
                row.note(f"exit {again.returncode}, then {again.stderr[-300:]}")
            else:
                row.note(None)
        finally:
            subprocess.run(["umount", str(disk)], check=True)
    return row


def power_cuts(lab: Lab, trials: int, rng: random.Random) -> Row:
    """What was not on the disk yet is gone, and nothing else."""
    row = Row(
        "power cut (the disk at a moment, without what memory still held)",
        lab.engine,
        "the next run finishes and knows its results; same bytes",
    )
    image, after = lab.folder / "disk.img", lab.folder / "after.img"
    for _ in range(trials):
        power_cut.new_disk(image)
        with power_cut.place() as at:
            with power_cut.mounted(image, at) as out:
                process = lab.start(out)
                wait_for(lambda out=out: count(out) >= 1, process)
                time.sleep(rng.uniform(0, 2))
                power_cut.cut(image, alive(process.pid), after)
                end(process)
            with power_cut.mounted(after, at) as out:
                done = lab.run(out)
                row.note(lab.problem(out) or (done.stderr[-300:] if done.returncode else None))
    return row


def second_run(lab: Lab) -> Row:
    """Two drivers over one archive."""
    row = Row(
        "a second run while one is under way", lab.engine, "refused in a sentence; same bytes"
    )
    with lab.out() as out:
        process = lab.start(out)
        wait_for(lambda: count(out) >= 1, process)
        os.kill(process.pid, signal.SIGSTOP)  # else it may be done before the other looks
        other = lab.run(out)
        os.kill(process.pid, signal.SIGCONT)
        process.communicate(timeout=300)
        told = other.returncode == 1 and "is in use by another run" in other.stderr
        row.note(lab.problem(out) if told else other.stderr[-300:])
    return row


def between_runs(lab: Lab) -> Iterator[Row]:
    """What others do to pictures and results before the next run."""
    named = {
        path: f"{path.relative_to(lab.inputs).with_suffix('.png')}"
        for path in sorted(lab.inputs.rglob("*.jpg"))
    }
    target = {path: name for path, name in named.items() if name in lab.undisturbed}
    pictures = list(target)

    def trial(fault: str, expected: str, act: Callable[[Path], Results]) -> Row:
        row = Row(fault, lab.engine, expected)
        saved = {path: path.read_bytes() for path in pictures}
        with lab.out() as out:
            shutil.rmtree(out)
            shutil.copytree(lab.folder / "calm", out)
            lab.run(out)
            try:
                wanted = act(out)
                before = {p: p.stat().st_mtime_ns for p in out.rglob("*.png")}
                lab.run(out)
                problem = lab.problem(out, wanted)
                same = {n for n, data in wanted.items() if lab.undisturbed.get(n) == data}
                redone = [
                    p.name
                    for p in out.rglob("*.png")
                    if p in before and p.relative_to(out).as_posix() in same
                    and p.stat().st_mtime_ns != before[p]
                ]  # fmt: skip
                row.note(problem or (f"made again: {redone}" if redone else None))
            finally:
                for path, data in saved.items():
                    path.write_bytes(data)
        return row

    def change(out: Path) -> Results:
        del out
        shutil.copy(pictures[-2], pictures[-1])
        made = lab.undisturbed
        return made | {target[pictures[-1]]: made[target[pictures[-2]]]}

    def touch(out: Path) -> Results:
        del out
        for path in pictures:
            path.touch()
        return lab.undisturbed

    def lose(out: Path) -> Results:
        for path in pictures[::3]:
            (out / target[path]).unlink()
        return lab.undisturbed

    yield trial("a picture changed between runs", "it alone is made again", change)
    yield trial("every picture only touched", "nothing is made again", touch)
    yield trial("results deleted", "they alone are made again", lose)


def edited(lab: Lab) -> Row:
    """A result that somebody retouched."""
    row = Row("a result retouched by hand", lab.engine, "said, exit 1; left as it is")
    with lab.out() as out:
        lab.run(out)
        name = min(lab.undisturbed)
        (out / name).write_bytes(b"retouched")
        done = lab.run(out)
        told = done.returncode == 1 and "was changed after it was written" in done.stderr
        kept = (out / name).read_bytes() == b"retouched"
        row.note(None if told and kept else done.stderr[-300:])
    return row


def names(lab: Lab) -> Iterator[Row]:
    """Names that two pictures would share."""
    row = Row(
        "two pictures that differ only in suffix", lab.engine, "both are kept, by whole names"
    )
    twice = [name for name in lab.undisturbed if name.endswith((".jpg.png", ".webp.png"))]
    row.note(None if len(twice) == 2 else f"{twice}")
    yield row
    row = Row(
        "one name in two folders", lab.engine, "refused in a sentence, exit 2; nothing written"
    )
    other = lab.folder / "other" / "0"
    other.mkdir(parents=True, exist_ok=True)
    same = min((lab.inputs / "0").glob("*.jpg"))
    shutil.copy(same, other / same.name)
    with lab.out() as out:
        done = lab.run(out, inputs=[str(lab.inputs), str(other.parent)])
        told = done.returncode == 2 and "would both be written to" in done.stderr
        row.note(None if told and not results(out) else done.stderr[-300:])
    yield row


def broken(lab: Lab) -> Iterator[Row]:
    """What is damaged among the inputs, or of the manifest."""
    row = Row(
        "a damaged picture among good ones", lab.engine, "one sentence, exit 1; the rest is done"
    )
    with lab.out() as out:
        bad = lab.inputs / "0" / "bad.jpg"
        whole = min(lab.inputs.rglob("*.jpg")).read_bytes()
        bad.write_bytes(whole[: len(whole) // 3])
        done = lab.run(out)
        bad.unlink()
        told = done.returncode == 1 and "bad.jpg is cut off" in done.stderr
        row.note(lab.problem(out) if told else done.stderr[-300:])
    yield row
    row = Row(
        "the manifest overwritten with noise", lab.engine, "one sentence, exit 1; nothing touched"
    )
    with lab.out() as out:
        lab.run(out)
        for path in out.glob("*manifest*"):
            path.unlink()
        (out / "restora-manifest.sqlite").write_bytes(random.Random(1).randbytes(50_000))
        done = lab.run(out)
        told = done.returncode == 1 and "is no manifest, or damaged" in done.stderr
        row.note(None if told and results(out) == lab.undisturbed else done.stderr[-300:])
    yield row
    row = Row(
        "the manifest deleted", lab.engine, "results are somebody's: said, exit 1; nothing touched"
    )
    with lab.out() as out:
        lab.run(out)
        for path in out.glob("*manifest*"):
            path.unlink()
        done = lab.run(out)
        told = done.returncode == 1 and "exists already" in done.stderr
        row.note(None if told and results(out) == lab.undisturbed else done.stderr[-300:])
    yield row


def shards(lab: Lab) -> Row:
    """An archive of archives, one of which cannot be read."""
    row = Row("an unreadable shard (a zip cut off) among good ones", lab.engine,
              "one sentence, exit 1; the rest is done")  # fmt: skip
    shard = lab.folder / "shard.zip"
    with zipfile.ZipFile(shard, "w") as file:
        for path in sorted(lab.inputs.rglob("*.jpg")):
            file.write(path, f"shard/{path.name}")
    cut = lab.folder / "cut.zip"
    cut.write_bytes(shard.read_bytes()[: shard.stat().st_size // 2])
    with lab.out() as out:
        inputs = [f"zip://::file://{shard}", f"zip://::file://{cut}"]
        done = lab.run(out, inputs=inputs)
        told = done.returncode == 1 and "cut.zip" in done.stderr
        clean = "Traceback" not in done.stderr
        right = told and clean and count(out) == COUNT
        row.note(None if right else f"{count(out)}: {done.stderr[-300:]}")
    return row


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait until something is there, or the process has ended before."""
    while not condition() and process.poll() is None:
        time.sleep(0.01)


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether something comes to be within a time."""
    stop = time.monotonic() + seconds
    while time.monotonic() < stop:
        if condition():
            return True
        time.sleep(0.2)
    return False


def alive(group: int) -> list[int]:
    """Processes of a session that still run."""
    listed = subprocess.run(
        ["ps", "-eo", "pid=,sid=,stat="], capture_output=True, text=True, check=True
    )
    fields = [line.split() for line in listed.stdout.splitlines()]
    return [int(pid) for pid, sid, state in fields if int(sid) == group and state[0] != "Z"]


def actors(group: int) -> list[int]:
    """Processes of a session that restore pictures for Ray."""
    listed = subprocess.run(
        ["ps", "-eo", "pid=,sid=,args="], capture_output=True, text=True, check=True
    )
    fields = [line.split(maxsplit=2) for line in listed.stdout.splitlines()]
    return [
        int(pid)
        for pid, sid, *name in fields
        if int(sid) == group and name and name[0].startswith("ray::") and "Worker" in name[0]
    ]


def end(process: subprocess.Popen[str]) -> None:
    """``kill -9`` for all processes of a run."""
    for pid in alive(process.pid):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    process.communicate()


def main() -> None:
    """Break, compare, count; fill the page."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of JPEGs")
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--ray-trials", type=int, default=5)
    parser.add_argument("--engines", nargs="+", default=["local", "ray"])
    chosen = parser.parse_args()
    rng = random.Random(1)
    found: list[Row] = []

    def add(row: Row) -> None:
        found.append(row)
        print(f"{row.engine}: {row.fault}: {row.held} of {row.tried} {row.notes or ''}", flush=True)

    for engine in chosen.engines:
        with tempfile.TemporaryDirectory() as folder:
            lab = Lab(Path(folder), chosen.data, engine)
            trials = chosen.trials if engine == "local" else chosen.ray_trials
            add(killed(lab, trials, rng))
            if engine == "ray":
                add(driver_killed(lab, trials, rng))
                add(worker_killed(lab, trials, rng))
                add(shards(lab))
            add(full_disk(lab, max(1, trials // 4), rng))
            add(power_cuts(lab, max(1, trials // 2), rng))
            add(second_run(lab))
            for rows_of in (between_runs(lab), names(lab), broken(lab)):
                for row in rows_of:
                    add(row)
            add(edited(lab))
    KEPT.write_text(json.dumps([asdict(row) for row in found], indent=1) + "\n")
    told = [
        [row.fault, row.engine, str(row.tried), row.expected, f"{row.held} of {row.tried}"]
        for row in found
    ]
    head = ["fault", "engine", "tried", "what has to happen", "happened"]
    trials = f"--trials {chosen.trials} --ray-trials {chosen.ray_trials}"
    command = f"    python docs/make_faults.py --data FOLDER_OF_JPEGS {trials}"
    put(PAGE, faults=f"{command}\n\n{table(head, told, right_from=4)}")


if __name__ == "__main__":
    main()
