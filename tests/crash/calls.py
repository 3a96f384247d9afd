"""What a process asks the system to change, one after the other, for whoever would end it there.

Python tells of each call of a built-in function: so the code that is watched is the node's own, untouched.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sqlite3
import sys
import threading
from types import FrameType
from typing import Any

_CHANGES = (
    *(os.fsync, os.fdatasync, os.fchmod, os.fchown, os.ftruncate, os.truncate, os.write, os.pwrite),
    *(os.rename, os.replace, os.unlink, os.remove, os.link, os.symlink, os.mkdir, os.rmdir, fcntl.ioctl),
)
_NAMES = {id(change): change.__name__ for change in _CHANGES}
# Of _posixsubprocess: a program is about to be started.
_START = "fork_exec"
COMMIT = "commit"


class Calls:
    """Counts the calls that change something, and ends the process before the one of that number."""

    def __init__(self, killed_at: int = -1) -> None:
        self._killed_at = killed_at
        # The changes that were there when the journal last committed.
        self._committed = -1
        # What is called before and after does not count.
        self.armed = False
        self.seen: list[str] = []

    def watch(self) -> None:
        """From now on, in this thread and in those that begin later."""
        threading.setprofile(self._told)
        sys.setprofile(self._told)

    def _told(self, frame: FrameType, event: str, called: Any) -> None:
        if event != "c_call" or not self.armed:
            return
        name = _NAMES.get(id(called), "")
        if not name:
            name = self._by_name(called)
        if name:
            if len(self.seen) == self._killed_at:
                os.kill(os.getpid(), signal.SIGKILL)
            self.seen.append(name)

    def _by_name(self, called: Any) -> str:
        name = getattr(called, "__name__", "")
        if name == _START:
            return name
        connection = getattr(called, "__self__", None)
        if name != "execute" or not isinstance(connection, sqlite3.Connection):
            return ""
        # What is executed is not told: after a change it is the end of its transaction.
        changes = connection.total_changes
        changed = connection.in_transaction and changes != self._committed
        first, self._committed = self._committed < 0, changes
        return COMMIT if changed and not first else ""
