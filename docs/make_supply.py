"""Checks what Restora is built of and installed from, and fills reliability.md.

    make wheel-test sbom                  # first: their results lie in dist/
    python docs/make_supply.py
    python docs/make_supply.py --tables   # only the table; checks nothing

Run from the root of the repository. What was found is kept in ``docs/benchmarks/supply.json``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from marked import put, table

HERE = Path(__file__).parent
ROOT = HERE.parent
KEPT = HERE / "benchmarks" / "supply.json"
BUILD = ROOT / ".venv-build" / "bin" / "python"
AUDIT = ROOT / ".venv-audit" / "bin" / "pip-audit"
# Time zone, language, mode of new files, and where: none may be seen in what is built.
PLACES = (
    ("UTC", "C.UTF-8", 0o022, "here"),
    ("Pacific/Kiritimati", "C", 0o077, "a folder with spaces"),
    ("America/St_Johns", "POSIX", 0o002, "one/deep/below/another"),
)


def built() -> dict[str, list[str]]:
    """Checksums of sdist and wheel, of a copy of the project for each of :data:`PLACES`."""
    found: dict[str, list[str]] = {"wheel": [], "sdist": []}
    copied = shutil.ignore_patterns(".git", ".venv*", "dist", "__pycache__", "_build", "*-output")
    for number, (zone, language, mask, place) in enumerate(PLACES):
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / place / "project"
            shutil.copytree(ROOT, copy, ignore=copied)
            for path in copy.rglob("*"):
                os.utime(path, (number * 10**8, number * 10**8))
            environment = os.environ | {
                **{"TZ": zone, "LC_ALL": language, "PYTHONHASHSEED": str(number)},
                "SOURCE_DATE_EPOCH": "1577836800",
            }
            subprocess.run(
                [str(BUILD), "-m", "build", "--no-isolation", "--outdir", "out", "."],
                cwd=copy,
                env=environment,
                umask=mask,
                check=True,
                capture_output=True,
            )
            for kind, pattern in (("wheel", "*.whl"), ("sdist", "*.tar.gz")):
                (path,) = (copy / "out").glob(pattern)
                found[kind].append(hashlib.sha256(path.read_bytes()).hexdigest())
    return found


def locked() -> dict[str, int]:
    """How many packages each lock names, and how many of them without a hash."""
    names = ("ci", "light", "build", "audit")
    texts = {name: (ROOT / "requirements" / f"{name}.txt").read_text() for name in names}
    found = {
        name: len(set(re.findall(r"^([\w.-]+)==", text, re.MULTILINE)))
        for name, text in texts.items()
    }
    entries = [one for text in texts.values() for one in re.split(r"^(?=\w)", text, flags=re.M)[1:]]
    return found | {"without a hash": sum("--hash=sha256:" not in one for one in entries)}


def audited() -> dict[str, Any]:
    """What pip-audit says of the lock; ``answered`` is how many packages it was told about."""
    command = [str(AUDIT), "--disable-pip", "--require-hashes", "--format", "json"]
    lock = ["--requirement", str(ROOT / "requirements" / "ci.txt")]
    done = subprocess.run([*command, *lock], capture_output=True, text=True, check=False)
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        return {"answered": 0, "of": 0, "known faults": [], "failed": True}
    known = [
        f"{one['name']} {one['version']}: {fault['id']}"
        for one in packages
        for fault in one.get("vulns", [])
    ]
    answered = sum("skip_reason" not in one for one in packages)
    return {"answered": answered, "of": len(packages), "known faults": known, "failed": False}


def listed() -> dict[str, Any]:
    """Components and licences of both lists in dist/."""
    found = {}
    for name in ("light", "full"):
        components = json.loads((ROOT / "dist" / f"sbom-{name}.json").read_text())["components"]
        kinds = [one["type"] for one in components]
        untold = [one["name"] for one in components if not one.get("licenses")]
        found[name] = {
            "packages": kinds.count("library"),
            "weights": kinds.count("machine-learning-model"),
            "without licence": untold,
        }
    return found


def shown(kept: dict[str, Any]) -> str:
    """The table and its sentences."""
    locks, wheels, pythons = kept["locked"], kept["built"], kept["wheel"]["results"]
    packages = "; ".join(f"{locks[name]} {name}" for name in ("ci", "light", "build", "audit"))
    alike = all(len(set(sums)) == 1 for sums in wheels.values())
    rows = [
        ["packages locked", packages, f"{locks['without a hash']} without a hash; PyTorch apart"],
        [
            "wheel and sdist, each built in another folder, time zone, language and umask",
            f"{len(PLACES)}",
            "the same bytes" if alike else "DIFFERENT bytes",
        ],
    ]
    pictures = [result.get("pictures") for result in pythons]
    equal = all(picture == pictures[0] for picture in pictures)
    for result in pythons:
        failed = result.get("failed", "").split(":")[0]
        said = f"{failed} FAILED" if failed else f"verbs, page; {result['tests']}"
        rows.append(["the wheel in a fresh environment", f"Python {result['python']}", said])
    if pictures and pictures[0]:
        rows.append(
            [
                "pictures restored on each of these",
                f"{len([name for name in pictures[0] if 'pixels' not in name])}",
                "the same bytes on all" if equal else "DIFFERENT bytes",
            ]
        )
    for name, found in kept["listed"].items():
        rows.append(
            [
                f"components of the {name} install (CycloneDX 1.6, valid)",
                f"{found['packages']} packages, {found['weights']} weights",
                f"{len(found['without licence'])} without a licence",
            ]
        )
    audit = kept["audited"]
    if audit["answered"]:
        count = len(audit["known faults"])
        said = f"{count} known faults" + (f": {', '.join(audit['known faults'])}" if count else "")
    else:
        said = "not checked: the service of known faults could not be reached here"
    rows.append(["packages held against known faults (`make audit`)", str(audit["answered"]), said])
    made = table(["checked", "how many", "what was found"], rows, right_from=9)
    words = (
        "`make audit` counts a package that it could not ask about as a failure, so that silence "
        "is never taken for health. PyTorch is pinned by version alone: its builds for CPU and GPU "
        "are other files under one version. Two tools of development name the GPL among their "
        "licences, codespell and docutils; neither is imported by Restora, nor comes with it."
    )
    commands = "    make wheel-test sbom\n    python docs/make_supply.py"
    return f"{commands}\n\n{made}\n\n{words}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", action="store_true", help="check nothing")
    if not parser.parse_args().tables:
        results = ROOT / "dist" / "wheel-test.json"
        for needed in (BUILD, AUDIT, results, ROOT / "dist" / "sbom-full.json"):
            if not needed.exists():
                sys.exit(f"{needed.relative_to(ROOT)} is missing: make wheel-test sbom")
        kept = {
            "locked": locked(),
            "built": built(),
            "wheel": json.loads(results.read_text()),
            "listed": listed(),
            "audited": audited(),
        }
        KEPT.write_text(json.dumps(kept, indent=1) + "\n")
    put(HERE / "reliability.md", supply=shown(json.loads(KEPT.read_text())))


if __name__ == "__main__":
    main()
