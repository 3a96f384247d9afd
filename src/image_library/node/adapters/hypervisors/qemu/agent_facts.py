"""What is asked of a guest's agent, whoever carries the questions to it."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Awaitable
from typing import Any, Protocol, cast

from image_library.domain.boot_progress import MAX_ERRORS, AgentFacts, routable
from image_library.domain.errors import printable
from image_library.domain.guest_log import lines_of
from image_library.domain.guest_report import ModuleFailure

MAX_ANSWER_BYTES = 1 << 20
RESULT_FILE = "/run/cloud-init/result.json"
LOG_FILE = "/var/log/cloud-init.log"
# As much of the log's end as is looked at; a first boot writes some 150 KiB.
MOST_OF_LOG = 384 << 10
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
    addresses, errors = await _addresses(ask), await _result(ask)
    failures = await _failures(ask, errors) if errors else ()
    return AgentFacts(addresses=addresses, cloud_init_errors=errors, failures=failures)


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
    content = await _end_of(ask, RESULT_FILE)
    try:
        errors = json.loads(content)["v1"]["errors"]
        return tuple(_failure(str(error)) for error in errors[:MAX_ERRORS])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


async def _failures(ask: Asking, errors: tuple[str, ...]) -> tuple[ModuleFailure, ...]:
    """What the guest's log says of the modules that failed; nothing where it cannot be read."""
    log = await _end_of(ask, LOG_FILE)
    return lines_of(log.decode("utf-8", "replace"), (error.partition(":")[0] for error in errors))


async def _end_of(ask: Asking, path: str) -> bytes:
    """The last bytes of a file, empty where there is none, or the agent may not read files."""
    try:
        handle = await ask("guest-file-open", path=path, mode="r")
        sought = await ask("guest-file-seek", handle=handle, offset=0, whence="end")
        size = int(_dict(sought).get("position", 0))
        await ask("guest-file-seek", handle=handle, offset=max(0, size - MOST_OF_LOG), whence="set")
        read = await ask("guest-file-read", handle=handle, count=MOST_OF_LOG)
        await ask("guest-file-close", handle=handle)
        return base64.b64decode(str(_dict(read)["buf-b64"]))
    except (AgentRefused, ValueError, KeyError, TypeError):
        return b""


def _dict(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _list(value: object) -> list[dict[str, Any]]:
    items = cast("list[Any]", value) if isinstance(value, list) else []
    return [cast("dict[str, Any]", item) for item in items if isinstance(item, dict)]


def _failure(error: str) -> str:
    """cloud-init's tuple as "MODULE: what it said"."""
    found = _FAILURE.fullmatch(error)
    text = f"{found['module']}: {found['what']}" if found else error
    return printable(text, 300)
