"""Whether an image boots: tried with a throw-away VM, and kept as evidence on the version that was tried."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, cast

from image_library.domain.errors import printable

# Of what a guest says: the rest is dropped before it is looked at.
MAX_ANSWER_BYTES = 64 << 10
MAX_SERIAL_LINES = 60
MAX_SERIAL_CHARACTERS = 8 << 10
_MAX_LINE = 200
_MAX_TEXT = 120
_MAX_ERRORS = 8
_MAX_TYPES = 16
# Beyond the boot's own stages: somebody has logged in.
LOGIN = "login"

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-_]")
# How cloud-init writes down a module's exception: the Python repr of a pair.
_PAIR = re.compile(r"\('(?P<module>[\w-]+)', (?P<what>.*)\)", re.DOTALL)
_KEY_TYPE = re.compile(r"[a-z0-9@.-]{1,64}")

# Read by a plain "sh" from its standard input, as the guest's user: no argument is quoted for any shell.
# Each answer is one line that begins with its name.
QUESTIONS = """
echo "kernel $(uname -sr)"
sed -n 's/^PRETTY_NAME=/os /p' /etc/os-release 2>/dev/null
echo "keys $(cat /etc/ssh/ssh_host_*_key.pub 2>/dev/null | cut -d ' ' -f 1 | tr '\\n' ' ')"
if command -v cloud-init >/dev/null 2>&1; then
  echo "cloud-init $(cloud-init --version 2>&1 | head -n 1)"
  for file in /run/cloud-init/result.json /var/run/cloud-init/result.json; do
    if [ -f "$file" ]; then
      echo "result $(tr '\\n\\r' '  ' < "$file")"
      break
    fi
  done
else
  echo "no-cloud-init"
fi
echo "answered"
"""


class ProofOutcome(Enum):
    """PARTIAL: what could be seen was well, and the login, which would prove it, could not be tried."""

    PASSED = "passed"
    PARTIAL = "partial"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class StageTime:
    """A stage (a boot's own word, or "login"), and how many seconds after power-on it was reached."""

    stage: str
    seconds: float


@dataclass(frozen=True, kw_only=True)
class BootFacts:
    """What was found in the guest. Texts are fit for messages and tables."""

    os_release: str = ""
    kernel: str = ""
    cloud_init: str = ""
    datasource: str = ""
    # Of its SSH server.
    host_key_types: tuple[str, ...] = ()
    agent: bool = False


@dataclass(frozen=True, kw_only=True)
class BootProof:
    """The evidence. It says something of ``digest`` alone: the next version is another one."""

    outcome: ProofOutcome
    digest: str
    proved_at: datetime
    job_id: str = ""
    node_id: str = ""
    # "qemu" or "libvirt", "kvm" or "tcg", and the firmware's word.
    hypervisor: str = ""
    accelerator: str = ""
    firmware: str = ""
    # NAME@REVISION of the profile that it was told; empty: a user with a key and no more.
    profile: str = ""
    # "ssh key"; empty where nobody logged in.
    login_method: str = ""
    login_user: str = ""
    stages: tuple[StageTime, ...] = ()
    facts: BootFacts = BootFacts()
    # Of a failed one: the stage that was not reached or went wrong, and cloud-init's module where it was one.
    failed_stage: str = ""
    failed_module: str = ""
    error_code: str = ""
    error_message: str = ""
    error_remedy: str = ""
    # What could not be proved, in a sentence.
    unproved: str = ""
    # The end of the serial console, without escapes.
    serial_tail: str = ""

    @property
    def passed(self) -> bool:
        return self.outcome is ProofOutcome.PASSED


@dataclass(frozen=True, kw_only=True)
class GuestAnswers:
    """What a guest answered to ``QUESTIONS``. ``errors`` are cloud-init's own, one sentence each."""

    facts: BootFacts
    # cloud-init has ended, or there is none.
    settled: bool
    errors: tuple[str, ...] = ()


def answers(text: str) -> GuestAnswers | None:
    """The answers; None where the guest did not come to the end of the questions."""
    lines = text[:MAX_ANSWER_BYTES].splitlines()
    if "answered" not in lines:
        return None
    said: dict[str, str] = {}
    for line in lines:
        name, _, rest = line.partition(" ")
        said.setdefault(name, rest.strip())
    result = _result(said.get("result", ""))
    facts = BootFacts(
        os_release=_text(said.get("os", "").strip("\"'")),
        kernel=_text(said.get("kernel", "")),
        cloud_init=_text(said.get("cloud-init", "").removeprefix("/usr/bin/cloud-init").strip()),
        datasource=_text(str(result.get("datasource") or "")),
        host_key_types=_key_types(said.get("keys", "").split()),
    )
    errors = result.get("errors")
    told = cast("list[object]", errors) if isinstance(errors, list) else []
    return GuestAnswers(
        facts=facts,
        settled=bool(result) or "no-cloud-init" in said,
        errors=tuple(_failure(str(error)) for error in told[:_MAX_ERRORS]),
    )


def _failure(error: str) -> str:
    """cloud-init's ("MODULE", what) as "MODULE: what"."""
    found = _PAIR.fullmatch(error)
    return printable(f"{found['module'].replace('_', '-')}: {found['what']}" if found else error, 300)


def _result(text: str) -> dict[str, Any]:
    """cloud-init's result.json: {"v1": {"datasource": ..., "errors": [...]}}, with one version or another."""
    try:
        document: object = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return {}
    if not isinstance(document, dict):
        return {}
    for inner in cast("dict[str, object]", document).values():
        if isinstance(inner, dict):
            return cast("dict[str, Any]", inner)
    return {}


def key_types(lines: Iterable[str]) -> tuple[str, ...]:
    """The types of the host keys in lines of known_hosts ("HOST TYPE KEY"), sorted."""
    words = [line.split() for line in lines if line and not line.startswith("#")]
    return _key_types(row[1] for row in words if len(row) >= 3)


def _key_types(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({word for word in words if _KEY_TYPE.fullmatch(word)}))[:_MAX_TYPES]


def module_of(error: str) -> str:
    """The module in "MODULE: what it said"; empty where the sentence names none."""
    module, colon, _ = error.partition(": ")
    return module if colon and re.fullmatch(r"[\w.-]{1,64}", module) else ""


def serial_tail(data: bytes) -> str:
    """The last lines of a serial console as plain text: no escapes, nothing that a terminal would obey."""
    text = _ESCAPES.sub("", data.decode("utf-8", "replace")).replace("\r", "\n")
    lines = [line for line in map(_plain, text.split("\n")) if line]
    tail = "\n".join(lines[-MAX_SERIAL_LINES:])
    return tail[-MAX_SERIAL_CHARACTERS:]


def _plain(line: str) -> str:
    return printable(line.replace("\t", " ").rstrip(), _MAX_LINE)


def tidy_stages(stages: Iterable[StageTime]) -> tuple[StageTime, ...]:
    """Each stage once, in the order in which it came, with words and times that can be shown."""

    def known() -> Iterator[StageTime]:
        seen: set[str] = set()
        for at in stages:
            if at.stage not in seen and re.fullmatch(r"[a-z_]{1,20}", at.stage):
                seen.add(at.stage)
                yield StageTime(stage=at.stage, seconds=min(max(at.seconds, 0.0), 86400.0))

    return tuple(known())[:_MAX_TYPES]


def _text(text: str) -> str:
    return printable(text, _MAX_TEXT)
