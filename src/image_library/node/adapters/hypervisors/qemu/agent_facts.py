"""What is asked of a guest's agent, whoever carries the questions to it."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Awaitable
from typing import Any, Protocol, cast

from image_library.domain.boot_progress import MAX_ERRORS, AgentFacts, routable
from image_library.domain.errors import printable

MAX_ANSWER_BYTES = 1 << 20
RESULT_FILE = "/run/cloud-init/result.json"
# As cloud-init writes a failed module: "('scripts-user', RuntimeError('...'))".
_FAILURE = re.compile(r"\('(?P<module>[\w-]+)', (?P<what>.*)\)", re.DOTALL)


class AgentSilent(Exception):
    """It does not answer, or not what was asked for."""


class AgentRefused(AgentSilent):
    """It answered with an error, such as for a command that the distribution forbids."""


class Asking(Protocol):
    """One command to the agent and its answer.

    Raises:
        AgentSilent, AgentRefused
    """

    def __call__(self, command: str, **arguments: object) -> Awaitable[object]: ...


async def facts_by(ask: Asking) -> AgentFacts:
    """Its addresses and cloud-init's result, as far as it tells."""
    return AgentFacts(addresses=await _addresses(ask), cloud_init_errors=await _result(ask))


async def _addresses(ask: Asking) -> tuple[str, ...]:
    try:
        cards = _list(await ask("guest-network-get-interfaces"))
    except AgentRefused:
        return ()
    found = [
        str(address.get("ip-address", "")) for card in cards for address in _list(card.get("ip-addresses"))
    ]
    return tuple(address for address in found if routable(address))


async def _result(ask: Asking) -> tuple[str, ...] | None:
    """The errors in cloud-init's result; None where it has none yet, or the agent may not read files."""
    try:
        handle = await ask("guest-file-open", path=RESULT_FILE, mode="r")
        read = await ask("guest-file-read", handle=handle, count=MAX_ANSWER_BYTES // 2)
        await ask("guest-file-close", handle=handle)
    except AgentRefused:
        return None
    try:
        content = base64.b64decode(str(cast("dict[str, Any]", read)["buf-b64"]))
        errors = json.loads(content)["v1"]["errors"]
        return tuple(_failure(str(error)) for error in errors[:MAX_ERRORS])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _list(value: object) -> list[dict[str, Any]]:
    items = cast("list[Any]", value) if isinstance(value, list) else []
    return [cast("dict[str, Any]", item) for item in items if isinstance(item, dict)]


def _failure(error: str) -> str:
    """cloud-init's tuple as "MODULE: what it said"."""
    found = _FAILURE.fullmatch(error)
    text = f"{found['module']}: {found['what']}" if found else error
    return printable(text, 300)
