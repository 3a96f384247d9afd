"""Our side of the guest agent's protocol, against an agent on a real socket that answers as qemu-ga does."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from image_library.domain.boot_progress import AgentFacts
from image_library.domain.guest_report import ModuleFailure
from image_library.node.adapters.hypervisors.qemu.window import QemuWindow
from tests.fakes.hypervisor import MemoryFolders

INTERFACES = [
    {"name": "lo", "ip-addresses": [{"ip-address": "127.0.0.1", "ip-address-type": "ipv4"}]},
    {
        "name": "eth0",
        "ip-addresses": [
            {"ip-address": "10.0.2.15", "ip-address-type": "ipv4"},
            {"ip-address": "fe80::1", "ip-address-type": "ipv6"},
        ],
    },
    {"name": "down"},
]


class Folders(MemoryFolders):
    def __init__(self, root: Path) -> None:
        super().__init__()
        self._root = root

    def path(self, vm_id: str) -> str:
        return str(self._root)


class Agent:
    """What it answers to each command; the errors are qemu-ga's own."""

    def __init__(self) -> None:
        self.files: dict[str, str] = {}
        self.may_read_files = True
        self.late = b""
        self.commands: list[str] = []
        self._opened, self._at = b"", 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self.late)
        while line := await reader.readline():
            request = json.loads(line.lstrip(b"\xff"))
            command = request["execute"]
            self.commands.append(command)
            prefix = b"\xff" if command == "guest-sync-delimited" else b""
            writer.write(
                prefix + json.dumps(self.answer(command, request.get("arguments", {}))).encode() + b"\n"
            )
        writer.close()

    def answer(self, command: str, arguments: dict[str, Any]) -> dict[str, Any]:
        if command == "guest-sync-delimited":
            return {"return": arguments["id"]}
        if command == "guest-network-get-interfaces":
            return {"return": INTERFACES}
        if command.startswith("guest-file") and not self.may_read_files:
            return {"error": {"class": "CommandNotFound", "desc": f"Command {command} has been disabled"}}
        if command == "guest-file-open" and arguments["path"] not in self.files:
            return {"error": {"class": "GenericError", "desc": "No such file or directory"}}
        if command == "guest-file-open":
            self._opened = self.files[arguments["path"]].encode()
            self._at = 0
        if command == "guest-file-seek":
            self._at = len(self._opened) if arguments["whence"] == "end" else arguments["offset"]
            return {"return": {"position": self._at, "eof": False}}
        if command == "guest-file-read":
            content = self._opened[self._at : self._at + arguments["count"]]
            return {"return": {"count": len(content), "buf-b64": base64.b64encode(content).decode()}}
        return {"return": 1000}


@pytest.fixture
async def agent(tmp_path: Path) -> AsyncIterator[Agent]:
    agent = Agent()
    server = await asyncio.start_unix_server(agent.serve, tmp_path / "agent.sock")
    async with server:
        yield agent


@pytest.fixture
def window(tmp_path: Path) -> QemuWindow:
    return QemuWindow(Folders(tmp_path))


async def test_tells_the_addresses_that_others_can_reach(agent: Agent, window: QemuWindow) -> None:
    assert await window.agent("vm-1") == AgentFacts(addresses=("10.0.2.15",), cloud_init_errors=None)


async def test_tells_cloud_inits_errors_by_module(agent: Agent, window: QemuWindow) -> None:
    errors = ["('scripts-user', RuntimeError('Runparts: 1 failures'))", "odd"]
    agent.files["/run/cloud-init/result.json"] = json.dumps({"v1": {"errors": errors}})
    facts = await window.agent("vm-1")
    assert facts is not None
    assert facts.cloud_init_errors == ("scripts-user: RuntimeError('Runparts: 1 failures')", "odd")
    assert facts.failures == ()
    assert "guest-file-close" in agent.commands


async def test_tells_a_failed_modules_lines_from_the_end_of_the_log(agent: Agent, window: QemuWindow) -> None:
    errors = ["('scripts_user', RuntimeError('Runparts: 1 failures'))"]
    agent.files["/run/cloud-init/result.json"] = json.dumps({"v1": {"errors": errors}})
    at = "2026-01-01 00:00:00,000 - "
    noise = f"{at}cc_scripts_user.py[WARNING]: from long ago\n" + "x" * (1 << 20)
    last = f"\n{at}cc_scripts_user.py[WARNING]: Failed to run module\n{at}cc_ntp.py[WARNING]: not asked for\n"
    agent.files["/var/log/cloud-init.log"] = noise + last
    facts = await window.agent("vm-1")
    assert facts is not None
    lines = ("cc_scripts_user.py[WARNING]: Failed to run module",)
    assert facts.failures == (ModuleFailure(module="scripts-user", lines=lines),)


async def test_without_errors_the_log_is_not_read(agent: Agent, window: QemuWindow) -> None:
    agent.files["/run/cloud-init/result.json"] = json.dumps({"v1": {"errors": []}})
    await window.agent("vm-1")
    assert agent.commands.count("guest-file-open") == 1


async def test_a_distribution_that_forbids_reading_files_still_tells_addresses(
    agent: Agent, window: QemuWindow
) -> None:
    agent.may_read_files = False
    assert await window.agent("vm-1") == AgentFacts(addresses=("10.0.2.15",))


@pytest.mark.parametrize("content", ["", "{", "[]", '{"v1": {}}', '{"v1": {"errors": 3}}'])
async def test_a_result_that_is_none_counts_as_not_there(
    agent: Agent, window: QemuWindow, content: str
) -> None:
    agent.files["/run/cloud-init/result.json"] = content
    facts = await window.agent("vm-1")
    assert facts is not None
    assert facts.cloud_init_errors is None


async def test_late_answers_to_somebody_else_are_passed_over(agent: Agent, window: QemuWindow) -> None:
    agent.late = b'{"return": {}}\n\xff{"return": 1}\n\xff{"error": {"desc": "x"}}\n'
    facts = await window.agent("vm-1")
    assert facts is not None
    assert facts.addresses == ("10.0.2.15",)


async def test_a_guest_that_talks_nonsense_is_silent(tmp_path: Path, window: QemuWindow) -> None:
    async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\xffnonsense\n" + b"x" * (3 << 20))
        writer.close()

    async with await asyncio.start_unix_server(nonsense, tmp_path / "agent.sock"):
        assert await window.agent("vm-1") is None


async def test_no_agent_is_no_word(window: QemuWindow) -> None:
    assert await window.agent("vm-1") is None


@pytest.mark.parametrize("answer", [b"5", b'"return"', b"[" * 100_000])
async def test_a_guest_that_answers_with_something_else_is_silent(
    answer: bytes, tmp_path: Path, window: QemuWindow
) -> None:
    async def odd(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\xff" + answer + b"\n")
        writer.close()

    async with await asyncio.start_unix_server(odd, tmp_path / "agent.sock"):
        assert await window.agent("vm-1") is None
