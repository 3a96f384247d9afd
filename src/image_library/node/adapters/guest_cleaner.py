"""Cleans a raw copy of a guest's disk by e2fsprogs, in the jail: nothing is mounted, nothing of it runs.

First the file system's own journal is played back and the whole is checked, then the traces go, then it is
checked again; that check gives back the space of all deleted files, so that nothing of them can be read.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import structlog

from image_library.domain.errors import CleanerMissing, CleaningFailed, printable
from image_library.domain.generalisation import MARKS, Action, GuestAudit, Trace
from image_library.node.adapters.jail import Jail, JailLimits, JailResult

log = structlog.get_logger()

# New threads are not forbidden: e2fsck reads the bitmaps of a large file system by several.
LIMITS = JailLimits(wall_seconds=600.0, cpu_seconds=600, memory=4 << 30, descriptors=64, output=64 << 20)
# Debian keeps them where only root's PATH leads.
_PLACES = "/usr/sbin:/sbin:/usr/bin:/bin"
# e2fsck(8), with "-p", which mends only what needs no thought: nothing to do, or errors corrected.
_CHECKED = frozenset({0, 1, 2, 3})
_ACTIONS = {mark.code: mark.action for mark in MARKS}


class E2fsCleaner:
    """``search_path``: where the programs are looked for (None: as PATH says, then where Debian has them)."""

    def __init__(self, jail: Jail, *, search_path: str | None = None, limits: JailLimits = LIMITS) -> None:
        self._jail = jail
        self._search_path = search_path
        self._limits = limits

    async def clean(self, descriptor: int, audit: GuestAudit) -> None:
        check, change = self._find("e2fsck"), self._find("debugfs")
        # "NAME?offset=N": libext2fs's own way to name a partition of a file.
        volume = f"/proc/self/fd/{descriptor}?offset={audit.offset}"
        limits = replace(self._limits, file_size=os.fstat(descriptor).st_size)
        await self._checked((check, "-f", "-p", volume), descriptor, limits)
        await self._change(change, volume, descriptor, tuple(commands(audit.to_clean)), limits)
        await self._checked((check, "-f", "-p", "-E", "discard", volume), descriptor, limits)
        log.info("guest_copy_cleaned", traces=len(audit.to_clean), file_system=audit.file_system)

    async def _checked(self, argv: Sequence[str], descriptor: int, limits: JailLimits) -> None:
        ended = await self._jail.run(argv, limits=limits, writable=(descriptor,))
        if ended.status not in _CHECKED:
            raise CleaningFailed(f"The copy's file system could not be checked: {_last(ended)}.")

    async def _change(
        self, program: str, volume: str, descriptor: int, orders: tuple[str, ...], limits: JailLimits
    ) -> None:
        if not orders:
            return
        with tempfile.TemporaryFile() as script:
            script.write(b"".join(os.fsencode(f"{order}\n") for order in orders))
            script.flush()
            argv = (program, "-w", "-f", f"/proc/self/fd/{script.fileno()}", volume)
            ended = await self._jail.run(
                argv, limits=limits, readable=(script.fileno(),), writable=(descriptor,)
            )
        if ended.status != 0:
            raise CleaningFailed(f"The copy's file system could not be changed: {_last(ended)}.")

    def _find(self, name: str) -> str:
        found = shutil.which(name, path=self._search_path)
        found = found or (shutil.which(name, path=_PLACES) if self._search_path is None else None)
        if found is None:
            raise CleanerMissing(f"{name} is not installed on the node.")
        return str(Path(found).absolute())


def commands(traces: Sequence[Trace]) -> Iterator[str]:
    """For debugfs, one a line. A name that could be taken for more than one is left, and found later."""
    for trace in traces:
        if any(c == '"' or ord(c) < ord(" ") or ord(c) == 0x7F for c in trace.path):
            continue
        if trace.kind == "folder":
            yield f'rmdir "{trace.path}"'
        elif _ACTIONS.get(trace.code) is Action.EMPTY and trace.kind == "file":
            yield f'punch "{trace.path}" 0'
            yield f'set_inode_field "{trace.path}" size 0'
        else:
            yield f'rm "{trace.path}"'


def _last(ended: JailResult) -> str:
    lines = [line for line in ended.said.decode(errors="replace").splitlines() if line.strip()]
    return printable(lines[-1], 200) if lines else f"it ended with {ended.status}"
