"""Logs as people and as programs read them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[3] / "src"
# In a process of its own: how a program logs is decided once.
PROGRAM = """
import sys
import structlog
from image_library.observability.logs import set_up_logs
set_up_logs(sys.argv[1])
log = structlog.get_logger()
log.debug("not_shown")
log.info("image_published", digest="sha256:1")
log.info("guest_said", text="\\x1b[2Jgone")
def broken():
    join_token = "canary"
    raise ValueError("no good")
try:
    broken()
except ValueError:
    log.exception("it_broke")
"""


def logged(form: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, form],
        env={"PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == ""
    return done.stderr


def test_programs_get_one_document_a_line() -> None:
    first, _, second = (json.loads(line) for line in logged("json").splitlines())
    assert (first["event"], first["level"], first["digest"]) == ("image_published", "info", "sha256:1")
    assert first["timestamp"].endswith("Z")
    assert second["exception"][0]["exc_type"] == "ValueError"


@pytest.mark.parametrize("form", ["console", "json"])
def test_local_variables_are_never_logged(form: str) -> None:
    said = logged(form)
    assert "image_published" in said
    assert "no good" in said
    assert "not_shown" not in said
    assert "canary" not in said.replace('join_token = "canary"', "")


@pytest.mark.parametrize("form", ["console", "json"])
def test_a_strangers_words_do_not_steer_the_terminal(form: str) -> None:
    said = logged(form)
    assert "\\u001b[2Jgone" in said
    assert "\x1b" not in said
