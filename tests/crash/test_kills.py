"""G2 and G3: kill -9 at each operation and at any instant, and power cuts of real file systems.

LIMIQUANTIX_TEST_SEED repeats a run: its seed is printed, and told where it fails.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.crash.seams import OPERATIONS
from tests.support.sizes import LONG, size

ROOT = Path(__file__).parents[2]
SEED = int(os.environ.get("LIMIQUANTIX_TEST_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 31)
KILLS = size(2_000, 24_000)
DISK_KILLS = size(20, 1_200)
CUTS = size(300, 1_000)
SYNCS = ("sync", "datasync", "sync_directory")


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder on tmpfs, where there is one: nothing here waits for a disk."""
    where = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="limiquantix-crash-", dir=where))
    yield folder
    shutil.rmtree(folder)


def program(module: str, *arguments: object, prefix: tuple[str, ...] = ()) -> dict[str, Any]:
    done = subprocess.run(
        [*prefix, sys.executable, "-m", module, *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def by_two(module: str, memory: Path, count: int) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """What two workers answer, of which each does half; and how often each site was hit by both."""
    workers = 2
    folders = [memory / str(number) for number in range(workers)]
    for folder in folders:
        folder.mkdir()
    with ThreadPoolExecutor(workers) as pool:
        runs = [
            pool.submit(program, module, folder, count // workers, SEED + number)
            for number, folder in enumerate(folders)
        ]
        answers = [run.result() for run in runs]
    hit: dict[str, int] = {}
    for answer in answers:
        for site, times in answer["hit"].items():
            hit[site] = hit.get(site, 0) + times
    seconds = max(answer["seconds"] for answer in answers)
    print(f"seed {SEED}: {sum(hit.values())} kills at {len(hit)} sites in {seconds:.0f} s")
    assert [failure for answer in answers for failure in answer["failures"]] == [], f"seed {SEED}"
    return answers, hit


@pytest.mark.timeout(size(1800, 7200))
def test_a_kill_anywhere_loses_nothing(memory: Path) -> None:
    answers, hit = by_two("tests.crash.kills", memory, KILLS)
    # A walk may be over before a kill at any instant comes.
    assert sum(hit.values()) > 0.75 * KILLS
    sites = {site: count for site, count in hit.items() if not site.endswith("anywhere")}
    assert {site.split()[-1] for site in sites} > set(OPERATIONS) - {"set_owner"} | {"commit"}
    if LONG:
        # Each worker numbers the operations of its own walks. Threads may order them otherwise, or make them
        # fewer: then a walk ends before its kill comes.
        assert sum(map(least, answers)) >= 20, [*map(least, answers)]


@pytest.mark.timeout(size(600, 7200))
def test_a_kill_anywhere_in_work_on_a_vms_disk_leaves_it_as_before_or_as_after(memory: Path) -> None:
    answers, hit = by_two("tests.crash.disk_kills", memory, DISK_KILLS)
    # Where the work is over nobody is killed.
    assert sum(hit.values()) > 0.5 * DISK_KILLS
    if LONG:
        assert sum(map(least, answers)) >= 5, [*map(least, answers)]


def least(answer: dict[str, Any]) -> int:
    """How often its rarest site was tried."""
    return min(count for site, count in answer["tried"].items() if not site.endswith("anywhere"))


def why_not(kind: str) -> str:
    """Why power cannot be cut here; "" where it can."""
    if os.geteuid() != 0:
        return "mounting needs root"
    missing = [name for name in ("losetup", "unshare", "mkfs.xfs", f"mkfs.{kind}") if not shutil.which(name)]
    if missing:
        return f"{missing[0]} is not installed"
    if not Path("/dev/loop-control").exists():
        return "there are no loop devices"
    apart = subprocess.run(
        ["unshare", "-m", "losetup", "--find"], capture_output=True, text=True, check=False
    )
    return apart.stderr.strip() if apart.returncode else ""


def cut(folder: Path, kind: str, count: int, *forgets: str) -> dict[str, Any]:
    reason = why_not(kind)
    if reason:
        pytest.skip(f"no power cuts: {reason}")
    apart = ("unshare", "-m", "--propagation", "private")
    return program("tests.crash.cuts", folder, kind, count, SEED, *forgets, prefix=apart)


@pytest.mark.timeout(size(1800, 7200))
@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs"] if LONG else ["ext4"])
def test_a_power_cut_loses_nothing(memory: Path, kind: str) -> None:
    answer = cut(memory, kind, CUTS)
    print(f"seed {SEED}: {CUTS} power cuts of {kind} in {answer['seconds']:.0f} s")
    assert answer["failures"] == [], f"seed {SEED}"
    assert sum(answer["cuts"].values()) >= CUTS


@pytest.mark.timeout(600)
def test_a_node_that_never_syncs_is_found_out(memory: Path) -> None:
    assert cut(memory, "ext4", 300, *SYNCS)["failures"]


def test_a_kill_anywhere_in_a_scrub_begins_with_the_same_image(memory: Path) -> None:
    answer = program("tests.crash.scrubs", memory)
    assert answer["failures"] == []
    # Three images in four readings each, and of the one that has rotted four more.
    assert answer["kills"] == 12 + 16
