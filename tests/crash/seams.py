"""The store's file operations and the journal's commits, with somebody told before and after each."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from image_library.node.adapters.journal import JournalDatabase
from image_library.node.adapters.store.disk import Disk

T = TypeVar("T")

# Every operation of ``Disk`` that changes a file or a directory, or makes a change last.
OPERATIONS = (
    "create",
    "write_some",
    "truncate",
    "set_mode",
    "set_owner",
    "datasync",
    "sync",
    "sync_directory",
    "link",
    "symlink",
    "rename",
    "unlink",
    "make_directory_entry",
)
COMMIT = "commit"


class Hook:
    """Told of everything; does nothing. ``before`` may raise, or end the process."""

    # Operations that are not done: mistakes that a test must find.
    forgets: frozenset[str] = frozenset()

    def before(self, operation: str, args: tuple[Any, ...]) -> None:
        """It has not happened yet."""

    def after(self, operation: str, args: tuple[Any, ...], result: object) -> None:
        """It has happened, and nothing after it has."""

    def failed(self, operation: str) -> None:
        """It raised."""


class HookedDisk(Disk):
    # Several times in a small image too.
    sync_every = 512 << 10

    def __init__(self, hook: Hook) -> None:
        self.hook = hook


def _hooked(operation: str) -> Callable[..., Any]:
    real: Callable[..., Any] = getattr(Disk, operation)

    def method(self: HookedDisk, *args: Any, **named: Any) -> Any:
        if operation in self.hook.forgets:
            return None
        self.hook.before(operation, args)
        try:
            result = real(self, *args, **named)
        except BaseException:
            self.hook.failed(operation)
            raise
        self.hook.after(operation, args, result)
        return result

    return method


for _operation in OPERATIONS:
    setattr(HookedDisk, _operation, _hooked(_operation))


class HookedJournal(JournalDatabase):
    """``before`` is told of a commit whose changes are made and not committed; reading is not told."""

    hook: Hook

    @classmethod
    async def opened(cls, path: Path, hook: Hook) -> HookedJournal:
        journal = await cls.open(path)
        assert isinstance(journal, HookedJournal)
        journal.hook = hook
        return journal

    def _transaction(self, work: Callable[[sqlite3.Connection], T]) -> T:
        changed = False

        def told(connection: sqlite3.Connection) -> T:
            nonlocal changed
            before = connection.total_changes
            result = work(connection)
            changed = connection.total_changes != before
            if changed:
                self.hook.before(COMMIT, (connection,))
            return result

        try:
            result = super()._transaction(told)
        except BaseException:
            if changed:
                self.hook.failed(COMMIT)
            raise
        if changed:
            self.hook.after(COMMIT, (self._connection,), None)
        return result
