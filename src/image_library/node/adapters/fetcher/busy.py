"""How busy this thread is."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

# Nanoseconds on a processor and of waiting for one (Linux, Documentation/scheduler/sched-stats.rst).
_SCHEDULED = Path("/proc/thread-self/schedstat")


def busy_seconds() -> float:
    """Seconds since its start that it worked, or waited for a processor where the kernel tells."""
    with suppress(OSError, ValueError):
        on, waiting, _ = _SCHEDULED.read_text().split()
        return (int(on) + int(waiting)) / 1e9
    return time.thread_time()
