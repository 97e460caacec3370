"""Tries a wheel on every Python there is, each in a fresh environment.

    python requirements/try_wheel.py WHEEL [PYTHON ...]

First with what the light install locks: every verb, real pictures, and their bytes compared among
the Pythons. Then with ``restora[web]``: a page's server, and the tests that need no PyTorch, run
against the wheel. Writes ``dist/wheel-test.json``; ends with 1 if anything failed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
LOCK = ROOT / "requirements"
PHOTO = ROOT / "examples" / "kitten.jpg"
TESTS = ("tests/jpeg", "tests/images", "tests/weights/test_fetch.py")
# What those tests need, at the versions of the lock.
FOR_TESTS = ("hypothesis", "jpeglib", "onnx", "pytest", "pytest-timeout")
SERVER_S = 60.0


def run(command: list[str | Path], **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command.

    Raises:
        RuntimeError: It fails; the message is what it said.
    """
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, check=False, **options
    )
    if done.returncode:
        said = (done.stdout + done.stderr).strip()[-2000:]
        raise RuntimeError(f"{' '.join(map(str, command))}: {done.returncode}\n{said}")
    return done


def versions() -> str:
    """The lock as plain constraints: no hashes, since the wheel itself has none to be held to."""
    text = (LOCK / "ci.txt").read_text()
    return "\n".join(re.findall(r"^[\w.-]+==[^\\\n]+", text, re.MULTILINE))


def digest_of_pixels(python: Path, picture: Path) -> str:
    """Checksum of the pixels of a picture, by the Pillow of an environment."""
    code = (
        "import sys, hashlib; from PIL import Image;"
        "print(hashlib.sha256(Image.open(sys.argv[1]).convert('RGB').tobytes()).hexdigest())"
    )
    return run([python, "-c", code, picture]).stdout.strip()


def verbs(folder: Path) -> dict[str, str]:
    """Use the command, and give checksums of what came out: of the files, and of their pixels."""
    command, python = folder / "bin" / "restora", folder / "bin" / "python"
    if os.name == "nt":
        command, python = folder / "Scripts" / "restora.exe", folder / "Scripts" / "python.exe"
    out = folder / "out"
    out.mkdir()
    run([command, "--help"])
    run([command, "models"])
    run([command, "inspect", PHOTO])
    run([command, "restore", PHOTO, "-o", out / "of-jpeg.png"])
    run([command, "restore", out / "of-jpeg.png", "-o", out / "of-png.png", "--quality", "50"])
    run([command, "restore", PHOTO, "-o", out / "dagn.png", "--model", "dagn"])
    found = {}
    for path in sorted(out.iterdir()):
        found[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
        found[f"{path.name}, pixels"] = digest_of_pixels(python, path)
    return found


def page(folder: Path) -> None:
    """Start the server, and have a picture restored by it.

    Raises:
        RuntimeError: It does not answer, or not with a picture.
    """
    command = [str(folder / "bin" / "restora"), "serve", "--port", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as p:
        try:
            assert p.stdout is not None
            said = ""
            while not (found := re.search(r"http://\S+?:\d+", said)):
                line = p.stdout.readline()
                if not line:
                    raise RuntimeError(f"restora serve ended: {said}")
                said += line
            ends = time.monotonic() + SERVER_S
            while True:
                try:
                    with urllib.request.urlopen(found[0], timeout=5) as answer:
                        text = answer.read()
                    break
                except OSError as error:
                    if time.monotonic() > ends:
                        raise RuntimeError(f"{found[0]} does not answer") from error
                    time.sleep(0.2)
            if b"<html" not in text.lower():
                raise RuntimeError(f"{found[0]} is no page")
        finally:
            p.terminate()
            p.wait()


def suite(folder: Path) -> str:
    """Run the tests that need no PyTorch; gives pytest's last line."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [folder / "bin" / "python", "-m", "pytest", "-p", "no:cacheprovider", *TESTS]
    last = run(command, cwd=ROOT, env=environment).stdout.strip().splitlines()[-1]
    return re.sub(r" in .*", "", last.strip("= "))


def try_on(python: str, wheel: Path, folder: Path) -> dict[str, Any]:
    """Everything on one Python; ``failed`` is what went wrong, if anything did."""
    code = "import platform; print(platform.python_version())"
    result: dict[str, Any] = {"python": run([python, "-c", code]).stdout.strip()}
    run([python, "-m", "venv", folder])
    pip: list[str | Path] = [folder / "bin" / "python", "-m", "pip", "install", "--quiet"]

    def light() -> None:
        run([*pip, "--require-hashes", "--no-deps", "--requirement", LOCK / "light.txt"])
        run([*pip, "--no-deps", wheel])
        run([folder / "bin" / "python", "-m", "pip", "check"])

    def more() -> None:
        constraints = folder / "versions.txt"
        constraints.write_text(versions())
        run([*pip, "--constraint", constraints, f"{wheel}[web]", *FOR_TESTS])

    steps: dict[str, Callable[[], Any]] = {
        "install": light,
        "pictures": lambda: verbs(folder),
        "install web": more,
        "page": lambda: page(folder),
        "tests": lambda: suite(folder),
    }
    for name, step in steps.items():
        started = time.monotonic()
        try:
            result[name] = step()
        except RuntimeError as error:
            result["failed"] = f"{name}: {error}"
            break
        print(f"  {name}: {time.monotonic() - started:.0f} s", flush=True)
    return result


def main() -> None:
    wheel, pythons = Path(sys.argv[1]).resolve(), sys.argv[2:]
    results, missing = [], []
    for python in pythons:
        found = shutil.which(python)
        if found is None:
            print(f"{python}: not here, left out", flush=True)
            missing.append(Path(python).name)
            continue
        print(f"{python}:", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            results.append(try_on(found, wheel, Path(folder) / "venv"))
        if "failed" in results[-1]:
            print(results[-1]["failed"])
    made = {"wheel": wheel.name, "results": results, "missing": missing}
    (ROOT / "dist").mkdir(exist_ok=True)
    (ROOT / "dist" / "wheel-test.json").write_text(json.dumps(made, indent=1) + "\n")
    pictures = [result.get("pictures") for result in results]
    alike = all(picture == pictures[0] for picture in pictures)
    print(f"{len(results)} Pythons; restored files {'equal' if alike else 'DIFFER'} byte by byte")
    if any("failed" in result for result in results) or not results:
        sys.exit(1)


if __name__ == "__main__":
    main()
