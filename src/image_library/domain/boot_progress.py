"""How far a guest has come, told from what it shows: its console, its SSH server and its agent.

A pure fold: each observation gives the next value, nothing is ever taken back, and folding the same
console text again changes nothing. So a daemon that was restarted reads the console from its start.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from image_library.domain.errors import printable
from image_library.domain.guest_log import without_time
from image_library.domain.guest_report import DOOR_HOST, ModuleFailure, with_lines
from image_library.domain.vm import BootStage, CloudInitStatus, VmReport

MAX_ERRORS = 20
MAX_ADDRESSES = 32
# What a module wrote before it failed.
MAX_CONTEXT = 8

# cloud-init's own words, the same since 18.x: cloudinit/cmd/main.py and cloudinit/config/modules.py.
_RUNNING = re.compile(r"Cloud-init v\. \S+ running '(?P<step>[a-z:-]+)'")
_FINISHED = re.compile(r"Cloud-init v\. \S+ finished at .*Datasource (?P<source>\w+)")
_MODULE_FAILED = re.compile(r"Running module (?P<module>[\w-]+) \(.*failed")
_MODULE_SAID = re.compile(r"\bcc_(?P<module>\w+)\.py\[(?:WARNING|ERROR|CRITICAL)\]: (?P<text>.+)")
_SCRIPT_FAILED = re.compile(r"Failed running (?P<folder>\S*?)(?P<script>[\w.-]+) \[(?P<status>-?\d+)\]")
# Whose scripts lie where: cloudinit/config/cc_scripts_*.py.
_SCRIPTS = {
    "/per-boot/": "scripts-per-boot",
    "/per-instance/": "scripts-per-instance",
    "/per-once/": "scripts-per-once",
    "/vendor/": "scripts-vendor",
}
# cloud-init's own output, as systemd hands it on to the console.
_OUTPUT = re.compile(r"cloud-init\[\d+\]: (?P<text>.+)")
# A guest that could not report to us, or not every key, has not failed.
_NO_FAILURE = re.compile(
    rf"cc_phone_home\.py\[\w+\]: (.*http://{re.escape(DOOR_HOST)}/|Requested key \w+ from 'post')"
)
_BAD_SEED = re.compile(
    r"\[(?:WARNING|ERROR|CRITICAL)\]: "
    r"(?P<text>Failed loading yaml blob|Unhandled non-multipart|.*failed schema .*)"
)
_INTERFACE = re.compile(r"ci-info: \|\s*(?P<card>[\w.@-]+)\s*\|\s*True\s*\|\s*(?P<address>[0-9a-fA-F.:]+)")
_PANIC = re.compile(r"Kernel panic - not syncing(?P<text>.*)")
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")


@dataclass(frozen=True, kw_only=True)
class AgentFacts:
    """What the guest's agent told. ``cloud_init_errors`` is None while cloud-init has not finished."""

    addresses: tuple[str, ...] = ()
    cloud_init_errors: tuple[str, ...] | None = None
    failures: tuple[ModuleFailure, ...] = ()


@dataclass(frozen=True, kw_only=True)
class BootProgress:
    """What has been seen of one boot."""

    started: bool = False
    networked: bool = False
    # cloud-init has come to what it was asked to do: its modules.
    configuring: bool = False
    ssh: bool = False
    cloud_init: CloudInitStatus = CloudInitStatus.UNKNOWN
    # One entry a failure: "MODULE: what it said".
    errors: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    failures: tuple[ModuleFailure, ...] = ()
    # The last lines of the output of cloud-init's step.
    context: tuple[str, ...] = ()
    trouble: str = ""
    # Nothing was heard of cloud-init for so long that this guest is not expected to tell.
    unheard: bool = False

    @property
    def finished(self) -> bool:
        return self.cloud_init in {CloudInitStatus.DONE, CloudInitStatus.ERROR}

    @property
    def stage(self) -> BootStage:
        """The furthest stage that was reached; DONE needs cloud-init's end, as far as one hears, and SSH."""
        reached = (
            (BootStage.DONE, self.ssh and (self.finished or self.unheard)),
            (BootStage.SSH, self.ssh),
            (BootStage.CLOUD_INIT, self.configuring or self.finished),
            (BootStage.NETWORK, self.networked),
            (BootStage.BOOT, self.started),
        )
        return next((stage for stage, true in reached if true), BootStage.DISK)

    @classmethod
    def so_far(cls, report: VmReport) -> BootProgress:
        """What a journaled report knows of the boot of a VM that has power."""
        return cls(
            started=True,
            networked=report.stage
            in {BootStage.NETWORK, BootStage.CLOUD_INIT, BootStage.SSH, BootStage.DONE},
            configuring=report.stage is BootStage.CLOUD_INIT,
            ssh=report.stage in {BootStage.SSH, BootStage.DONE},
            cloud_init=report.cloud_init,
            errors=report.cloud_init_errors,
            failures=report.failures,
            addresses=report.ip_addresses,
            trouble=report.error_message,
        )

    def ssh_answered(self) -> BootProgress:
        return replace(self, ssh=True, networked=True)

    def stayed_unheard(self) -> BootProgress:
        return replace(self, unheard=True)

    def agent_told(self, facts: AgentFacts) -> BootProgress:
        """With the agent's facts; cloud-init's own result is worth more than what the console showed."""
        told = replace(
            self,
            networked=self.networked or bool(facts.addresses),
            addresses=_joined(self.addresses, facts.addresses)[:MAX_ADDRESSES],
        )
        for failure in facts.failures:
            told = told._with_lines(failure.module, failure.lines)
        if facts.cloud_init_errors is None:
            return told
        return told._ended(facts.cloud_init_errors)

    def console_said(self, line: str) -> BootProgress:
        """With one line of the serial console, which may hold colours and control characters."""
        text = _ESCAPES.sub("", line)
        if found := _FINISHED.search(text):
            errors = self.errors
            if found["source"] == "DataSourceNone":
                errors = _joined(errors, ("datasource: cloud-init did not find its seed",))
            return self._ended(errors)
        if found := _RUNNING.search(text):
            return self._running(found["step"])
        if found := _INTERFACE.search(text):
            return self._interface(found["card"], found["address"])
        if found := _PANIC.search(text):
            return replace(self, trouble=printable(f"The guest's kernel panicked{found['text']}."))
        return self._failure(text)._after(text)

    def _after(self, text: str) -> BootProgress:
        """With the line as something that may explain what comes next."""
        if not (found := _OUTPUT.search(text)):
            return self
        return replace(self, context=(*self.context, without_time(found["text"]))[-MAX_CONTEXT:])

    def _with_lines(self, module: str, lines: Iterable[str]) -> BootProgress:
        return replace(self, failures=with_lines(self.failures, module, lines))

    def _explained(self, module: str, text: str) -> BootProgress:
        found = _OUTPUT.search(text)
        said = without_time(found["text"] if found else text)
        return self._with_lines(module, (*self.context, said))

    def _running(self, step: str) -> BootProgress:
        """The local step runs before there is a network, the other ones after it."""
        return replace(
            self,
            networked=self.networked or step != "init-local",
            configuring=self.configuring or step.startswith("modules"),
            cloud_init=self.cloud_init if self.finished else CloudInitStatus.RUNNING,
            context=(),
        )

    def _interface(self, card: str, address: str) -> BootProgress:
        if card == "lo" or not routable(address):
            return self
        addresses = _joined(self.addresses, (address,))[:MAX_ADDRESSES]
        return replace(self, networked=True, addresses=addresses)

    def _failure(self, text: str) -> BootProgress:
        if _NO_FAILURE.search(text):
            return self
        if found := _MODULE_SAID.search(text):
            module = found["module"].replace("_", "-")
            told = self._explained(module, text)
            return told._with_error(f"{module}: {printable(found['text'].strip(), 200)}")
        if found := _MODULE_FAILED.search(text):
            module = found["module"].replace("_", "-")
            known = any(error.startswith(f"{module}: ") for error in self.errors)
            told = self._explained(module, text)
            return told if known else told._with_error(f"{module}: the module failed")
        if found := _SCRIPT_FAILED.search(text):
            modules = (module for part, module in _SCRIPTS.items() if part in found["folder"])
            told = self._explained(next(modules, "scripts-user"), text)
            return told._with_error(f"{found['script']}: it ended with status {found['status']}")
        if found := _BAD_SEED.search(text):
            return self._with_error(f"user-data: {printable(found['text'].strip(), 200)}")
        return self

    def _with_error(self, error: str) -> BootProgress:
        errors = _joined(self.errors, (printable(error, 300),))[:MAX_ERRORS]
        late = CloudInitStatus.ERROR if self.finished else self.cloud_init
        return replace(self, errors=errors, cloud_init=late)

    def _ended(self, errors: tuple[str, ...]) -> BootProgress:
        status = CloudInitStatus.ERROR if errors else CloudInitStatus.DONE
        return replace(self, networked=True, cloud_init=status, errors=errors[:MAX_ERRORS])


def first_address(addresses: tuple[str, ...]) -> str:
    """The first of IPv4, which every client has, else the first of all."""
    return next((address for address in addresses if "." in address), addresses[0])


def routable(address: str) -> bool:
    """Whether this is an address that another machine can reach: not loopback, not link-local."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return not (found.is_loopback or found.is_link_local or found.is_unspecified)


def _joined(have: tuple[str, ...], more: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*have, *more)))
