#!/usr/bin/env python3
"""Inspecting one ordinary image, against `qemu-img info --output=json` and against oslo.utils' inspector.

Run it alone: .venv/bin/python bench/inspection.py [--rounds N] [--work DIR]
Ours is all that a node does with a file before it is believed: open, recognise, judge by the format's parser.
The images are those of the tests' benign corpus, of every format and variant. For each image the median of
some rounds is taken; shown are the median of these and the slowest image. All comes from the page cache.
Goal: every ordinary image below 2 ms.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]
# This folder has names that others' modules import as their own.
sys.path[:] = [place for place in sys.path if Path(place or ".").resolve() != ROOT / "bench"]

from oslo_utils.imageutils.format_inspector import detect_file_format  # noqa: E402

from image_library.node.adapters.inspector import HeaderInspector, read_regular_file  # noqa: E402
from tests.support.corpus.benign import DRIVERS, Benign, build_benign  # noqa: E402

GOAL_SECONDS = 0.002
INSPECTOR = HeaderInspector()


def ours(image: Benign) -> None:
    read_regular_file(
        str(image.path), lambda fd, seen: INSPECTOR.inspect_open(fd, name=image.name, size=seen.st_size)
    )


def qemu(image: Benign) -> None:
    words = ("qemu-img", "info", "-f", DRIVERS.get(image.format, "raw"), "--output=json", str(image.path))
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)


def oslo(image: Benign) -> None:
    try:
        found = detect_file_format(str(image.path))
        if found is not None:
            found.safety_check()
    except Exception:
        # It refuses some of these.
        return


def seconds(inspect: Callable[[Benign], None], image: Benign, rounds: int) -> float:
    taken: list[float] = []
    for _ in range(rounds):
        before = time.perf_counter()
        inspect(image)
        taken.append(time.perf_counter() - before)
    return statistics.median(taken)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--work", type=Path)
    chosen = parser.parse_args()
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory(dir=chosen.work) as folder:
        images = build_benign(Path(folder))
        found = {
            name: [seconds(inspect, image, chosen.rounds) for image in images]
            for name, inspect in (("ours", ours), ("qemu-img info", qemu), ("oslo.utils", oslo))
        }
    middle = {name: statistics.median(taken) for name, taken in found.items()}
    for name, taken in found.items():
        ratio = middle[name] / middle["ours"]
        slowest = images[taken.index(max(taken))].name
        print(
            f"{name:14} {middle[name] * 1e3:7.2f} ms, {ratio:6.1f} times ours; "
            f"slowest {max(taken) * 1e3:.2f} ms ({slowest})"
        )
    met = max(found["ours"]) < GOAL_SECONDS
    print(f"{len(images)} images; every one below {GOAL_SECONDS * 1e3:g} ms: {'met' if met else 'MISSED'}")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
