"""Which core serves and which one asks, so that neither takes the other's time."""

from __future__ import annotations

import os

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
