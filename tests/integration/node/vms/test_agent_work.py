"""What agents are asked to do for a template, against one on a real socket that answers as qemu-ga does."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from image_library.domain.errors import AgentForbids, AgentMissing, CleaningFailed, FreezeFailed
from image_library.node.adapters.hypervisors.qemu.agent_work import AgentWork, socket_line
from tests.integration.node.vms.test_agent import Folders


class Agent:
    """One guest's, with its state; ``answers`` are said in place of its own."""

    def __init__(self) -> None:
        self.status = "thawed"
        self.asked: list[dict[str, Any]] = []
        self.answers: dict[str, dict[str, Any]] = {}
        self.mute: set[str] = set()
        self.looks = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            request = json.loads(line.lstrip(b"\xff"))
            command = request["execute"]
            self.asked.append(request)
            if command not in self.mute:
                prefix = b"\xff" if command == "guest-sync-delimited" else b""
                answer = self.answers.get(command) or self.answer(command, request.get("arguments", {}))
                writer.write(prefix + json.dumps(answer).encode() + b"\n")
        writer.close()

    def answer(self, command: str, arguments: dict[str, Any]) -> dict[str, Any]:
        match command:
            case "guest-sync-delimited":
                return {"return": arguments["id"]}
            case "guest-fsfreeze-freeze":
                self.status = "frozen"
                return {"return": 2}
            case "guest-fsfreeze-thaw":
                self.status = "thawed"
                return {"return": 2}
            case "guest-fsfreeze-status":
                return {"return": self.status}
            case "guest-exec":
                return {"return": {"pid": 7}}
            case "guest-exec-status":
                self.looks += 1
                return {"return": {"exited": True, "exitcode": 0} if self.looks > 1 else {"exited": False}}
            case _:
                return {"return": {}}

    @property
    def words(self) -> list[str]:
        return [request["execute"] for request in self.asked]


def disabled(command: str) -> dict[str, Any]:
    return {"error": {"class": "CommandNotFound", "desc": f"Command {command} has been disabled"}}


@pytest.fixture
async def agent(tmp_path: Path) -> AsyncIterator[Agent]:
    agent = Agent()
    async with await asyncio.start_unix_server(agent.serve, tmp_path / "agent.sock"):
        yield agent


@pytest.fixture
def work(tmp_path: Path) -> AgentWork:
    return AgentWork(socket_line(Folders(tmp_path)), hello=5)


async def test_frozen_is_what_the_agent_says_is_frozen(agent: Agent, work: AgentWork) -> None:
    await work.freeze("vm-1")
    assert agent.status == "frozen"
    await work.thaw("vm-1")
    assert agent.status == "thawed"


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("guest-fsfreeze-freeze", {"return": 0}),
        ("guest-fsfreeze-freeze", {"return": "two"}),
        ("guest-fsfreeze-freeze", {"error": {"class": "GenericError", "desc": "failed to open /mnt"}}),
        ("guest-fsfreeze-freeze", disabled("guest-fsfreeze-freeze")),
        ("guest-fsfreeze-status", {"return": "thawed"}),
    ],
)
async def test_anything_else_is_not_frozen(
    agent: Agent, work: AgentWork, command: str, answer: dict[str, Any]
) -> None:
    agent.answers[command] = answer
    with pytest.raises(FreezeFailed):
        await work.freeze("vm-1")


async def test_nobody_is_asked_where_nobody_answers(agent: Agent, tmp_path: Path) -> None:
    agent.mute.add("guest-sync-delimited")
    hasty = AgentWork(socket_line(Folders(tmp_path)), hello=0.1)
    with pytest.raises(AgentMissing):
        await hasty.freeze("vm-1")
    assert "guest-fsfreeze-freeze" not in agent.words
    with pytest.raises(AgentMissing):
        await hasty.run("vm-1", "exit 0")


async def test_no_agent_is_said_so(tmp_path: Path) -> None:
    work = AgentWork(socket_line(Folders(tmp_path)), hello=5)
    with pytest.raises(AgentMissing, match="does not answer"):
        await work.freeze("vm-1")
    with pytest.raises(FreezeFailed):
        await work.thaw("vm-1")


@pytest.mark.parametrize("status", [{"return": "thawed"}, disabled("guest-fsfreeze-status")])
async def test_one_that_may_not_thaw_has_frozen_nothing(
    agent: Agent, work: AgentWork, status: dict[str, Any]
) -> None:
    agent.answers = {
        "guest-fsfreeze-thaw": disabled("guest-fsfreeze-thaw"),
        "guest-fsfreeze-status": status,
    }
    await work.thaw("vm-1")


async def test_one_that_stays_frozen_is_not_thawed(agent: Agent, work: AgentWork) -> None:
    await work.freeze("vm-1")
    agent.answers["guest-fsfreeze-thaw"] = {"error": {"class": "GenericError", "desc": "no"}}
    with pytest.raises(FreezeFailed):
        await work.thaw("vm-1")


async def test_a_script_is_read_by_a_shell_and_awaited(agent: Agent, work: AgentWork) -> None:
    await work.run("vm-1", "echo 'a b'\n")
    [begun] = [request["arguments"] for request in agent.asked if request["execute"] == "guest-exec"]
    assert (begun["path"], begun["arg"]) == ("/bin/sh", ["-s"])
    assert base64.b64decode(begun["input-data"]) == b"echo 'a b'\n"
    assert agent.looks == 2


@pytest.mark.parametrize("ended", [{"exited": True, "exitcode": 1}, {"exited": True, "signal": 9}])
async def test_a_script_that_ends_badly_is_told(agent: Agent, work: AgentWork, ended: dict[str, Any]) -> None:
    agent.answers["guest-exec-status"] = {"return": ended}
    with pytest.raises(CleaningFailed):
        await work.run("vm-1", "exit 1")


async def test_a_distribution_that_forbids_programs_is_told_what_to_do(agent: Agent, work: AgentWork) -> None:
    agent.answers["guest-exec"] = disabled("guest-exec")
    with pytest.raises(AgentForbids, match="guest-exec") as refused:
        await work.run("vm-1", "exit 0")
    assert "--no-clean" in refused.value.remedy
