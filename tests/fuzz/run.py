"""Runs the targets under a fuzzer that watches which lines of Restora are reached (atheris).

    python tests/fuzz/run.py                                    # each target for a minute
    python tests/fuzz/run.py --target read --seconds 3600 --seeds FOLDER --corpus KEPT

Needs ``restora[fuzz]``. Files that reach new lines are kept in the corpus, and the next run goes on
from there. A finding is a file on which a target raised, took longer than ``--timeout``, or took
more memory than ``--rss-mb``; it is put into ``--out``, and the run goes on. The figures of each
run are appended to ``OUT/log.jsonl``.

Code in C, such as libjpeg's, is not watched, only run: that is what the structure-aware damage of
``mutate.py`` is for.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

SEED_MOST_BYTES = 20_000
# The fuzzer's own memory grows by some 25 kB a file, so it starts anew after so many.
TURN_RUNS = 50_000
_DONE = re.compile(r"stat::number_of_executed_units:\s*(\d+)")
_STATE = re.compile(r"#(\d+)\s.*?cov: (\d+) ft: (\d+) corp: (\d+)/")
_KINDS = ("crash-", "timeout-", "oom-", "leak-")


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def child(target: str, options: list[str]) -> None:
    """The fuzzer itself; it ends the process."""
    import atheris

    with atheris.instrument_imports(include=["restora.images", "restora.jpeg"]):
        from targets import TARGETS
    from mutate import mutate
    from seeds import made

    others = made()

    def custom_mutator(data: bytes, max_size: int, seed: int) -> bytes:
        if seed % 4 == 0:
            return bytes(atheris.Mutate(data, max_size))
        return mutate(data, seed=seed, others=others)[:max_size]

    atheris.Setup([sys.argv[0], *options], TARGETS[target], custom_mutator=custom_mutator)
    atheris.Fuzz()


def fuzz(target: str, arguments: argparse.Namespace) -> dict[str, object]:
    """Run one target for so long; a finding does not end it."""
    corpus = arguments.corpus / target
    out = arguments.out / target
    for folder in (corpus, out):
        folder.mkdir(parents=True, exist_ok=True)
    sow(corpus, arguments)
    before = {path.name for path in out.iterdir()}
    started = time.monotonic()
    executions, state = 0, (0, 0, 0)
    while (left := arguments.seconds - (time.monotonic() - started)) > 1:
        options = [
            str(corpus),
            f"-max_total_time={int(left)}",
            f"-runs={TURN_RUNS}",
            f"-max_len={arguments.max_len}",
            f"-rss_limit_mb={arguments.rss_mb}",
            f"-timeout={arguments.timeout}",
            f"-artifact_prefix={out}/",
            "-print_final_stats=1",
            "-close_fd_mask=3",  # libtiff and others talk of every damage
        ]
        command = [sys.executable, __file__, "--child", target, *options]
        told_at = arguments.out / f"{target}.txt"
        with told_at.open("w") as told_to:
            subprocess.run(command, stdout=told_to, stderr=subprocess.STDOUT, check=False)
        told = told_at.read_text(errors="replace")
        states = _STATE.findall(told)
        done = _DONE.findall(told)
        if not states and not done:
            raise SystemExit(f"The fuzzer did not start:\n{told[-2000:]}")
        executions += int(done[-1]) if done else int(states[-1][0])
        if states:
            state = tuple(int(number) for number in states[-1][1:])
    found = sorted(
        path.name
        for path in out.iterdir()
        if path.name.startswith(_KINDS) and path.name not in before
    )
    return {
        "target": target,
        "seconds": round(time.monotonic() - started),
        "executions": executions,
        "lines_and_branches": state[0],
        "features": state[1],
        "corpus": state[2],
        "findings": found,
    }


def sow(corpus: Path, arguments: argparse.Namespace) -> None:
    """Put the seeds into the corpus, each once."""
    from seeds import made, of_folder

    files = list(made())
    for folder in (HERE / "found", *arguments.seeds):
        if folder.is_dir():
            files += of_folder(folder, most_bytes=SEED_MOST_BYTES)
    for data in files:
        (corpus / hashlib.sha1(data).hexdigest()).write_bytes(data)


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], sys.argv[3:])
    from targets import TARGETS

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--target", action="append", choices=list(TARGETS), help="default: all")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--seeds", type=Path, action="append", default=[], help="more files")
    parser.add_argument("--corpus", type=Path, default=Path("build/fuzz/corpus"))
    parser.add_argument("--out", type=Path, default=Path("build/fuzz"))
    parser.add_argument("--max-len", type=int, default=20_000, help="bytes of a file, at most")
    parser.add_argument("--rss-mb", type=int, default=2048, help="memory that is a finding")
    parser.add_argument("--timeout", type=int, default=30, help="seconds a file that are one")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    failed = False
    for target in arguments.target or TARGETS:
        figures = fuzz(target, arguments)
        with (arguments.out / "log.jsonl").open("a") as log:
            log.write(json.dumps(figures) + "\n")
        say(json.dumps(figures))
        failed = failed or bool(figures["findings"])
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
