"""How fast passwords may be guessed."""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable

FREE = 10  # wrong passwords that cost nothing: people mistype, and browsers ask for many files
EACH_S = 6.0  # then one more in so many seconds
_MOST = 10_000  # addresses that are remembered


class Brake:
    """Counts the wrong passwords of each address.

    What came too often is not even compared until some time has gone by: else whoever asks many
    times at once would find the right one among the answers.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Nobody has tried yet; ``clock`` tells seconds."""
        self._clock = clock
        self._paid: OrderedDict[str, float] = OrderedDict()  # when all of an address is forgotten

    def wait_s(self, address: str) -> float:
        """Seconds until something from there is compared again; 0: now."""
        return max(0.0, self._paid.get(_house(address), 0) - self._clock() - (FREE - 1) * EACH_S)

    def wrong(self, address: str) -> None:
        """Remember that a wrong password came from there."""
        house, now = _house(address), self._clock()
        self._paid[house] = max(now, self._paid.get(house, now)) + EACH_S
        self._paid.move_to_end(house)
        if len(self._paid) > _MOST:
            self._paid.popitem(last=False)


def _house(address: str) -> str:
    """What one person has: an IPv4 address, or a whole /64 of IPv6."""
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return address
    if known.version == 4:
        return address
    return str(ipaddress.ip_network((int(known) >> 64 << 64, 64)))
