"""Programs are started, awaited and always ended."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import NotReady, Program, end_processes_of, environment, processes_of, run_cli

READY = 'print("""{"event":"ready","url":"http://127.0.0.1:9"}""", flush=True)'
FOR_EVER = "import signal; signal.pause()"


def start(script: str, data_dir: Path, timeout: float = 20) -> Program:
    env = environment(data_dir)
    return Program.start([], env, timeout=timeout, command=[sys.executable, "-c", script])


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "token").write_text("secret\n")
    return folder


def test_reads_the_ready_line_and_the_token(data_dir: Path) -> None:
    with start(f"print('a log line'); {READY}; {FOR_EVER}", data_dir) as program:
        assert program.url == "http://127.0.0.1:9"
        assert program.token == "secret"
    assert program.process.returncode == -signal.SIGTERM


def test_a_program_that_ends_first_is_reported_with_its_words(data_dir: Path) -> None:
    with pytest.raises(NotReady, match=r"ended with 3(.|\n)*port taken"):
        start("import sys; print('port taken', file=sys.stderr); sys.exit(3)", data_dir)


def test_a_program_that_never_gets_ready_is_ended(data_dir: Path) -> None:
    with pytest.raises(NotReady, match="no ready line in time"):
        start(FOR_EVER, data_dir, timeout=0.1)
    assert list(processes_of(data_dir)) == []


def test_kills_as_a_crash_does(data_dir: Path) -> None:
    with start(f"{READY}; {FOR_EVER}", data_dir) as program:
        program.kill9()
        assert program.process.returncode == -signal.SIGKILL


def test_the_environment_holds_nothing_of_the_developers(data_dir: Path) -> None:
    env = environment(data_dir, mirror="http://127.0.0.1:1", EXTRA="x")
    assert env["HOME"] == str(data_dir.parent / "home")
    assert env["LIMIQUANTIX_MIRROR"] == "http://127.0.0.1:1"
    assert env["EXTRA"] == "x"
    assert "SSH_AUTH_SOCK" not in env


def test_what_works_for_a_data_directory_is_found_and_ended(data_dir: Path) -> None:
    left = subprocess.Popen([sys.executable, "-c", FOR_EVER], env=environment(data_dir))
    other = subprocess.Popen([sys.executable, "-c", FOR_EVER], env=environment(data_dir.with_name("data2")))
    try:
        assert list(processes_of(data_dir)) == [left.pid]
        end_processes_of(data_dir)
        assert left.wait(5) == -signal.SIGKILL
        assert other.poll() is None
    finally:
        for process in (left, other):
            process.kill()
            process.wait()


def test_runs_a_command_to_its_end(data_dir: Path) -> None:
    done = run_cli(["no-such-command"], environment(data_dir))
    assert done.returncode == 2
    assert "no-such-command" in done.stderr
