"""`images upload`: by hand, and through kills on either side."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import threading
from pathlib import Path
from typing import Any

from tests.fakes.node_images import Qcow2
from tests.integration.uploads.conftest import UP
from tests.support.processes import COMMAND, Program, run_cli

MIB = 1 << 20


def a_file(tmp_path: Path, size: int, name: str = "mine.qcow2") -> Path:
    path = tmp_path / name
    path.write_bytes(Qcow2().file(size))
    return path


def digest(path: Path) -> str:
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def image(env: dict[str, str], name: str) -> Any:
    return json.loads(run_cli(["--json", "images", "show", name], env).stdout)["image"]


def test_a_file_becomes_an_image(up: Program, env: dict[str, str], tmp_path: Path) -> None:
    path = a_file(tmp_path, 3 * MIB)
    done = run_cli(["--json", "images", "upload", str(path), "--name", "golden"], env)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"] == "COMPLETED"
    shown = image(env, "golden")
    assert shown["status"]["digest"] == digest(path)
    assert shown["status"]["trust"] == "TRUST_LEVEL_UNVERIFIED"
    assert "uploading" in done.stderr


def test_a_given_checksum_is_held_against_the_bytes(up: Program, env: dict[str, str], tmp_path: Path) -> None:
    path = a_file(tmp_path, MIB)
    wrong = run_cli(["images", "upload", str(path), "--checksum", f"sha256:{'0' * 64}"], env)
    assert wrong.returncode != 0
    assert "0000" in wrong.stderr
    assert "Traceback" not in wrong.stderr


def test_what_cannot_be_read_is_said(up: Program, env: dict[str, str], tmp_path: Path) -> None:
    for path in (tmp_path / "nothing.qcow2", tmp_path):
        refused = run_cli(["images", "upload", str(path)], env)
        assert refused.returncode != 0
        assert str(path) in refused.stderr
        assert "Traceback" not in refused.stderr


def test_a_killed_command_goes_on_when_it_is_called_again(
    up: Program, env: dict[str, str], tmp_path: Path
) -> None:
    path = a_file(tmp_path, 200 * MIB)
    args = ["images", "upload", str(path), "--name", "large"]
    with subprocess.Popen([*COMMAND, *args], env=env, stderr=subprocess.PIPE, text=True) as first:
        assert first.stderr is not None
        for line in first.stderr:
            if "uploading" in line:
                first.send_signal(signal.SIGKILL)
                break
        first.stderr.read()
    again = run_cli(["--json", *args], env)
    assert again.returncode == 0, again.stderr
    shown = image(env, "large")
    assert shown["status"]["digest"] == digest(path)
    # The second run did not hash the file anew: it knew the upload.
    assert "hashing" not in again.stderr


def test_a_killed_server_is_waited_for(env: dict[str, str], tmp_path: Path) -> None:
    path = a_file(tmp_path, 200 * MIB)
    with Program.start(UP, env) as first:
        where = first.url.removeprefix("http://")
        command = [*COMMAND, "--json", "images", "upload", str(path), "--name", "large"]
        with subprocess.Popen(
            command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as sender:
            assert sender.stderr is not None
            assert sender.stdout is not None
            for line in sender.stderr:
                if "uploading" in line:
                    break
            first.kill9()
            said: list[str] = []
            rest = threading.Thread(target=said.extend, args=(sender.stderr,), daemon=True)
            rest.start()
            with Program.start(("up", "--json", "--listen", where), env):
                assert sender.wait(60) == 0, said
                document = json.loads(sender.stdout.read())
                assert document["status"] == "COMPLETED"
                shown = image(env, "large")
                assert shown["status"]["digest"] == digest(path)
            rest.join(5)
