"""Which core serves and which one asks, so that neither takes the other's time."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from bench.idle_memory import tree

_CORES = sorted(os.sched_getaffinity(0))
SERVER, LOAD = _CORES[0], _CORES[-1]


def served(command: list[str]) -> list[str]:
    """The command of a server, held to its core with all of its threads."""
    return ["taskset", "--cpu-list", str(SERVER), *command]


def hold_load() -> None:
    """This process asks from here on."""
    os.sched_setaffinity(0, {LOAD})


def described() -> str:
    apart = f"servers on core {SERVER}, load on core {LOAD}" if SERVER != LOAD else "one core for everything"
    return f"{apart}; load average {os.getloadavg()[0]:.1f}"


@dataclass(frozen=True, kw_only=True)
class Running:
    """A server on loopback."""

    port: int
    pid: int

    def cpu_seconds(self) -> float:
        """What it and its children have used; unlike time, it is the same on a busy machine."""
        return sum(_ticks(pid) for pid in tree(self.pid)) / os.sysconf("SC_CLK_TCK")


def _ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
