"""What clients are told of errors: never what is inside, nor options of the command."""

from __future__ import annotations

import errno
import re

from restora.apps.web.wire import Settings
from restora.errors import RestoraError

BROKEN = "Something went wrong in the server; its log says what."
_OF_SYSTEM = {
    errno.EMFILE: "The server has too many files open.",
    errno.ENFILE: "The server has too many files open.",
    errno.ENOSPC: "The server's disk is full.",
    errno.EDQUOT: "The server's disk is full.",
}
_OPTIONS = "|".join(name.replace("_", "-") for name in Settings.model_fields)
_OPTION = re.compile(rf"(?<!\S)--({_OPTIONS})(?![\w-])")


def sentence(error: BaseException) -> str:
    """What went wrong; :data:`BROKEN` where that is nobody's affair but the server's."""
    if isinstance(error, RestoraError):
        # Its remedy is an option of the command, which nobody here can give.
        return _OPTION.sub(lambda option: option[1].replace("-", "_"), error.message)
    if isinstance(error, MemoryError):
        return "There is not enough memory for this picture."
    if isinstance(error, OSError):
        return _OF_SYSTEM.get(error.errno or 0, BROKEN)
    return BROKEN
