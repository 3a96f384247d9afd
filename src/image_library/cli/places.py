"""Where things lie: the data directory and the files in it that programs and command line share."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SYSTEM_DATA_DIR = Path("/var/lib/limiquantix")
USER_DATA_DIR = Path(".local/share/limiquantix")


@dataclass(frozen=True)
class DataDir:
    """A data directory. Nothing here makes it; whoever writes into it first does."""

    root: Path

    @classmethod
    def chosen(cls, option: Path | None, environ: Mapping[str, str]) -> DataDir:
        """The option, else LIMIQUANTIX_DATA_DIR, else the user's own; root's is the system's."""
        if option is not None:
            return cls(option.expanduser().absolute())
        if named := environ.get("LIMIQUANTIX_DATA_DIR", ""):
            return cls(Path(named).expanduser().absolute())
        if os.geteuid() == 0:
            return cls(SYSTEM_DATA_DIR)
        return cls(Path(environ.get("HOME") or Path.home()) / USER_DATA_DIR)

    @property
    def token(self) -> Path:
        return self.root / "token"

    @property
    def join_token(self) -> Path:
        return self.root / "join-token"

    @property
    def server_file(self) -> Path:
        """Where the running server is: {"url": ..., "pid": ...}, 0600, gone when it stops cleanly."""
        return self.root / "server.json"

    @property
    def settings_file(self) -> Path:
        return self.root / "settings.toml"

    @property
    def up_log(self) -> Path:
        """What an ``up`` that ``launch`` started says."""
        return self.root / "up.log"

    @property
    def ssh(self) -> Path:
        """Keys and known hosts of the command line."""
        return self.root / "ssh"
