"""Whatever answers, or nobody: one or two sentences, a code, and never a traceback."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError

from image_library.cli.__main__ import run
from tests.fakes.server import FakeLibrary, Running
from tests.integration.cli.conftest import Cli


def answering(status: int, kind: str, body: bytes) -> Any:
    """An application that is not ours and answers everything alike."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-type", kind.encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


GARBAGE = [
    (200, "text/html", b"<html>login</html>"),
    (200, "application/proto", b"\xff\xff\xff\xff"),
    (200, "application/connect+proto", b"\x00\x00\x00\x00\x09abc"),
    (404, "text/plain", b"not here"),
    (500, "application/json", b"{]"),
    (500, "application/json", b'{"code": 3}'),
    (302, "text/html", b""),
]


@pytest.mark.parametrize(("status", "kind", "body"), GARBAGE)
@pytest.mark.parametrize("words", [["images", "list"], ["jobs", "watch", "x"]])
def test_another_program_at_the_port_is_told_and_not_traced(
    home: Path, capsys: pytest.CaptureFixture[str], status: int, kind: str, body: bytes, words: list[str]
) -> None:
    with Running(answering(status, kind, body)) as url:
        code = run(["--server", url, *words])
    told = capsys.readouterr()
    assert code in (8, 12, 70)
    assert told.err.startswith("error: ")
    assert url in told.err
    assert "Traceback" not in told.err
    assert told.out == ""


def test_garbage_that_is_not_even_http_is_told(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]

        def answer() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")

        import threading

        threading.Thread(target=answer, daemon=True).start()
        code = run(["nodes", "list", "--server", f"http://127.0.0.1:{port}"])
    assert code == 8
    assert capsys.readouterr().err.startswith(f"error: The connection to http://127.0.0.1:{port} broke")


def test_nobody_at_the_port_is_code_8_with_the_remedy(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    assert run(["--json", "--server", url, "vms", "list"]) == 8
    told = capsys.readouterr()
    assert json.loads(told.out)["error"]["code"] == "server.unreachable"
    assert "Connection refused. Start it: 'limiquantix up'." in told.err


def test_a_server_that_was_killed_is_not_taken_for_running(
    home: Path, data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data_dir.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    (data_dir / "server.json").write_text(json.dumps({"url": url, "pid": os.getpid()}))
    assert run(["vms", "list", "--data-dir", str(data_dir)]) == 8
    assert "No server runs on" in capsys.readouterr().err


def test_a_wrong_token_is_code_7(cli: Cli, data_dir: Path) -> None:
    (data_dir / "token").write_text("wrong")
    ended = cli("vms", "list")
    assert ended.code == 7
    assert "<data-dir>/token" in ended.err


def test_the_token_of_the_environment_wins(cli: Cli, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMIQUANTIX_TOKEN", "wrong")
    assert cli("vms", "list").code == 7


def test_the_token_never_goes_through_a_proxy(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert cli("vms", "list").code == 0


def test_a_foreign_servers_message_is_shown_harmless(cli: Cli, library: FakeLibrary) -> None:
    library.failing["list_vms"] = ConnectError(Code.INTERNAL, "x\x1b]0;title\x07\ny")
    ended = cli("vms", "list")
    assert ended.code == 70
    assert "\x1b" not in ended.err
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize(
    "words", [["nope"], ["images", "nope"], ["images", "show"], ["vms", "list", "--nope"]]
)
def test_a_wrong_command_line_is_code_2_and_says_where_to_look(
    home: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert run([*words, "--json"]) == 2
    told = capsys.readouterr()
    assert "--help" in told.err
    assert json.loads(told.out)["error"]["exitCode"] == 2


def test_a_bare_command_prints_its_help(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 2
    told = capsys.readouterr()
    assert "launch" in told.out
    assert told.err == ""
