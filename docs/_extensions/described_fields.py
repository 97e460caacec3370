"""Fields of pydantic models say what they are in ``Field(description=...)``: shown as attributes."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from sphinx.application import Sphinx


def _describe(
    _app: Sphinx, what: str, _name: str, thing: Any, _options: Any, lines: list[str]
) -> None:
    if what not in ("class", "pydantic_model") or not isinstance(thing, type):
        return
    if not issubclass(thing, BaseModel) or thing is BaseModel:
        return
    told = [(name, field) for name, field in thing.model_fields.items() if field.description]
    if told:
        lines += ["", "Attributes:"]
        lines += [f"    {name}: {field.description}" for name, field in told]
        lines += [""]


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("autodoc-process-docstring", _describe, priority=400)  # before napoleon reads it
    return {"parallel_read_safe": True}
