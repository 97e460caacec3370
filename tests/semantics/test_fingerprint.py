from __future__ import annotations

import pytest

from restora.errors import UsageError
from restora.semantics.fingerprint import (
    check_fingerprint,
    hash_files,
    hash_tensors,
    hash_text,
    make_fingerprint,
)
from restora.semantics.given_captions import StaticCaptioner


def test_what_a_fingerprint_looks_like():
    assert make_fingerprint("minilm", (384, 16), "0123456789abcdef") == "minilm:384x16:0123456789ab"


def test_a_wrong_fingerprint_names_both():
    now = StaticCaptioner("a sea")
    stored = StaticCaptioner("a lake").fingerprint()
    check_fingerprint(now.fingerprint(), now)
    with pytest.raises(UsageError) as caught:
        check_fingerprint(stored, now, of="The checkpoint a.pt")
    message = str(caught.value)
    assert message.startswith("The checkpoint a.pt was made with")
    assert stored in message and now.fingerprint() in message


def test_bytes_count_and_names_do_not(tmp_path):
    for name, content in (("a", b"one"), ("b", b"one"), ("c", b"two")):
        (tmp_path / name).write_bytes(content)
    a, b, c = (tmp_path / name for name in "abc")
    assert hash_files(a) == hash_files(b) != hash_files(c)
    assert hash_files(a, c) != hash_files(c, a)


def test_where_a_text_ends_counts():
    assert hash_text("ab", "c") != hash_text("a", "bc")


def test_tensors():
    torch = pytest.importorskip("torch")
    ramp = torch.arange(12.0).reshape(3, 4)
    first = hash_tensors({"a": ramp, "b": torch.tensor(3)})
    assert first == hash_tensors({"b": torch.tensor(3), "a": ramp.clone()})
    changed = ramp.clone()
    changed[2, 3] += 1e-3
    assert hash_tensors({"a": changed, "b": torch.tensor(3)}) != first
    assert hash_tensors({"a": ramp.reshape(4, 3), "b": torch.tensor(3)}) != first
    assert hash_tensors({"a": ramp.bfloat16(), "b": torch.tensor(3)}) != first
    # the first numbers alone: a change behind them is not seen, one among them is
    some = hash_tensors({"a": ramp}, most=4)
    assert hash_tensors({"a": changed}, most=4) == some
    assert hash_tensors({"a": ramp + 1e-3}, most=4) != some
