"""Streams that are closed, full or not read to their end: told, and never a traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[3] / "src"


def shell(home: Path, line: str) -> subprocess.CompletedProcess[str]:
    """A command line as a shell runs it; $L is the program."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": str(SOURCE)}
    program = f"{sys.executable} -m image_library"
    command = ["bash", "-c", line.replace("$L", program)]
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("words", ["--version", "--help"])
def test_a_closed_stdout_is_no_error(home: Path, words: str) -> None:
    ended = shell(home, f"$L {words} >&-")
    assert (ended.returncode, ended.stderr) == (0, "")


def test_all_streams_closed_still_gives_the_exit_code(home: Path) -> None:
    assert shell(home, "$L images list <&- >&- 2>&-").returncode == 8


@pytest.mark.parametrize("words", ["--version", "images list --json"])
def test_an_answer_that_cannot_be_written_fails_in_one_line(home: Path, words: str) -> None:
    ended = shell(home, f"$L {words} >/dev/full")
    assert ended.returncode in (8, 70)
    assert ended.stderr.startswith("error: ")
    assert len(ended.stderr.splitlines()) == 1


def test_an_error_is_in_the_document_also_when_stderr_is_full(home: Path) -> None:
    ended = shell(home, "$L images list --json 2>/dev/full")
    assert json.loads(ended.stdout)["error"]["code"] == "server.unreachable"


def test_a_reader_that_leaves_is_no_error(home: Path) -> None:
    ended = shell(home, "$L --help | head -1; exit ${PIPESTATUS[0]}")
    assert (ended.returncode, ended.stderr) == (0, "")
