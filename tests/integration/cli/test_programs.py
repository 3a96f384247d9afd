"""The programs that stay, as processes: ready, found, refused, stopped."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.support.postgres import Server, say

ROOT = Path(__file__).parents[3]


def environment(home: Path, **more: str) -> dict[str, str]:
    chosen = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "PYTHONPATH": str(ROOT / "src"),
        "LANG": "C.UTF-8",
    }
    return {**chosen, "LIMIQUANTIX_ACCEL": "tcg", **more}


def called(home: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "image_library", *words],
        env=environment(home, **more),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@contextmanager
def running(home: Path, *words: str) -> Generator[dict[str, Any]]:
    """A program from its ready line to its clean end."""
    with (home / "log").open("a") as log:
        program = subprocess.Popen(
            [sys.executable, "-m", "image_library", *words, "--json"],
            env=environment(home),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    assert program.stdout is not None
    try:
        line = program.stdout.readline()
        assert line.endswith("\n"), (home / "log").read_text()
        yield json.loads(line)
        program.send_signal(signal.SIGTERM)
        assert program.wait(20) == 0
        assert program.stdout.read() == "", "stdout carries the ready line and nothing else"
    finally:
        program.kill()
        program.wait()
        program.stdout.close()


def test_up_is_found_by_its_data_directory_and_leaves_nothing_behind(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    with running(tmp_path, "--data-dir", str(data_dir), "up", "--listen", "127.0.0.1:0") as ready:
        assert ready["event"] == "ready"
        described = data_dir / "server.json"
        assert json.loads(described.read_text())["url"] == ready["url"]
        for secret in (described, data_dir / "token"):
            assert stat.S_IMODE(secret.stat().st_mode) == 0o600
        nodes = called(tmp_path, "nodes", "list", "--json", "--data-dir", str(data_dir))
        assert [n["status"]["phase"] for n in json.loads(nodes.stdout)["nodes"]] == ["READY"]
        second = called(tmp_path, "up", "--data-dir", str(data_dir), "--listen", "127.0.0.1:0")
        assert second.returncode == 5
        assert "--data-dir" in second.stderr
    assert not described.exists()


def test_control_plane_and_node_meet_over_the_join_token(tmp_path: Path) -> None:
    plane, own = str(tmp_path / "plane"), str(tmp_path / "node")
    with running(tmp_path, "controlplane", "--data-dir", plane, "--listen", "127.0.0.1:0") as ready:
        join = f"{plane}/join-token"
        words = ["--data-dir", own, "--control-plane", ready["url"], "--join-token-file", join]
        with running(tmp_path, "node", *words) as node:
            assert node["event"] == "ready"
            nodes = called(tmp_path, "nodes", "list", "--data-dir", plane)
            assert "ready" in nodes.stdout


def test_a_taken_port_is_told_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = called(tmp_path, "up", "--data-dir", str(tmp_path / "data"), "--listen", listen, "--json")
    assert ended.returncode == 5
    assert json.loads(ended.stdout)["error"]["code"] == "server.port_taken"
    assert f"error: Another program listens on {listen}. Choose another with --listen" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["up", "--listen", "nonsense"], 2, "is not HOST:PORT"),
        (["up", "--listen", "0.0.0.0:0"], 2, "not served without TLS"),
        (["up", "--no-auth", "--listen", "0.0.0.0:0"], 2, "Without authentication only loopback"),
        (["up", "--catalog", "/no/such.toml"], 2, "/no/such.toml"),
        (["up", "--accel", "magic"], 2, "auto or kvm or tcg"),
        (["up", "--config", "/no/such.toml"], 2, "cannot be read"),
        (["node"], 2, "--control-plane URL"),
        (["node", "--control-plane", "http://127.0.0.1:9"], 2, "join token"),
    ],
)
def test_what_cannot_be_started_is_refused_in_one_line(
    tmp_path: Path, words: list[str], code: int, said: str
) -> None:
    ended = called(tmp_path, *words, "--data-dir", str(tmp_path / "data"))
    assert ended.returncode == code
    assert said in ended.stderr.splitlines()[-1]
    assert ended.stderr.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in ended.stderr


def test_a_data_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for words in (["up"], ["launch", "debian-12"]):
        ended = called(tmp_path, *words, "--data-dir", str(tmp_path / "file" / "data"))
        assert ended.returncode == 5
        assert "error: " in ended.stderr
        assert "--data-dir" in ended.stderr


def test_launch_starts_a_server_that_stays(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    ended = called(tmp_path, "launch", "no-such-image", "--data-dir", str(data_dir))
    server = json.loads((data_dir / "server.json").read_text())
    try:
        assert ended.returncode == 3
        assert "No server runs; starting one in the background." in ended.stderr
        assert server["url"] in ended.stderr
        again = called(tmp_path, "launch", "no-such-image", "--data-dir", str(data_dir))
        assert "starting one" not in again.stderr
        stopped = called(tmp_path, "down", "--data-dir", str(data_dir))
        assert stopped.stdout == f"Stopped the server at {server['url']}.\n"
        assert called(tmp_path, "down", "--data-dir", str(data_dir)).returncode == 8
    finally:
        with suppress(ProcessLookupError):
            os.kill(server["pid"], signal.SIGKILL)


def test_the_state_may_be_in_postgresql(postgres: Server, tmp_path: Path) -> None:
    with postgres.database() as url:
        password = url.partition("@")[0].rpartition(":")[2]
        (tmp_path / "data").mkdir()
        (tmp_path / "data/settings.toml").write_text(f'database_url = "{url}"\n')
        with running(
            tmp_path, "controlplane", "--data-dir", str(tmp_path / "data"), "--listen", "127.0.0.1:0"
        ):
            listed = called(tmp_path, "images", "list", "--json", "--data-dir", str(tmp_path / "data"))
            assert json.loads(listed.stdout)["totalCount"] == 0
            assert say(url, "SELECT count(*) FROM alembic_version") == [(1,)]
    assert not (tmp_path / "data/controlplane.db").exists()
    assert password not in (tmp_path / "log").read_text()


def test_a_database_that_does_not_answer_is_named_without_its_password(tmp_path: Path) -> None:
    url = "postgresql://me:s3cret@127.0.0.1:1/library"
    listen = ("--listen", "127.0.0.1:0", "--data-dir", str(tmp_path / "data"))
    for more, option in (({}, ("--database-url", url)), ({"LIMIQUANTIX_DATABASE_URL": url}, ())):
        ended = called(tmp_path, "controlplane", *listen, *option, "--json", **more)
        assert json.loads(ended.stdout)["error"]["code"] == "server.database_unavailable"
        assert ended.returncode == 8
        assert "s3cret" not in ended.stdout + ended.stderr
