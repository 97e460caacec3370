"""What is built and installed: the same wheel everywhere, and nothing that is not locked."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LOCKS = ("audit", "build", "ci", "light")
ELSEWHERE = {"TZ": "Pacific/Kiritimati", "LC_ALL": "C", "PYTHONHASHSEED": "7"}


def build(folder, mask, **environment):
    """The bytes of the wheel that Hatchling builds of a folder."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", "out"]
    subprocess.run(
        command, cwd=folder, check=True, capture_output=True, umask=mask,
        env=os.environ | {"SOURCE_DATE_EPOCH": "1577836800"} | environment,
    )  # fmt: skip
    (wheel,) = (folder / "out").glob("*.whl")
    return wheel


def small_copy(folder, *, backwards):
    """The project with one weight, its files made in one order or the other."""
    folder.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(ROOT / name, folder / name)
    sources = [
        path for path in (ROOT / "src").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
        and (path.suffix != ".onnx" or path.name.startswith("lite0.classifier"))
    ]  # fmt: skip
    for path in sorted(sources, reverse=backwards):
        target = folder / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        target.chmod(0o600 if backwards else 0o664)
        os.utime(target, (1, 1) if backwards else None)
    return folder


def test_the_wheel_is_the_same_wherever_it_is_built(tmp_path):
    """In another folder, time zone, language and order of files, with other modes and times."""
    here = build(small_copy(tmp_path / "here", backwards=False), 0o022)
    there = build(small_copy(tmp_path / "there", backwards=True), 0o077, **ELSEWHERE)
    first, second = (hashlib.sha256(path.read_bytes()).hexdigest() for path in (here, there))
    assert first == second
    with zipfile.ZipFile(here) as wheel:
        assert {info.date_time for info in wheel.infolist()} == {(2020, 1, 1, 0, 0, 0)}
        assert {info.external_attr >> 16 & 0o777 for info in wheel.infolist()} == {0o644}
        assert "restora/py.typed" in wheel.namelist()


def locked(name):
    """Names and versions of a lock, and how many hashes each has."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    entries = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)[1:]
    return [(entry.split(";")[0].split("\\")[0].strip(), entry.count("--hash=sha256:"))
            for entry in entries]  # fmt: skip


@pytest.mark.parametrize("name", LOCKS)
def test_all_that_is_locked_has_a_version_and_hashes(name):
    entries = locked(name)
    assert entries
    for pinned, hashes in entries:
        assert re.fullmatch(r"[\w.-]+==[\w.]+", pinned), pinned
        assert hashes, pinned


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_names_no_place_and_no_torch(name):
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    assert "://" not in text
    assert not re.search(r"^(torch|torchvision|nvidia|triton|cuda)\b", text, re.MULTILINE)
    assert "make lock" in text


def test_the_lock_is_of_all_that_is_declared():
    """A dependency that was added since has to be locked: make lock."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = project["dependencies"] + [
        line for extra in project["optional-dependencies"].values() for line in extra
    ]
    wanted = {normal(re.match(r"[\w.-]+", line)[0]) for line in declared} - {"torch", "restora"}
    have = {normal(pinned.split("==")[0]) for pinned, _ in locked("ci")}
    assert wanted <= have
    light = {normal(re.match(r"[\w.-]+", line)[0]) for line in project["dependencies"]}
    assert light <= {normal(pinned.split("==")[0]) for pinned, _ in locked("light")}


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_lock_says_the_same():
    versions = {}
    for name in LOCKS:
        for pinned, _ in locked(name):
            package, version = pinned.split("==")
            versions.setdefault((name, package), set()).add(version)
    for (name, package), found in versions.items():
        assert found <= versions.get(("ci", package), found), (name, package)


def test_pytorch_is_one_version_and_torchvision_none():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert len(pins) == 1
    assert re.fullmatch(r"torch==[\d.]+", pins[0])


def test_what_is_imported_is_what_is_locked():
    """In CI the tests run on the lock; its PyTorch is that of the constraint."""
    import torch

    assert (ROOT / "constraints.txt").read_text().split("torch==")[1].strip() == (
        torch.__version__.split("+")[0]
    )
