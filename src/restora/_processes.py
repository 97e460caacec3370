"""Whether a process of this machine still lives."""

from __future__ import annotations

import os


def lives(process: int) -> bool:
    """Whether there is a process of that number; where nobody can be asked, there is."""
    if os.name != "posix":  # there the question itself would end it
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
