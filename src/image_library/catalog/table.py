"""One table of a catalogue file, read strictly: every key is asked for, and what is left over is refused."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, NoReturn, cast

from image_library.domain.errors import InvalidCatalog, printable


class Table:
    """Takes values out by key. Every error names the file, the entry and the field."""

    def __init__(self, values: Mapping[str, Any], *, where: str, prefix: str = "") -> None:
        self._left = dict(values)
        self._where = where
        self._prefix = prefix

    def rename(self, where: str) -> None:
        """From here on errors name the entry like this: its id is known only once it was read."""
        self._where = where

    def text(self, key: str, *, default: str | None = None, pattern: re.Pattern[str]) -> str:
        value = self._take(key, str, "text", default)
        if value != default and not pattern.fullmatch(value):
            self.fail(key, f"'{printable(value)}' does not have the form that is expected")
        return value

    def number(self, key: str, *, default: int | None = None, least: int) -> int:
        value = self._take(key, int, "a whole number", default)
        if value < least:
            self.fail(key, f"must be at least {least}")
        return value

    def flag(self, key: str, *, default: bool) -> bool:
        return self._take(key, bool, "true or false", default)

    def day(self, key: str) -> date | None:
        return self._take(key, date, "a date such as 2030-12-31", None) if key in self._left else None

    def texts(self, key: str, *, of: re.Pattern[str], default: list[str] | None = None) -> tuple[str, ...]:
        return self._texts(key, self._take(key, list, "a list", default), of)

    def commands(self, key: str, *, of: re.Pattern[str]) -> tuple[tuple[str, ...], ...]:
        """A list of argument lists; none if the key is missing."""
        lists: list[Any] = self._take(key, list, "a list", cast("list[Any]", []))
        if not all(isinstance(one, list) and one != [] for one in lists):
            self.fail(key, "must be a list of lists, one for each command")
        return tuple(self._texts(key, one, of) for one in lists)

    def tables(self, key: str) -> Iterator[tuple[str, Table]]:
        """The tables below ``key`` with their names, at least one."""
        below = self._take(key, dict, "a table", None)
        if not below:
            self.fail(key, "must not be empty")
        for name, values in below.items():
            path = f"{key}.{name}"
            if not isinstance(values, dict):
                self.fail(path, "must be a table")
            yield name, Table(cast("dict[str, Any]", values), where=self._where, prefix=f"{path}.")

    def table(self, key: str) -> Table | None:
        """The table ``key``, if there is one."""
        if key not in self._left:
            return None
        values = self._take(key, dict, "a table", None)
        return Table(values, where=self._where, prefix=f"{self._prefix}{key}.")

    def finish(self) -> None:
        """Refuses keys that nobody asked for: a misspelt field must not be lost in silence."""
        for key in self._left:
            self.fail(key, "is not a field of the catalog")

    def fail(self, key: str, reason: str) -> NoReturn:
        field = printable(self._prefix + key)
        raise InvalidCatalog(f"{self._where}: {field}: {reason}.", field=field)

    def _take(self, key: str, kind: type[Any], described: str, default: Any) -> Any:
        if key not in self._left:
            if default is None:
                self.fail(key, "is missing")
            return default
        value = self._left.pop(key)
        # Exactly this type: to Python a bool is an int, and a time of day is a date.
        if type(value) is not kind:
            self.fail(key, f"must be {described}")
        return value

    def _texts(self, key: str, values: list[Any], of: re.Pattern[str]) -> tuple[str, ...]:
        for value in values:
            if not isinstance(value, str) or not of.fullmatch(value):
                self.fail(key, f"'{printable(str(value))}' does not have the form that is expected")
        return tuple(values)
