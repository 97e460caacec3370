"""A refusal that is only for now."""

from __future__ import annotations

from restora.errors import RestoraError

SOONEST_S = 2
LATEST_S = 120


class Later(RestoraError):
    """There is no room at the moment.

    Attributes:
        retry_s: When it is worth asking again, in whole seconds.
    """

    def __init__(self, message: str, *, retry_s: float = SOONEST_S) -> None:
        """Say why not now, and when."""
        super().__init__(message)
        self.retry_s = whole_s(retry_s)


def whole_s(retry_s: float) -> int:
    """Seconds as a Retry-After header may tell them: whole, not at once, and not in hours."""
    return int(-(-min(max(retry_s, SOONEST_S), LATEST_S) // 1))
