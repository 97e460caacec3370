"""Rules of the house that need a fresh interpreter, or the whole package, to see."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import restora

SOURCE = Path(restora.__file__).parent
HEAVY = ("torch", "onnx", "onnxscript", "yaml", "diffusers", "transformers", "peft")


def modules_after(code):
    """Names of the modules a fresh interpreter holds after ``code``."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules, file=sys.stderr)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return set(done.stderr.split())


def test_importing_restora_loads_next_to_nothing():
    assert not modules_after("import restora") & {*HEAVY, "numpy", "PIL", "onnxruntime", "pydantic"}


def test_help_loads_neither_numpy_nor_onnx_runtime():
    code = (
        "import sys; sys.argv = ['restora', '--help']\n"
        "from restora.cli.main import main\n"
        "try: main()\nexcept SystemExit: pass"
    )
    assert not modules_after(code) & {*HEAVY, "numpy", "PIL", "onnxruntime", "pydantic", "rich"}


def test_a_restoration_never_loads_pytorch(tmp_path):
    from PIL import Image

    Image.new("RGB", (40, 30), "teal").save(tmp_path / "a.jpg", quality=20)
    code = (
        "import restora\n"
        f"restora.restore({str(tmp_path / 'a.jpg')!r}).save({str(tmp_path / 'b.png')!r})"
    )
    loaded = modules_after(code)
    assert (tmp_path / "b.png").exists()
    assert not loaded & set(HEAVY)
    assert "onnxruntime" in loaded


@pytest.mark.parametrize("module", HEAVY)
def test_heavy_modules_stay_in_their_rooms(module):
    """At module level only networks, training and degradations know PyTorch and its kin.

    The engine's PyTorch backends know it too, and nothing else of these.
    """
    allowed = {"networks", "training", "degradations"}
    offenders = []
    for path in SOURCE.rglob("*.py"):
        place = path.relative_to(SOURCE)
        backend = place.match("engine/backend_torch*.py") and module == "torch"
        if place.parts[0] in allowed or backend:
            continue
        for node in ast.parse(path.read_text()).body:
            names = [alias.name for alias in getattr(node, "names", [])]
            names.append(getattr(node, "module", None) or "")
            if any(name.split(".")[0] == module for name in names):
                offenders.append(str(place))
    assert offenders == []


def test_the_public_surface():
    assert sorted(restora.__all__) == [
        "Picture", "Restorer", "Result", "__version__", "inspect", "load", "restore",
    ]  # fmt: skip
    for name in restora.__all__:
        assert getattr(restora, name) is not None


def test_a_wish_that_makes_no_sense_is_told():
    from restora.errors import UsageError

    with pytest.raises(UsageError, match="a number from 1 to 100, not 0"):
        restora.restore(b"", quality=0)


def test_a_seed_is_a_wish_too(tmp_path):
    from PIL import Image

    from restora.errors import UsageError

    Image.new("RGB", (40, 30), "teal").save(tmp_path / "a.jpg", quality=20)
    with pytest.raises(UsageError, match="--seed is for diffusion models such as sodiff; fbcnn"):
        restora.restore(tmp_path / "a.jpg", seed=1)


def test_the_readme_in_python(tmp_path, monkeypatch):
    from PIL import Image

    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (40, 30), "teal").save("photo.jpg", quality=12)
    restora.restore("photo.jpg").save("photo.png")
    with Image.open("photo.png") as image:
        assert image.size == (40, 30)
    facts = restora.inspect("photo.jpg")
    assert facts.quality.quality == 12


def test_a_missing_extra_holds_the_install_line():
    from restora._optional import require
    from restora.errors import MissingExtra

    with pytest.raises(MissingExtra, match=r"pip install 'restora\[train\]'"):
        require("no_such_module_at_all", extra="train")


def test_files_stay_small():
    """A file that needs a table of contents is two files."""
    long = {p.name: n for p in SOURCE.rglob("*.py") if (n := len(p.read_text().splitlines())) > 450}
    assert long == {}
