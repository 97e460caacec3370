"""Tries to do harm by files of weights, and to break a download; fills reliability.md.

    python docs/make_weights.py [--each 400] [--kills 20]
    python docs/make_weights.py --tables      # only the table; tries nothing

Run from the root of the repository; needs ``restora[train]``. Some ten minutes. What happened is
kept in ``docs/benchmarks/weights.json``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from hostile_weights import KINDS, TRAPS, make_sound, trap
from marked import put, table

from restora.weights.registry import FOLDER, load_card

HERE = Path(__file__).parent
ROOT = HERE.parent
KEPT = HERE / "benchmarks" / "weights.json"
LIKE = "fbcnn-gray-compact"
FILE_S = 60
COMMAND = [sys.executable, "-m", "restora.cli.main"]
NAMES = {
    "card": "a card (.json), damaged or forged",
    "onnx": "its .onnx, damaged or forged, with the checksum of the damage in the card",
    "unchecked onnx": "its .onnx, damaged or forged, the card as it was",
    "safetensors": "a .safetensors, damaged or forged",
    "pth": "a .pth, damaged or forged",
    "checkpoint": "a run's latest.pt, damaged or forged",
}


def damaged(kind: str, sound: Path, each: int) -> dict[str, int]:
    """How many files of a kind ended how; ``died`` is a process that a file took with it."""
    found: Counter[str] = Counter()
    first = 0
    while first < each:
        command = [sys.executable, str(HERE / "hostile_weights.py"), kind, str(sound)]
        process = subprocess.Popen(
            [*command, str(first), str(each - first)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert process.stdout is not None
        open_ = False
        for line in process.stdout:
            said = json.loads(line)
            open_ = "seed" in said
            if open_:
                first = said["seed"] + 1
            else:
                slow = said["seconds"] > FILE_S
                found["too slow" if slow else said["what"]] += 1
                if said["what"] not in ("works", "told"):
                    print(f"{kind} {first - 1}: {said}", file=sys.stderr)
        process.wait()
        if open_:
            found["died"] += 1
            print(f"{kind} {first - 1}: died ({process.returncode})", file=sys.stderr)
    return dict(found)


def entrances(folder: Path, sound: Path) -> dict[str, list[str]]:
    """Every way a file of weights comes in, and the command for it; ``{}`` is the file."""
    photo, out = str(sound / "photo.jpg"), str(folder / "out")
    recipe = str(ROOT / "recipes" / "fbcnn" / "gray-compact.yaml")
    train = ["train", recipe, "--photos", str(ROOT / "examples" / "clean"), "-o", out]
    return {
        "restore --model x.pth": ["restore", photo, "-o", f"{out}.png", "--model", "{}x.pth"],
        "restore --model x.safetensors": [
            *("restore", photo, "-o", f"{out}.png", "--model", "{}x.safetensors")
        ],
        "restore --model x.json": ["restore", photo, "-o", f"{out}.png", "--model", "{}x.json"],
        "export x.pth": ["export", "{}x.pth", "-o", out],
        "export x.pt": ["export", "{}x.pt", "-o", out],
        "train --start x.pth": [*train, "--start", "{}x.pth"],
        "train --start x.pt": [*train, "--start", "{}x.pt"],
        "train --start x.onnx": [*train, "--start", "{}x.onnx"],
        "train, going on with latest.pt": [*train[:-1], "{}"],
    }


def trapped(folder: Path, sound: Path) -> dict[str, dict[str, Any]]:
    """Pickles that make a file when they are read carelessly, through every entrance."""
    made = {}
    names = ["x.pth", "x.pt", "x.onnx", "x.json", "x.safetensors", "latest.pt"]
    for number, (entrance, command) in enumerate(entrances(folder, sound).items()):
        tried = ran = told = 0
        for which, form in zip(TRAPS, ("zip", "legacy", "plain", "zip"), strict=True):
            here = folder / f"{number}-{which}"
            here.mkdir(parents=True)
            mark = here / "made-by-the-trap"
            for name in names:
                (here / name).write_bytes(trap(which, mark, form=form))
            line = [word.replace("{}", f"{here}/") for word in command]
            done = subprocess.run([*COMMAND, *line], capture_output=True, text=True, check=False)
            tried += 1
            ran += mark.exists()
            said = [row for row in done.stderr.splitlines() if row.startswith("restora: ")]
            told += done.returncode in (1, 2) and "Traceback" not in done.stderr and bool(said)
            if "Traceback" in done.stderr or not said:
                print(f"{entrance} {which}: {done.stderr[-800:]}", file=sys.stderr)
        made[entrance] = {"tried": tried, "ran": ran, "told": told}
    return made


def served(folder: Path) -> tuple[subprocess.Popen[str], str]:
    """A server of a folder, in a process of its own, and its address."""
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "tests" / "weights" / "range_server.py"), str(folder)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, f"http://127.0.0.1:{process.stdout.readline().strip()}"


def killed(folder: Path, kills: int) -> dict[str, int]:
    """A download killed again and again (SIGKILL) until it is through."""
    theirs, cache = folder / "theirs", folder / "cache"
    theirs.mkdir(parents=True)
    raw = load_card(LIKE).model_dump(mode="json") | {"name": "stranger"}
    for part in raw["files"]:
        data = (FOLDER / f"{LIKE}.{part}.onnx").read_bytes()
        (theirs / f"stranger.{part}.onnx").write_bytes(data)
    (theirs / "stranger.json").write_text(json.dumps(raw))
    server, address = served(theirs)
    environment = os.environ | {"RESTORA_CACHE": str(cache)}
    command = [*COMMAND, "models", "--fetch", f"{address}/slow/stranger.json"]
    done = half_there = 0
    try:
        while done < kills:
            before = _arrived(cache)
            process = subprocess.Popen(
                command,
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            while process.poll() is None and _arrived(cache) < before + 200_000:
                time.sleep(0.002)
            if process.poll() is not None:
                break
            process.send_signal(signal.SIGKILL)
            process.wait()
            done += 1
            half_there += (cache / "models" / "stranger").exists()
        last = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    finally:
        server.terminate()
        server.wait()
    whole = all(
        hashlib.sha256((cache / f"models/stranger/stranger.{part}.onnx").read_bytes()).hexdigest()
        == file["sha256"]
        for part, file in raw["files"].items()
    )
    return {"kills": done, "half there": half_there, "whole": int(whole and last.returncode == 0)}


def _arrived(cache: Path) -> int:
    """Bytes of a download that are on the disk."""
    total = 0
    for path in cache.rglob("*.onnx*"):
        try:
            total += path.stat().st_size
        except FileNotFoundError:  # it got its last name just now
            continue
    return total


def shown(kept: dict[str, Any]) -> str:
    """The table and its sentences."""
    rows = []
    tried = sum(one["tried"] for one in kept["trapped"].values())
    ran = sum(one["ran"] for one in kept["trapped"].values())
    told = sum(one["told"] for one in kept["trapped"].values())
    rows.append(
        [
            f"a pickle with code in it, through {len(kept['trapped'])} entrances",
            f"{tried:,}",
            f"code ran {ran} times; {told} refusals in a sentence",
        ]
    )
    for kind, found in kept["damaged"].items():
        works, said = found.get("works", 0), found.get("told", 0)
        other = sum(found.values()) - works - said
        rest = "; nothing else" if not other else f"; {other} otherwise: see weights.json"
        rows.append(
            [
                NAMES[kind],
                f"{sum(found.values()):,}",
                f"{said:,} refused in a sentence, {works:,} still work{rest}",
            ]
        )
    cut = kept["killed"]
    whole = "then whole and right" if cut["whole"] else "and not whole at the end"
    rows.append(
        [
            "a download killed (SIGKILL)",
            f"{cut['kills']:,}",
            f"{cut['half there']} times half a weight could be used; {whole}",
        ]
    )
    made = table(["tried", "how many", "what happened"], rows, right_from=9)
    words = (
        "A file still works where the change touched a number of no consequence, or a weight: "
        "that is what checksums are for, which a `.safetensors` or `.pth` does not have. No file "
        "took the process with it. Every way in which a server can fail has a test "
        "(`tests/weights/test_fetch.py`, `test_download.py`)."
    )
    return f"    python docs/make_weights.py\n\n{made}\n\n{words}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--each", type=int, default=400, help="files of each kind")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--tables", action="store_true", help="try nothing")
    arguments = parser.parse_args()
    if not arguments.tables:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            make_sound(folder / "sound")
            kept = {
                "killed": killed(folder / "killed", arguments.kills),
                "trapped": trapped(folder / "traps", folder / "sound"),
                "damaged": {
                    kind: damaged(kind, folder / "sound", arguments.each) for kind in KINDS
                },
            }
        KEPT.write_text(json.dumps(kept, indent=1) + "\n")
    put(HERE / "reliability.md", weights=shown(json.loads(KEPT.read_text())))


if __name__ == "__main__":
    main()
