"""The one place that words a missing extra."""

from __future__ import annotations

import importlib
from types import ModuleType

from restora.errors import MissingExtra


def require(module: str, *, extra: str | tuple[str, ...]) -> ModuleType:
    """Import an optional module.

    Args:
        module: Dotted name, such as ``"torch"``.
        extra: The extra of this package that brings it, such as ``"train"``, or those that do.

    Raises:
        MissingExtra: The module is not installed; the message holds the install line.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.split(".")[0] != module.split(".", maxsplit=1)[0]:
            raise  # the module is there, something it needs is not: not ours to word
        extras = (extra,) if isinstance(extra, str) else extra
        lines = " or ".join(f"pip install 'restora[{each}]'" for each in extras)
        raise MissingExtra(
            f"This needs {module}, which the light install leaves out: {lines}"
        ) from error
