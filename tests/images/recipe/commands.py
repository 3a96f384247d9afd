"""Runs the build's programs: their output goes to a log, and its end is shown when one fails."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Protocol


class StepFailed(Exception):
    """A program of the build ended with an error; the message holds the end of its output."""


class Run(Protocol):
    def __call__(self, *command: str, stdin: str = "") -> None: ...


def logging_to(log: Path) -> Run:
    """A runner that appends all output to "log" and raises StepFailed at the first failure."""

    def run(*command: str, stdin: str = "") -> None:
        with log.open("a+") as out:
            start = out.tell()
            try:
                done = subprocess.run(
                    command, input=stdin.encode(), stdout=out, stderr=subprocess.STDOUT, check=False
                )
            except FileNotFoundError:
                raise StepFailed(f"{command[0]} is missing. Install {' '.join(needed())}.") from None
            if done.returncode:
                out.seek(start)
                ending = "".join(out.readlines()[-25:])
                raise StepFailed(f"{command[0]} ended with {done.returncode}:\n{ending}")

    return run


def needed() -> list[str]:
    """The Debian packages that the build's programs come from."""
    return (Path(__file__).parents[1] / "packages.txt").read_text().split()
