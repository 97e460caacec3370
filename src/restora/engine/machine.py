"""What this machine is good at."""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path

from restora.engine.plan import Machine

# Instructions that multiply and add 8-bit numbers in one go. Without them 8-bit networks are no
# faster, and on older x86 they lose precision as well.
_DOT_PRODUCT_FLAGS = {"avx512_vnni", "avx_vnni", "asimddp"}


def this_machine(device: str) -> Machine:
    """The machine this runs on, with the device that was chosen."""
    return Machine(device=device, fast_int8=_has_fast_int8())


@cache
def _has_fast_int8() -> bool:
    """Whether the CPU is known to have such instructions; where it cannot be told, it has not."""
    if platform.system() == "Darwin":
        return platform.machine() == "arm64"  # every Apple CPU has them
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return False
    flags = next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    return not _DOT_PRODUCT_FLAGS.isdisjoint(flags.split())
