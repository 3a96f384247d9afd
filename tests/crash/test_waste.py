"""G5: a kill -9 costs less than a MiB, whether the disk is quick or slow; and system calls that fail."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.crash.accept import KEY
from tests.crash.bench import open_bench

ROOT = Path(__file__).parents[2]
MIB = 1 << 20


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}


@pytest.mark.parametrize("seconds_a_write", [0.0, 0.03])
@pytest.mark.parametrize("after", [3 * MIB, 5 * MIB + 65536])
async def test_a_kill_costs_less_than_a_mebibyte(tmp_path: Path, seconds_a_write: float, after: int) -> None:
    command = [sys.executable, "-m", "tests.crash.accept", str(tmp_path / "data"), str(seconds_a_write)]
    with subprocess.Popen(  # noqa: ASYNC220 - it is waited for here
        command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if int(line) >= after:
                break
        child.kill()
        rest = [int(line) for line in child.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
        accepted = max([after, *rest])
    async with open_bench(tmp_path / "data") as bench:
        part = await bench.store.open_part(KEY)
        wasted = accepted - part.offset
        await part.close()
    assert wasted < MIB, wasted
    assert wasted > 0 or not seconds_a_write


def no_ptrace() -> str:
    if not shutil.which("strace"):
        return "strace is not installed"
    tried = subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, text=True, check=False)
    return tried.stderr.strip() if tried.returncode else ""


@pytest.mark.parametrize(
    ("inject", "said"),
    [
        ("linkat:error=ENOSPC", "storage.full"),
        ("pwrite64:error=EIO:when=2+", "storage.io_error"),
        ("fsync:error=EIO:when=3+", "storage.io_error"),
        ("pwrite64:error=EINTR:when=2", "ready"),
    ],
)
def test_real_syscalls_that_fail(tmp_path: Path, inject: str, said: str) -> None:
    reason = no_ptrace()
    if reason:
        pytest.skip(f"no injected errors: {reason}")
    calls = inject.partition(":")[0]
    data = str(tmp_path / "data")
    fetch = [sys.executable, "-m", "tests.crash.fetch", data]
    made = subprocess.run(
        [*fetch, "prepare"], cwd=ROOT, env=environment(), capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr[-2000:]
    traced = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={calls}", "-e", f"inject={inject}"]
    done = subprocess.run(
        [*traced, *fetch], cwd=ROOT, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == said, done.stderr[-2000:]
    again = subprocess.run(
        [*fetch, "again"], cwd=ROOT, env=environment(), capture_output=True, text=True, check=False
    )
    assert again.stdout.strip() == "ready", again.stderr[-2000:]
