"""Gives Restora hostile files, counts what happens, and fills reliability.md.

    python docs/make_hostile.py --data TESTSETS [--fuzz build/fuzz/log.jsonl]
    python docs/make_hostile.py --tables    # only the table; tries nothing

Run from the root of the repository. ``TESTSETS`` is a folder with ``robust_jpeg``, messy JPEGs
with a ``manifest.jsonl``. Everything runs in child processes, each with a limit of memory and of
time, so that whatever goes wrong is counted; of the commands, one takes all files of a class, since
none may stop the others. Seconds are those of the processor. The figures of the fuzzer come from
the log that ``tests/fuzz/run.py`` writes.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import hostile_files
import numpy as np
from marked import put, table
from PIL import Image

HERE = Path(__file__).parent
KEPT = HERE / "benchmarks" / "hostile.json"
MEMORY_LIMIT_MB = 8000
SECONDS_LIMIT = 600
SMALL_PIXELS = 4_000_000
PICTURE, ERROR = "picture", "clear error"


@dataclass
class Tried:
    """What happened to the files of one class."""

    what: str
    command: str
    outcomes: dict[str, int] = field(default_factory=dict)
    slowest_s: float = 0.0
    slowest: str = ""
    all_s: float = 0.0
    largest_mb: float = 0.0
    largest: str = ""

    def count(self, outcome: str, times: int = 1) -> None:
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + times

    def add(self, name: str, outcome: str, seconds: float, megabytes: float) -> None:
        self.count(outcome)
        if outcome not in {PICTURE, ERROR}:
            sys.stderr.write(f"{self.what}: {name}: {outcome}\n")
        if seconds > self.slowest_s:
            self.slowest_s, self.slowest = round(seconds, 3), name
        if megabytes > self.largest_mb:
            self.largest_mb, self.largest = round(megabytes), name


# ---- in a child


def limited() -> None:
    limit = MEMORY_LIMIT_MB << 20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS_LIMIT, SECONDS_LIMIT))


def is_clear(error: Exception, name: str) -> bool:
    text = str(error)
    return text.startswith(name) and "\n" not in text and len(text) < 500


def outcome_of(data: bytes, *, max_pixels: int) -> str:
    """Read, inspect and take the coefficients, as a restoration does before its network runs."""
    from restora.errors import InputError  # noqa: PLC0415 only in a child
    from restora.images import read_bytes  # noqa: PLC0415
    from restora.jpeg import inspect  # noqa: PLC0415
    from restora.jpeg.constraint import NoBins, read_bins  # noqa: PLC0415

    outcome = PICTURE
    facts = None
    try:
        for salvage in (True, False) if max_pixels == SMALL_PIXELS else (False,):
            read_bytes(data, name="odd", max_pixels=max_pixels, salvage=salvage)
    except InputError as error:
        outcome = ERROR if is_clear(error, "odd") else f"unclear error: {error}"
    except BaseException as error:
        return f"{type(error).__name__}: {error}"
    if not data.startswith(b"\xff\xd8"):
        return outcome
    try:
        facts = inspect(data, name="odd", history=max_pixels > SMALL_PIXELS)
    except InputError as error:
        return outcome if is_clear(error, "odd") else f"unclear error: {error}"
    except BaseException as error:
        return f"{type(error).__name__}: {error}"
    if facts.width_px * facts.height_px <= max_pixels:
        try:
            read_bins(data, facts)
        except NoBins:
            pass
        except BaseException as error:
            return f"{type(error).__name__}: {error}"
    return outcome


def many(kind: str) -> Iterator[tuple[str, bytes]]:
    """The files of a class of small files."""
    for name, data in hostile_files.whole().items():
        made = hostile_files.truncations if kind == "cut" else hostile_files.damaged_headers
        for number, hostile in enumerate(made(data)):
            yield f"{name} {number}", hostile


def child(kind: str, argument: str) -> None:
    """Try one class, or one bomb; a JSON line for each file."""
    logging.disable()
    if kind == "make":
        Path(argument).write_bytes(hostile_files.BOMBS[Path(argument).name]())
        return
    limited()
    if kind == "bomb":
        files = iter([(Path(argument).name, Path(argument).read_bytes())])
        max_pixels = 250_000_000
    else:
        files, max_pixels = many(kind), SMALL_PIXELS
    for name, data in files:
        started = time.process_time()
        outcome = outcome_of(data, max_pixels=max_pixels)
        line = {"name": name, "outcome": outcome, "seconds": time.process_time() - started}
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()


# ---- outside


def run(command: list[str]) -> tuple[int, str, str, float, float]:
    """Exit status, what it said on each stream, seconds of the processor and megabytes at most."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(
            command,
            stdout=out,
            stderr=err,
            preexec_fn=limited,  # noqa: PLW1509 there are no threads
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        said = []
        for stream in (out, err):
            stream.seek(0)
            said.append(stream.read().decode(errors="replace"))
    seconds = used.ru_utime + used.ru_stime
    return process.returncode, said[0], said[1], seconds, used.ru_maxrss / 1024


def try_child(tried: Tried, kind: str, argument: str = "") -> None:
    command = [sys.executable, __file__, "--child", kind, argument]
    status, out, err, _, megabytes = run(command)
    lines = [json.loads(line) for line in out.splitlines()]
    for line in lines:
        tried.add(line["name"], line["outcome"], line["seconds"], megabytes)
    if status != 0:
        tried.add(f"{kind} {argument}", f"ended with {status}: {err[-300:]}", 0, megabytes)


def try_command(tried: Tried, files: list[Path], out: Path) -> None:
    """Give all files of a class to one command, which has to come to an end with each of them."""
    wishes = ["-o", str(out), "--overwrite"] if tried.command == "restore" else []
    names = [str(file) for file in files]
    status, told, err, seconds, megabytes = run(
        [sys.executable, "-m", "restora.cli.main", tried.command, "--json", *wishes, *names]
    )
    lines = [json.loads(line) for line in told.splitlines() if line.startswith("{")]
    tried.largest_mb = round(megabytes)
    tried.all_s = round(seconds, 1)
    if tried.command == "restore":
        good = {line["source"] for line in lines if line["status"] == "restored"}
        missing = [line["target"] for line in lines if line["status"] == "restored"
                   and not Path(line["target"]).is_file()]  # fmt: skip
        for name in missing:
            tried.count(f"{name} was not written")
        pictures, sign = len(good) - len(missing), "failed: "
    else:
        pictures, sign = len(lines), "restora: "
    for name in names:  # a name may have two lines; its error stays one
        err = err.replace(name, name.replace("\n", " "))
    errors = [line for line in err.splitlines() if line.startswith(sign)]
    clear = [name for name in names if any(name.replace("\n", " ") in line for line in errors)]
    tried.count(PICTURE, pictures)
    tried.count(ERROR, len(clear))
    lost = len(names) - sum(tried.outcomes.values())
    if lost or status not in {0, 1} or "Traceback" in err:
        why = f"{tried.command} ended with {status}, {lost} lost: {err[-2000:]}"
        tried.count(why, max(lost, 1))
        sys.stderr.write(f"{tried.what}: {why}\n")


def judged(file: Path) -> str:
    """Whether Restora reads what Pillow decodes, pixel for pixel."""
    from restora.errors import InputError  # noqa: PLC0415
    from restora.images import read  # noqa: PLC0415

    try:
        found = np.rint(read(file).pixels * 255).astype(np.uint8)
    except InputError:
        return "refused"
    with Image.open(file) as image:
        shown = np.asarray(image)
    return "as Pillow" if np.array_equal(found.reshape(shown.shape), shown) else "not as Pillow"


def as_pillow(folder: Path) -> dict[str, int]:
    """How many of the messy JPEGs that decode in Pillow are read as it reads them."""
    manifest = [json.loads(line) for line in (folder / "manifest.jsonl").open()]
    files = [folder / entry["file"] for entry in manifest if entry["pillow"].get("loads")]
    return dict(Counter(map(judged, files)))


def odd_names(folder: Path) -> list[Path]:
    """Files that are none, and names that lie."""
    sound = hostile_files.whole()
    contents = {
        "empty.jpg": b"",
        "one-byte.jpg": b"\xff",
        "zeros.jpg": bytes(1_000_000),
        "words.jpg": b"not a picture\n" * 1000,
        "page.jpg": b"<!DOCTYPE html><html></html>",
        "archive.jpg": b"PK\x03\x04" + bytes(100),
        "png-named.jpg": sound["rgb.png"],
        "jpeg-named.png": sound["baseline.jpg"],
        "tiff-named.jpg": sound["deflate.tif"],
        "no-suffix": sound["baseline.jpg"],
        "a name\nof two lines.jpg": sound["baseline.jpg"][:300],
        "[bold]markup.jpg": b"",
    }
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    os.mkfifo(folder / "pipe.jpg")
    (folder / "folder.jpg").mkdir()
    (folder / "nowhere.jpg").symlink_to("missing")
    (folder / "circle.jpg").symlink_to("circle.jpg")
    others = ("pipe.jpg", "folder.jpg", "nowhere.jpg", "circle.jpg", "missing.jpg")
    devices = [Path(name) for name in ("/dev/zero", "/dev/null") if Path(name).exists()]
    return [folder / name for name in (*contents, *others)] + devices


def fuzzed(log: Path) -> dict[str, dict[str, int]]:
    """Seconds, executions and findings of each target, over all runs in the log."""
    sums: dict[str, dict[str, int]] = {}
    for line in log.read_text().splitlines():
        run_ = json.loads(line)
        of = sums.setdefault(run_["target"], Counter())
        of["seconds"] += run_["seconds"]
        of["executions"] += run_["executions"]
        of["findings"] += len(run_["findings"])
        of["corpus"] = max(of["corpus"], run_["corpus"])
    return {target: dict(of) for target, of in sums.items()}


def measure(data: Path) -> Iterator[Tried]:
    """Try one class of files after the other."""
    for what, kind in (("cut at each 1/200", "cut"), ("bytes of headers changed", "header")):
        tried = Tried(what, "read")
        try_child(tried, kind)
        yield tried
    with tempfile.TemporaryDirectory() as kept:
        folder = Path(kept)
        names = folder / "names"
        names.mkdir()
        messy = [path for path in (data / "robust_jpeg").iterdir() if path.suffix != ".jsonl"]
        bombs = [folder / name for name in hostile_files.BOMBS]
        tried = Tried("bombs", "read")
        for bomb in bombs:
            subprocess.run([sys.executable, __file__, "--child", "make", bomb], check=True)
            try_child(tried, "bomb", str(bomb))
        yield tried
        for what, files, commands in (
            ("no files, odd names", odd_names(names), ("restore", "inspect")),
            ("bombs", bombs, ("inspect",)),
            ("messy JPEGs", sorted(messy), ("inspect", "restore")),
        ):
            for command in commands:
                tried = Tried(what, command)
                try_command(tried, files, folder / "results")
                yield tried


def keep(**changed: object) -> None:
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {"tried": [], "fuzz": {}}
    KEPT.write_text(json.dumps(kept | changed, indent=1) + "\n")


SAYS = {
    ("messy JPEGs", "restore"): "messy JPEGs, `restora restore`",
    ("messy JPEGs", "inspect"): "the same, `restora inspect`",
    ("no files, odd names", "restore"): "pipes, folders, devices, lying and odd names, `restore`",
    ("no files, odd names", "inspect"): "the same, `inspect`",
    ("cut at each 1/200", "read"): "12 pictures of 8 formats, cut at each 1/200",
    ("bytes of headers changed", "read"): "the same, each byte of the header changed four ways",
    ("bombs", "read"): "bombs, each read, inspected and its coefficients taken",
    ("bombs", "inspect"): "the same, `restora inspect`",
}


def shown(kept: dict[str, object]) -> str:
    """The section: a table of files, a table of fuzzing, and what is to be said."""
    rows = []
    order = list(SAYS)
    for tried in sorted(kept["tried"], key=lambda t: order.index((t["what"], t["command"]))):
        outcomes = dict(tried["outcomes"])
        of = [outcomes.pop(PICTURE, 0), outcomes.pop(ERROR, 0), sum(outcomes.values())]
        rows.append([
            SAYS[(tried["what"], tried["command"])],
            *(f"{number:,}" for number in (sum(of), *of)),
            f"{tried['slowest_s']:.1f} s" if tried["slowest"] else f"all {tried['all_s']:.0f} s",
            f"{tried['largest_mb']:,.0f} MB",
        ])  # fmt: skip
    head = [
        "what was tried",
        "files",
        "picture",
        "clear error",
        "anything else",
        "slowest",
        "memory",
    ]
    fuzz = [
        [f"`{target}`", *(f"{of[key]:,}" for key in ("seconds", "executions", "findings"))]
        for target, of in kept["fuzz"].items()
    ]
    right = kept["right"]
    same = right.get("as Pillow", 0)
    words = f"Restora reads {same} of the messy JPEGs as Pillow does, pixel for pixel"
    if right.get("not as Pillow"):
        words += f", and {right['not as Pillow']} otherwise"
    if right.get("refused"):
        words += f"; it refuses {right['refused']} that Pillow decodes without a word"
    parts = [
        "    python docs/make_hostile.py --data TESTSETS --fuzz build/fuzz/log.jsonl",
        table(head, rows),
        f"{words}. Every child had {kept['memory_limit_mb'] / 1000:.0f} GB of memory at most and "
        f"{kept['seconds_limit']} seconds of a processor.",
        "    make fuzz",
        table(["fuzzed with atheris", "seconds", "files tried", "findings, all mended"], fuzz),
        NOTES,
    ]
    return "\n\n".join(parts)


NOTES = """\
The file of each finding is tried again in every run of the tests (`tests/fuzz/found`).

What a file may ask for is limited: 250 megapixels and 2 GB, both changed by options; 65,536
segments, 1 MB of tables, 500 scans and scans of 5,000 megapixels together in a JPEG; 250,000 chunks
and 64 MB of unpacked metadata and texts in a PNG; 250,000 strips or tiles in a TIFF, which together
hold 8 times the file and 32 MB, and 4 times the pixels of the largest picture allowed; 10,000
extensions in a GIF; 25 megapixels in a BMP of runs. Reading takes up to 31 bytes a pixel, and a few
times the file; a JPEG's coefficients take up to 27 bytes a pixel."""


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], sys.argv[3])
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder with robust_jpeg")
    parser.add_argument("--fuzz", type=Path, help="the fuzzer's log.jsonl; default: keep figures")
    parser.add_argument("--tables", action="store_true", help="try nothing")
    arguments = parser.parse_args()
    if not arguments.tables:
        if arguments.data is None:
            parser.error("--data names the folder with robust_jpeg")
        keep(memory_limit_mb=MEMORY_LIMIT_MB, seconds_limit=SECONDS_LIMIT)
        keep(right=as_pillow(arguments.data / "robust_jpeg"))
        done = []
        for tried in measure(arguments.data):
            done.append(asdict(tried))
            keep(tried=done)
    if arguments.fuzz is not None:
        keep(fuzz=fuzzed(arguments.fuzz))
    put(HERE / "reliability.md", hostile=shown(json.loads(KEPT.read_text())))


if __name__ == "__main__":
    main()
