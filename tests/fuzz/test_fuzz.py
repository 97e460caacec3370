"""The targets hold on every seed, on every file that once was a finding, and on some damage."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutate import mutate
from seeds import made
from targets import TARGETS

from restora.errors import InputError
from restora.images import read_bytes
from restora.jpeg import inspect

FOUND = sorted(path for path in Path(__file__).with_name("found").iterdir())
# Seconds, not minutes: the fuzzer itself is there to search.
EXAMPLES = 400


@pytest.mark.parametrize("target", list(TARGETS))
def test_seeds(target):
    for data in made():
        TARGETS[target](data)


def test_seeds_are_sound():
    for data in made():
        assert read_bytes(data, name="seed").notes in {
            (),
            ("The file is animated; its first frame was taken.",),
            ("The file is animated; its still picture was taken.",),
            ("The file holds 2 pictures; the first was taken.",),
            (
                "Only PNG can say how this file's colours are meant (gAMA); in another format they "
                "look different.",
            ),
        }
        if data.startswith(b"\xff\xd8"):
            assert inspect(data, name="seed").enough_data
    assert len(made()) > 60


@pytest.mark.parametrize("path", FOUND, ids=lambda path: path.stem)
def test_what_was_found_stays_mended(path):
    data = path.read_bytes()
    assert len(data) < 4096
    for target in TARGETS.values():
        target(data)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    data=st.sampled_from(made()),
    seed=st.integers(0, 2**32),
    target=st.sampled_from(sorted(TARGETS)),
)
def test_damage_that_keeps_the_structure(data, seed, target):
    TARGETS[target](mutate(data, seed=seed, others=made()))


def test_damage_is_the_same_for_the_same_seed():
    first, *others = made()
    assert mutate(first, seed=5, others=others) == mutate(first, seed=5, others=others)
    assert len({mutate(first, seed=seed, others=others) for seed in range(40)}) > 30


def test_a_target_tells_a_finding(monkeypatch):
    """Anything but the documented errors goes through a target."""

    def broken(data, **_):
        raise KeyError("a mistake")

    monkeypatch.setitem(TARGETS["read"].__globals__, "read_bytes", broken)
    with pytest.raises(KeyError, match="a mistake"):
        TARGETS["read"](b"x")

    def careless(data, **_):
        raise InputError("odd.bin is bad")

    monkeypatch.setitem(TARGETS["read"].__globals__, "read_bytes", careless)
    with pytest.raises(AssertionError, match=r"odd\.bin is bad"):
        TARGETS["read"](b"x")
