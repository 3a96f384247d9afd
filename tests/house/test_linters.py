"""The linters run as tests, so that one command tells all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(*command: str) -> None:
    program = Path(sys.executable).parent / command[0]
    done = subprocess.run(
        [program, *command[1:]],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


def test_ruff_finds_nothing() -> None:
    run("ruff", "check", "--quiet", "src", "tests", "bench", "scripts")


def test_everything_is_formatted() -> None:
    run("ruff", "format", "--check", "--quiet", "src", "tests", "bench", "scripts")


# It reads everything, which takes its time where others work too.
@pytest.mark.timeout(600)
def test_the_types_are_right() -> None:
    run("basedpyright", "--level", "error")


def test_the_arrows_point_inward() -> None:
    run("lint-imports", "--no-cache")


def test_the_contract_keeps_bufs_rules() -> None:
    run("buf", "lint")
