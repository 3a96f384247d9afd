#!/usr/bin/env python3
"""A verified, published download of 1 GiB against curl, curl and then sha256sum, and aria2c with a checksum.

Run it alone: .venv/bin/python bench/download.py [--size-mib N] [--rounds N] [--work DIR]
The files come from nginx on loopback. Ours is the node's whole download service: checksum file, fetch,
digest, header check, everything synced, published and in the journal; of the others only aria2c looks at a
digest, and none syncs. Ways take turns, so that what else the machine does hits them alike. "sha512 alone"
is the hash of as many bytes in memory, by one processor: nobody can verify such a publisher's image faster.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

import structlog  # noqa: E402
import uvloop  # noqa: E402

from bench.nginx import HOST, Publisher, publish, serving  # noqa: E402
from image_library.node.adapters.fetcher.access import SourceAccess  # noqa: E402
from tests.fakes.node_workbench import Workbench, order, workbench  # noqa: E402

NAMES = ("one.qcow2", "two.qcow2")
LIMIT_MIB = 32
# Where a connection gets no more than LIMIT_MIB, more than this takes too long.
SLOW_MIB = 192
SLOW = "slow.qcow2"
# Works in a folder; gives its own time where what surrounds it is not to count.
Way = Callable[[Publisher, Path], float | None]


def curl(*, tls: bool = False, name: str = NAMES[0], then_sum: bool = False, slow: bool = False) -> Way:
    def run(publisher: Publisher, folder: Path) -> None:
        base = publisher.https if tls else publisher.slow if slow else publisher.http
        trust = ["--cacert", str(publisher.ca)] if tls else []
        subprocess.run(["curl", "-sS", *trust, "-o", folder / name, f"{base}/{HOST}/{name}"], check=True)
        if then_sum:
            subprocess.run(["sha256sum", folder / name], check=True, capture_output=True)

    return run


def hashed_alone(algorithm: str) -> Way:
    def run(publisher: Publisher, folder: Path) -> float:
        del folder
        left = (publisher.files / HOST / NAMES[0]).stat().st_size
        digest, block, began = hashlib.new(algorithm), bytes(1 << 18), time.perf_counter()
        while left > 0:
            digest.update(block)
            left -= len(block)
        return time.perf_counter() - began

    return run


def aria2c(name: str = NAMES[0], *, slow: bool = False) -> Way:
    def run(publisher: Publisher, folder: Path) -> None:
        base = publisher.slow if slow else publisher.http
        digest = subprocess.run(
            ["curl", "-sS", f"{base}/{HOST}/{name}.SHA256"], check=True, capture_output=True, text=True
        ).stdout.split()[0]
        command = ["aria2c", "-q", "-x4", "-s4", f"--checksum=sha-256={digest}", "-d", str(folder)]
        subprocess.run([*command, f"{base}/{HOST}/{name}"], check=True)

    return run


def ours(
    algorithm: str = "sha256", *, tls: bool = False, slow: bool = False, names: tuple[str, ...] = NAMES[:1]
) -> Way:
    async def fetched(bench: Workbench, name: str) -> float:
        began = time.perf_counter()
        wanted = order(
            name,
            url=f"https://{HOST}/{name}",
            checksum_algorithm=algorithm,
            checksum_url=f"https://{HOST}/{name}.{algorithm.upper()}",
        )
        done = await bench.finish(wanted)
        assert done.published is not None, done.failure
        return time.perf_counter() - began

    async def work(publisher: Publisher, folder: Path) -> float:
        base = publisher.https if tls else publisher.slow if slow else publisher.http
        trust = [f"{publisher.https.removeprefix('https://')}={publisher.ca}"]
        async with workbench(folder / "data", mirror=base, access=SourceAccess(authorities=trust)) as bench:
            took = await asyncio.gather(*(fetched(bench, name) for name in names))
        if len(took) > 1:
            shares.append(max(took) / min(took))
        return max(took)

    def run(publisher: Publisher, folder: Path) -> float:
        _forget_peak()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            took = runner.run(work(publisher, folder))
        peaks.append(_peak_mib())
        return took

    return run


# Of our ways: memory at its highest, and how much longer the slower of two took than the other.
peaks: list[float] = []
shares: list[float] = []

WAYS: dict[str, Way] = {
    "curl": curl(),
    "ours, sha256": ours(),
    "ours, sha512": ours("sha512"),
    "sha512 alone": hashed_alone("sha512"),
    "curl + sha256sum": curl(then_sum=True),
    "aria2c -x4": aria2c(),
    "curl, https": curl(tls=True),
    "ours, https": ours(tls=True),
    "ours, two at once": ours(names=NAMES),
    "slow: curl": curl(name=SLOW, slow=True),
    "slow: ours": ours(names=(SLOW,), slow=True),
    "slow: aria2c -x4": aria2c(SLOW, slow=True),
}
# What is compared with what, and how much at most.
GOALS: tuple[tuple[str, str, float], ...] = (
    ("ours, sha256", "curl", 1.0),
    ("ours, https", "curl, https", 1.3),
    ("ours, sha256", "curl + sha256sum", 0.5),
    ("ours, sha256", "aria2c -x4", 1.0),
    ("ours, sha512", "ours, sha256", 1.5),
    ("slow: ours", "slow: aria2c -x4", 1.0),
)
MOST_MEMORY_MIB = 120
FAIREST = 1.25


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def _peak_mib() -> float:
    """The greatest resident size since it was forgotten (proc(5), VmHWM)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def measure(way: Way, publisher: Publisher, root: Path) -> float:
    folder = Path(tempfile.mkdtemp(dir=root))
    try:
        # What an earlier round left dirty is written now, not on somebody else's time.
        os.sync()
        began = time.perf_counter()
        own = way(publisher, folder)
        return own if own is not None else time.perf_counter() - began
    finally:
        shutil.rmtree(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--size-mib", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--work", type=Path, help="where to work (default: the temporary directory)")
    chosen = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    ways = WAYS if shutil.which("aria2c") else {way: w for way, w in WAYS.items() if "aria2c" not in way}
    times: dict[str, list[float]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory(dir=chosen.work) as made:
        root = Path(made)
        for name in NAMES:
            publish(root, name, chosen.size_mib)
        publish(root, SLOW, SLOW_MIB)
        with serving(root, limit_mib=LIMIT_MIB) as publisher:
            for _ in range(chosen.rounds):
                for way, work in ways.items():
                    times[way].append(measure(work, publisher, root))
    report(times)


def report(times: dict[str, list[float]]) -> None:
    for way, each in times.items():
        print(f"{way:18} {statistics.median(each):6.2f} s ({min(each):.2f} to {max(each):.2f})")
    for way, other, most in GOALS:
        if way in times and other in times:
            # Of rounds, not of medians: both halves of a ratio met the same machine.
            ratio = statistics.median(a / b for a, b in zip(times[way], times[other], strict=True))
            said(f"{way} / {other}", ratio, most)
    floor = [a / b for a, b in zip(times["sha512 alone"], times["ours, sha256"], strict=True)]
    print(f"no less than {statistics.median(floor):.2f}: sha512 alone / ours, sha256")
    said("peak memory in MiB", max(peaks), MOST_MEMORY_MIB)
    said("slower / faster of two at once", statistics.median(shares), FAIREST)


def said(what: str, value: float, most: float) -> None:
    print(f"goal: {what}: {value:.2f}, at most {most:g}: {'met' if value <= most else 'MISSED'}")


if __name__ == "__main__":
    main()
