"""What a command and the processes below it take, as Linux tells it under ``/proc``."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Self

EVERY_S = 0.5
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Taken:
    """What one process took so far.

    Attributes:
        memory_bytes: The most, counting what it shares by its share (PSS).
        cpu_s: Seconds on a core.
    """

    name: str
    memory_bytes: int = 0
    cpu_s: float = 0.0


class Watch:
    """Looks at a process and all below it while a ``with`` block lasts."""

    def __init__(self, top: int) -> None:
        self.taken: dict[int, Taken] = {}
        self.peak_bytes = 0
        self._top = top
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(EVERY_S):
            total = 0
            for process in _below(self._top):
                try:
                    name, cpu_s, memory_bytes = _look(process)
                except (OSError, IndexError):  # it ended
                    continue
                taken = self.taken.setdefault(process, Taken(name))
                taken.name = name
                taken.cpu_s = cpu_s
                taken.memory_bytes = max(taken.memory_bytes, memory_bytes)
                total += memory_bytes
            self.peak_bytes = max(self.peak_bytes, total)


def _below(top: int) -> list[int]:
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int(_status(int(entry.name))[1])
            except (OSError, IndexError):
                continue
            parents.setdefault(parent, []).append(int(entry.name))
    found = [top]
    for process in found:
        found += parents.get(process, [])
    return found


def _status(process: int) -> list[str]:
    """The fields of ``stat`` from the state on; the name before may hold anything."""
    return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()


def _look(process: int) -> tuple[str, float, int]:
    fields = _status(process)
    words = Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ")
    for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            memory_bytes = int(line.split()[1]) * 1024
            return words.decode(errors="replace"), _cpu_s(fields), memory_bytes
    return words.decode(errors="replace"), _cpu_s(fields), 0


def _cpu_s(fields: list[str]) -> float:
    return (int(fields[11]) + int(fields[12])) / _TICKS
