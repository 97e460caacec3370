"""Measures an archive on this machine, works out large ones, and fills reliability.md.

    python docs/make_scale.py --data testsets
    python docs/make_scale.py --tables      # only the section; measures nothing

Run from the root of the repository; needs ``restora[scale]``, Linux, and a machine that does
nothing else, for about eight minutes. ``--data`` holds ``live1_color``, the pictures of LIVE1.
The figures are kept in ``docs/benchmarks/scale.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import scale_model
from marked import put, table
from PIL import Image
from processes import Watch

from restora.apps.scale import run as scale
from restora.apps.scale.cluster import connected
from restora.apps.scale.worker import Worker
from restora.engine.archive import Sizes
from restora.engine.batch import Outcome
from restora.engine.listing import Listed
from restora.engine.manifest import Manifest
from restora.engine.restore_file import Settings

HERE = Path(__file__).parent
KEPT = HERE / "benchmarks" / "scale.json"
QUALITIES = (10, 40)
LARGE = 6  # of four pictures each
RUNS = 3
ROWS = 1_000_000
RECORDED = 100_000
DRIVEN = {1: 1500, 16: 12000}  # pictures by block
WAYS = {
    "plain, one picture at a time": ("--jobs", "1"),
    "plain, two at a time": ("--jobs", "2"),
    "with a manifest, two at a time": ("--jobs", "2", "--resume"),
    "Ray, one worker": ("--jobs", "1", "--engine", "ray"),
    "Ray, two workers": ("--jobs", "2", "--engine", "ray"),
}
PLAIN, RAY = "plain, two at a time", "Ray, two workers"
RUNS_OF = [(10**6, 1), (10**6, 10), (10**9, 100), (10**9, 1000)]
MB = 1e6


def save_pictures(data: Path, folder: Path) -> None:
    """JPEGs of about a fifth and of about a megapixel, as an archive has them."""
    sources = sorted((data / "live1_color").glob("*.webp"))
    opened = []
    for path in sources:
        with Image.open(path) as file:
            opened.append(file.convert("RGB"))
    for quality in QUALITIES:
        for path, picture in zip(sources, opened, strict=True):
            picture.save(folder / f"{path.stem}-{quality}.jpg", quality=quality)
    for number in range(LARGE):
        four = opened[4 * number : 4 * number + 4]
        width, height = max(p.width for p in four), max(p.height for p in four)
        whole = Image.new("RGB", (2 * width, 2 * height))
        for place, picture in enumerate(four):
            whole.paste(picture.resize((width, height)), (place % 2 * width, place // 2 * height))
        whole.save(folder / f"large-{number}.jpg", quality=30)


def run_command(options: tuple[str, ...], pictures: Path, out: Path) -> dict[str, Any]:
    """One command, as a user gives it."""
    command = [sys.executable, "-m", "restora.cli.main", "restore", str(pictures), "-o", str(out)]
    started = time.monotonic()
    process = subprocess.Popen(
        [*command, *options, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    ended, told = [], []
    assert process.stdout is not None
    with Watch(process.pid) as watch:
        for line in process.stdout:
            ended.append(time.monotonic() - started)
            told.append(json.loads(line))
        whole_s = time.monotonic() - started
    if process.wait() != 0:
        sys.exit(process.stderr.read() if process.stderr else "")
    workers = [each for each in watch.taken.values() if "MapWorker" in each.name]
    command_took = watch.taken[process.pid]
    others = [
        each for each in watch.taken.values() if each not in workers and each is not command_took
    ]
    jobs = int(options[1])
    return {
        "pictures": len(ended),
        # From the first results on: so many are under way then.
        "pictures_s": (len(ended) - jobs) / (ended[-1] - ended[jobs - 1]),
        "first_s": ended[0],
        "whole_s": whole_s,
        "cpu_s": sum(each.cpu_s for each in watch.taken.values()),
        "work_cpu_s": sum(each.cpu_s for each in workers or [command_took]),
        "command_bytes": command_took.memory_bytes,
        "at_work_bytes": max(each.memory_bytes for each in workers or [command_took]),
        "ray_bytes": sum(each.memory_bytes for each in others),
        "ray_cpu_s": sum(each.cpu_s for each in others),
        "peak_bytes": watch.peak_bytes,
        "told": told[0],
    }


def compare(pictures: Path, folder: Path, runs: int) -> dict[str, Any]:
    """Every way, in turn, some times over."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in WAYS}
    for number in range(runs):
        for name, options in WAYS.items():
            out = folder / f"out-{number}-{'-'.join(options)}"
            found[name].append(run_command(options, pictures, out))
            print(f"{name}: {found[name][-1]['pictures_s']:.2f} a second", flush=True)
    out = folder / f"out-0-{'-'.join(WAYS[RAY])}"
    started = time.monotonic()
    command = [sys.executable, "-m", "restora.cli.main", "restore", str(pictures), "-o", str(out)]
    subprocess.run([*command, *WAYS[RAY]], check=True, capture_output=True)
    bytes_out = sum(path.stat().st_size for path in out.rglob("*.png"))
    return {"ways": found, "again_s": time.monotonic() - started, "bytes_out": bytes_out}


def megapixels(pictures: Path) -> float:
    total = 0
    for path in pictures.glob("*.jpg"):
        with Image.open(path) as image:
            total += image.width * image.height
    return total / 1e6


def _plan(rows: Manifest, listed: Iterator[Listed], sizes: Sizes) -> None:
    rows.plan(
        listed,
        settings={},
        root="/out/",
        format=None,
        sizes=sizes,
        real=lambda place: f"/out/{place}",
        existing="refuse",
    )


def measure_manifest(folder: Path, report: dict[str, Any]) -> dict[str, float]:
    """A million rows, planned, taken up again, and a part of them done."""
    path = folder / "rows.sqlite"
    done: set[str] = set()

    def listed() -> Iterator[Listed]:
        for number in range(ROWS):
            place = f"{number // 1000:06}/photo-{number:09}.jpg"
            yield Listed(f"/archive/photos/{place}", place, "234567 1700000000000000000")

    def size(place: str) -> int | None:
        return report["output_bytes"] if place in done else None

    def plan(rows: Manifest) -> float:
        started = time.monotonic()
        _plan(rows, listed(), size)
        return time.monotonic() - started

    def size_of() -> int:
        return sum(each.stat().st_size for each in folder.glob("rows.sqlite*"))

    with Manifest(path) as rows:
        claim_s = plan(rows)
    bytes_planned = size_of()
    with Manifest(path) as rows:
        plan(rows)
        started = time.monotonic()
        for item in islice(rows.waiting(), RECORDED):
            rows.record(Outcome(item, "restored", report=dict(report)))
            done.add(item.target)
        record_s = time.monotonic() - started
    bytes_recorded = size_of()
    with Manifest(path) as rows:
        again_s = plan(rows)
        left = rows.count("waiting")
    if left != ROWS - RECORDED:
        raise AssertionError(f"{left} rows are left.")
    return {
        "claim_s": claim_s / ROWS,
        "record_s": record_s / RECORDED,
        "again_s": again_s / ROWS,
        "row_bytes": bytes_planned / ROWS + (bytes_recorded - bytes_planned) / RECORDED,
    }


def measure_driver(folder: Path, report: dict[str, Any]) -> list[dict[str, float]]:
    """How fast one driver feeds workers that do nothing, and notes what they say."""

    class Idle(Worker):
        def _work(self, item: object) -> dict[str, object] | None:
            del item
            return dict(report)

    scale.Worker = Idle  # type: ignore[misc]
    found = []
    with connected(address=None, workers=2, device="cpu"):
        for block, count in DRIVEN.items():
            scale.block_size = lambda _, block=block: block
            scale.WINDOW = count
            rows_path = folder / f"driver-{block}.sqlite"
            with Manifest(rows_path) as rows:
                listed = (Listed(f"/in/{n:09}.jpg", f"{n:09}.jpg", "1") for n in range(count))
                _plan(rows, listed, lambda _: None)
                ended = scale.run_on_ray(
                    rows.waiting(), Settings(), address=None, workers=2, device="cpu"
                )
                rows.record(next(ended))
                started, cpu = time.monotonic(), time.process_time()
                for outcome in ended:
                    rows.record(outcome)
                found.append(
                    {
                        "block": block,
                        "pictures_s": (count - 1) / (time.monotonic() - started),
                        "driver_s": (time.process_time() - cpu) / (count - 1),
                    }
                )
    return found


def measure(data: Path, runs: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        pictures = folder / "pictures"
        pictures.mkdir()
        save_pictures(data, pictures)
        compared = compare(pictures, folder, runs)
        told = compared["ways"][PLAIN][0]["told"]
        names = ("source", "target", "status", "message")
        report = {name: value for name, value in told.items() if name not in names}
        for found in compared["ways"].values():
            for each in found:
                del each["told"]
        return {
            "rows": ROWS,
            "recorded": RECORDED,
            "cores": os.cpu_count(),
            "megapixels": megapixels(pictures),
            "bytes_in": sum(path.stat().st_size for path in pictures.glob("*.jpg")),
            **compared,
            "manifest": measure_manifest(folder, report),
            "driver": measure_driver(folder, report),
        }


def median(kept: dict[str, Any], way: str, what: str) -> float:
    return statistics.median(each[what] for each in kept["ways"][way])


def overheads(kept: dict[str, Any]) -> list[float]:
    """What Ray takes more than the plain loop, as a share, in runs side by side."""
    pairs = zip(kept["ways"][PLAIN], kept["ways"][RAY], strict=True)
    return [plain["pictures_s"] / ray["pictures_s"] - 1 for plain, ray in pairs]


def model_of(kept: dict[str, Any]) -> scale_model.Measured:
    pictures = kept["ways"][RAY][0]["pictures"]
    # Of one core: what two workers do together, each on its own.
    core_s = statistics.median(
        2 * pictures / each["pictures_s"] / kept["megapixels"] for each in kept["ways"][RAY]
    )
    long = kept["driver"][-1]
    return scale_model.Measured(
        core_s=core_s,
        in_bytes=kept["bytes_in"] / kept["megapixels"],
        out_bytes=kept["bytes_out"] / kept["megapixels"],
        worker_bytes=median(kept, RAY, "at_work_bytes"),
        driver_s=long["driver_s"],
        record_s=kept["manifest"]["record_s"],
        claim_s=kept["manifest"]["claim_s"],
        row_bytes=kept["manifest"]["row_bytes"],
    )


def section(kept: dict[str, Any]) -> str:
    ways = kept["ways"]
    pictures = ways[PLAIN][0]["pictures"]
    rows = [
        [
            name,
            f"{median(kept, name, 'pictures_s'):.2f}",
            f"{median(kept, name, 'cpu_s') / pictures:.2f}",
            f"{median(kept, name, 'first_s'):.1f}",
            f"{median(kept, name, 'at_work_bytes') / MB:.0f}",
            f"{median(kept, name, 'peak_bytes') / MB:.0f}",
        ]
        for name in WAYS
    ]
    head = [
        "", "pictures a second", "core seconds a picture", "seconds to the first result",
        "MB of a process at work", "MB in all",
    ]  # fmt: skip
    measured = model_of(kept)
    manifest, driver = kept["manifest"], kept["driver"]
    over = overheads(kept)
    costs = [
        ["the manifest: a picture planned", f"{manifest['claim_s'] * 1e6:.0f} µs"],
        ["planned again, by the next run", f"{manifest['again_s'] * 1e6:.0f} µs"],
        ["noted as done", f"{manifest['record_s'] * 1e6:.0f} µs"],
        ["room on the disk", f"{manifest['row_bytes']:.0f} bytes"],
        *(
            [
                f"Ray's driver, {each['block']:.0f} in a block: its own work",
                f"{each['driver_s'] * 1e3:.2f} ms, {each['pictures_s']:.0f} a second beside two "
                "idle workers",
            ]
            for each in driver
        ),
        ["Ray's own processes: memory", f"{median(kept, RAY, 'ray_bytes') / MB:.0f} MB a machine"],
        ["a run that finds nothing to do", f"{kept['again_s']:.1f} s"],
    ]
    runs = [scale_model.Run(count, machines, measured) for count, machines in RUNS_OF]
    worked = [
        [
            f"{run.pictures:,}",
            f"{run.machines:,}",
            f"{run.pictures_s:,.0f}",
            f"{run.hours:,.1f}",
            f"{run.usd:,.0f}",
            f"{run.network_gbit:.2f}",
            f"{run.manifests}",
            f"{run.manifest_gb:,.1f}",
        ]
        for run in runs
    ]
    worked_head = [
        "pictures", "machines", "a second", "hours", "USD", "Gbit/s a machine", "manifests",
        "GB of them",
    ]  # fmt: skip
    limits = sorted(scale_model.limits(measured).items(), key=lambda each: each[1])
    first = ", then ".join(f"{name} (at {cores:,.0f} cores)" for name, cores in limits)
    model = scale_model
    runs = len(ways[PLAIN])
    told_runs = "one run each" if runs == 1 else f"medians of {runs} runs, taken in turn"
    return f"""{pictures} JPEGs of {kept["megapixels"] / pictures:.2f} megapixels on average, the
largest of 1.6, on {kept["cores"]} cores; {told_runs}. Rates are without
the start, which is in the time to the first result. Plain `--jobs 1` lets one network have every
core.

    python docs/make_scale.py --data testsets

{table(head, rows)}

With two workers of Ray a picture takes {100 * statistics.median(over):.0f} % longer than with two
at a time in one process. What an archive costs beside the pictures, measured with
{kept["rows"]:,} rows of which {kept["recorded"]:,} are done:

{table(["", "each"], costs)}

Worked out from these for pictures of {model.PICTURE_MP:g} megapixel
({measured.core_s:.2f} core seconds, {measured.in_bytes / MB:.2f} MB in,
{measured.out_bytes / MB:.2f} MB out as PNG). Assumed, not measured: machines of {model.CORES} cores
and {model.NETWORK_GBIT:g} Gbit/s, {model.CORE_HOUR_USD} USD a core hour, a store with
{model.PUTS_S:,} writes a second below a prefix and {model.REQUESTS_USD * 1e6:.1f} USD a million
reads and writes.

{table(worked_head, worked, right_from=0)}

What one run uses up first: {first}.
Beyond that, part the archive: a command, a folder of results and a manifest for each part; the
table counts them. Planning goes before the first picture, {manifest["claim_s"] * 1e6:.0f} s a
million rows.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder that holds live1_color")
    parser.add_argument("--runs", type=int, default=RUNS, help="of each way")
    parser.add_argument("--tables", action="store_true", help="measure nothing")
    arguments = parser.parse_args()
    if not arguments.tables:
        if arguments.data is None:
            parser.error("--data names the folder that holds live1_color")
        KEPT.write_text(json.dumps(measure(arguments.data, arguments.runs), indent=1) + "\n")
    put(HERE / "reliability.md", scale=section(json.loads(KEPT.read_text())))


if __name__ == "__main__":
    main()
