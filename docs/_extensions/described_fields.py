"""What fields of pydantic models say of themselves, ``Field(description=...)``, as attributes."""

from __future__ import annotations

from inspect import isclass
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from sphinx.application import Sphinx
from sphinx.util.typing import stringify_annotation


def _describe(
    _app: Sphinx, what: str, _name: str, thing: Any, _options: Any, lines: list[str]
) -> None:
    if what != "class" or not _is_model(thing):
        return
    lines += ["", "Attributes:"]
    lines += [_line(name, field) for name, field in thing.model_fields.items()]
    lines += [""]


def _line(name: str, field: FieldInfo) -> str:
    kind = stringify_annotation(field.annotation, "smart")
    told = [field.description] if field.description else []
    if not field.is_required():
        told.append(f"Default: ``{field.get_default(call_default_factory=True)!r}``")
    return f"    {name} ({kind}): {'. '.join(told)}"


def _hide(
    _app: Sphinx, what: str, _name: str, thing: Any, _options: Any, *_: Any
) -> tuple[str, str] | None:
    """No signature: it would say once more what the attributes say."""
    return ("", "") if what == "class" and _is_model(thing) else None


def _is_model(thing: Any) -> bool:
    return isclass(thing) and issubclass(thing, BaseModel)


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("autodoc-process-docstring", _describe, priority=400)  # before napoleon reads it
    app.connect("autodoc-process-signature", _hide)
    return {"parallel_read_safe": True}
