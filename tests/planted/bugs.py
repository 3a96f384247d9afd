"""The list of planted bugs: what is broken on purpose, and which tests must notice.

Rows are in ``*.toml`` beside this file, one file a room of the source.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
_SOURCE = "src/image_library"


@dataclass(frozen=True, kw_only=True)
class Bug:
    """``find`` occurs exactly once in ``file`` (relative to the source) and becomes ``replace``."""

    id: str
    # The attack, fault, goal or invariant that it opens the door to.
    opens: str
    file: str
    find: str
    replace: str
    # What pytest is given: files, node ids and options.
    tests: tuple[str, ...]

    def path(self, root: Path = ROOT) -> Path:
        return root / _SOURCE / self.file

    def planted(self, source: str) -> str:
        """The source with the bug in it.

        Raises:
            ValueError: the text is not there exactly once.
        """
        if source.count(self.find) != 1:
            raise ValueError(f"{self.id}: the text is {source.count(self.find)} times in {self.file}")
        return source.replace(self.find, self.replace)


def all_bugs() -> tuple[Bug, ...]:
    return tuple(_bug(row) for path in sorted(HERE.glob("*.toml")) for row in _rows(path))


def _rows(path: Path) -> list[dict[str, str]]:
    return tomllib.loads(path.read_text(encoding="utf-8"))["bug"]


def _bug(row: dict[str, str]) -> Bug:
    return Bug(
        id=row["id"],
        opens=row["opens"],
        file=row["file"],
        find=row["find"].strip("\n"),
        replace=row["replace"].strip("\n"),
        tests=tuple(row["tests"].split()),
    )
