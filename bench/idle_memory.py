"""How much memory control plane and node take together while they rest, and how soon they are ready.

Starts ``limiquantix up`` in a fresh directory, twice: the first start makes everything, the second finds it.
Memory is the resident set (RSS) of every process of the tree, added up.

    python bench/idle_memory.py [--settle SECONDS]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MOST_MIB = 200
MOST_SECONDS = 2.0
ROOT = Path(__file__).parents[1]
_MIB = 1024 * 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--settle", type=float, default=5.0, help="seconds to rest before measuring")
    settle = parser.parse_args().settle
    with tempfile.TemporaryDirectory(prefix="idle-memory-") as folder:
        for start in ("first", "second"):
            seconds, mib = measure(Path(folder) / "data", settle)
            show(f"{start} start, to the ready line", seconds, MOST_SECONDS, "s")
            show(f"{start} start, resident at rest", mib, MOST_MIB, "MiB")


def show(what: str, measured: float, most: float, unit: str) -> None:
    print(f"{what:32} {measured:7.2f} {unit:4} = {measured / most:.2f} x {most:g} {unit}")


def measure(data_dir: Path, settle: float) -> tuple[float, float]:
    """Seconds from start to the ready line, and MiB resident of the whole tree after resting."""
    up = ["up", "--json", "--data-dir", str(data_dir), "--listen", "127.0.0.1:0"]
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "image_library", *up],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        seconds = time.monotonic() - began
        if not line or json.loads(line)["event"] != "ready":
            raise SystemExit(f"'up' did not become ready: {line!r}")
        time.sleep(settle)
        return seconds, sum(resident(pid) for pid in tree(process.pid)) / _MIB
    finally:
        process.terminate()
        process.communicate(timeout=30)


def tree(root: int) -> list[int]:
    """The process and all that descend from it."""
    found: list[int] = []
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        for task in Path(f"/proc/{pid}/task").iterdir():
            waiting += [int(child) for child in (task / "children").read_text().split()]
    return found


def resident(pid: int) -> int:
    """Bytes of the process that are in memory."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main()
