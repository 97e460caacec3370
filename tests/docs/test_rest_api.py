"""The page of the REST API is what the server says of itself, and its examples work."""

import importlib.util
import re
import shutil
import subprocess
import threading
from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip("fastapi")
uvicorn = pytest.importorskip("uvicorn")

from restora.apps.web.app import make_app  # noqa: E402

DOCS = Path(__file__).parents[2] / "docs"
SERVER = "http://127.0.0.1:7860"


def made_page():
    spec = importlib.util.spec_from_file_location("make_rest_api", DOCS / "make_rest_api.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.page()


def test_the_page_is_what_the_script_makes():
    again = "run python docs/make_rest_api.py"
    assert (DOCS / "rest-api.md").read_text(encoding="utf-8") == made_page(), again


@pytest.fixture(scope="module")
def server():
    """The address of a server that runs."""
    ready = threading.Event()
    app = make_app(ready=ready.set)
    listener = uvicorn.Config(app, port=0, log_level="warning").bind_socket()
    running = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]})
    thread.start()
    assert ready.wait(60)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    running.should_exit = True
    thread.join(30)
    listener.close()


def test_the_examples_in_python_work(server, python_of, folder, capsys):
    names = {}
    for block in python_of("docs/rest-api.md"):
        code = block.text.replace(SERVER, server)
        exec(compile(code, f"rest-api.md, line {block.line}", "exec"), names)
    assert names["work"]["state"] == "done"
    assert "Saved at quality 15" in capsys.readouterr().out
    for name in ("photo.png", "before.png", "after.png", "restored.avif"):
        with Image.open(name) as image:
            assert image.size == (101, 75)
    assert Path("restored.zip").read_bytes().startswith(b"PK")


def test_the_examples_in_the_shell_work(server, shell_of, folder):
    if shutil.which("curl") is None or shutil.which("bash") is None:
        pytest.skip("there is no curl, or no bash")
    text = "".join(block.text for block in shell_of("docs/rest-api.md"))
    script = re.sub(r"\bcurl ", "curl --fail --silent --show-error ", text.replace(SERVER, server))
    done = subprocess.run(
        ["bash", "-euc", script], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    for name in ("photo.png", "before.png", "after.png", "restored.avif"):
        with Image.open(name) as image:
            assert image.size == (101, 75)
    assert '"state":"done"' in done.stdout
