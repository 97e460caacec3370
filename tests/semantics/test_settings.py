from __future__ import annotations

import inspect
import re

import pytest

from restora.errors import UsageError
from restora.semantics.blip import BlipCaptioner
from restora.semantics.llava import LlavaCaptioner
from restora.semantics.lookup import load_captioner
from restora.semantics.settings import SETTINGS, split_settings


def test_a_path_alone():
    assert split_settings("llava", "/models/llava-1.5") == ("/models/llava-1.5", {})


def test_settings_behind_a_path():
    path, found = split_settings(
        "llava", "a/b?temperature=0&top_p=0.5&seed=7&most_new_tokens=64&dtype=bfloat16"
        "&instruction=Name%20the%20colours%20%26%20shapes",
    )  # fmt: skip
    assert path == "a/b"
    assert found == {
        "temperature": 0, "top_p": 0.5, "seed": 7, "most_new_tokens": 64, "dtype": "bfloat16",
        "instruction": "Name the colours & shapes",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "captioner"), [("llava", LlavaCaptioner), ("blip", BlipCaptioner)]
)
def test_every_setting_has_its_parameter(kind, captioner):
    taken = inspect.signature(captioner).parameters.keys()
    assert SETTINGS[kind].keys() == taken - {"source", "device"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("warmth=1", "llava has no setting 'warmth'; it has instruction, temperature,"),
        ("temperature=warm", "llava cannot take temperature=warm: it is a number from 0"),
        ("temperature=-1", "a number from 0"),
        ("temperature=inf", "a number from 0"),
        ("top_p=0", "it is above 0 and not above 1"),
        ("top_p=nan", "it is above 0 and not above 1"),
        ("most_new_tokens=0", "a whole number from 1"),
        ("seed=-1", "a whole number from 0"),
        ("dtype=int8", "one of auto, float32, float16, bfloat16"),
        ("instruction=", "it is empty"),
        ("seed", "written ?name=value"),
    ],
)
def test_what_is_no_setting_is_told_before_anything_is_loaded(settings, message):
    with pytest.raises(UsageError, match=re.escape(message)):
        load_captioner(f"llava:/no/such/folder?{settings}")
