"""Which lines of cloud-init's log belong to a module that failed.

The log's form and cloud-init's own words have been the same since 18.x: cloudinit/log.py,
cloudinit/cmd/main.py and cloudinit/reporting/handlers.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from image_library.domain.guest_report import ModuleFailure, with_lines

# Of a traceback what counts is its end.
_LONGEST_RECORD = 12
_MOST_OF_LOG = 20
_RECORD = re.compile(
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d+ - (?P<said>(?P<file>[\w.-]+)\[(?P<level>[A-Z]+)\]: (?P<text>.*))"
)
_START = re.compile(r"start: [\w-]+/config-(?P<module>[\w-]+):")
_FINISH = re.compile(r"finish: [\w-]+/config-[\w-]+:")
_RUNNING = re.compile(r"Running module (?P<module>[\w-]+) \(.*failed")
_FILE = re.compile(r"cc_(?P<module>\w+)\.py")
_SERIOUS = frozenset({"WARNING", "ERROR", "CRITICAL"})
_TRACEBACK = "Traceback (most recent call last)"


@dataclass(kw_only=True)
class _Said:
    """One record of the log with the lines that follow it, such as a traceback's."""

    module: str
    serious: bool
    lines: list[str] = field(default_factory=list[str])

    @property
    def matters(self) -> bool:
        return bool(self.module) and (self.serious or any(_TRACEBACK in line for line in self.lines))

    @property
    def shown(self) -> list[str]:
        return [self.lines[0], *self.lines[1:][-_LONGEST_RECORD:]]


def without_time(line: str) -> str:
    """A line of the log without its moment, so that the same is the same on console and in the log."""
    found = _RECORD.match(line.strip())
    return found["said"] if found else line


def lines_of(log: str, modules: Iterable[str]) -> tuple[ModuleFailure, ...]:
    """What the log says of those modules' failures: warnings, errors and tracebacks, the last of them."""
    failures: tuple[ModuleFailure, ...] = ()
    records = [said for said in _records(log) if said.matters]
    for module in dict.fromkeys(_plain(name) for name in modules):
        lines = [line for said in records if said.module == module for line in said.shown]
        if lines:
            failures = with_lines(failures, module, lines[-_MOST_OF_LOG:])
    return failures


def _records(log: str) -> Iterator[_Said]:
    running, said = "", _Said(module="", serious=False, lines=[""])
    for line in log.splitlines():
        found = _RECORD.match(line)
        if found is None:
            said.lines.append(line)
            continue
        yield said
        if start := _START.search(found["text"]):
            running = _plain(start["module"])
        elif _FINISH.search(found["text"]):
            running = ""
        named = _RUNNING.search(found["text"]) or _FILE.fullmatch(found["file"])
        module = _plain(named["module"]) if named else running
        said = _Said(module=module, serious=found["level"] in _SERIOUS, lines=[found["said"]])
    yield said


def _plain(module: str) -> str:
    return module.replace("_", "-")
