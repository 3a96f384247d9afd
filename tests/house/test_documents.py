"""Documents that are written by programs say what the programs say today."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from image_library.domain.errors import all_errors

ROOT = Path(__file__).parents[2]


def printed_by(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT / "src"), "PATH": "/usr/bin:/bin", "COLUMNS": "100"},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_the_list_of_errors_is_current() -> None:
    assert printed_by("scripts/document_errors.py") == (ROOT / "docs/errors.md").read_text()


def test_every_error_has_its_own_code_a_meaning_and_a_remedy() -> None:
    errors = list(all_errors())
    assert all(error.__doc__ and error.remedy_default for error in errors)
    codes = [error.code for error in errors if error.code != "internal"]
    assert len(codes) == len(set(codes))
