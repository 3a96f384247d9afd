"""Where things lie: the data directory and the files in it that programs and command line share."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from image_library.domain.errors import InvalidSettings, printable

SYSTEM_DATA_DIR = Path("/var/lib/limiquantix")
USER_DATA_DIR = Path(".local/share/limiquantix")


def home(environ: Mapping[str, str]) -> Path:
    """The user's home: HOME where it names one, else what the machine knows of the user."""
    named = Path(environ.get("HOME", ""))
    if named.is_absolute():
        return named
    try:
        return Path(pwd.getpwuid(os.geteuid()).pw_dir)
    except KeyError:
        raise InvalidSettings(
            "This user has no home directory.", remedy="Set HOME, or choose a directory with --data-dir."
        ) from None


def _named(path: str) -> Path:
    try:
        return Path(path).expanduser().absolute()
    except RuntimeError:
        message = f"There is no such user: '{printable(path)}'."
        raise InvalidSettings(message, remedy="Give the directory's whole path.") from None


@dataclass(frozen=True)
class DataDir:
    """A data directory. Nothing here makes it; whoever writes into it first does."""

    root: Path

    @classmethod
    def chosen(cls, option: Path | None, environ: Mapping[str, str]) -> DataDir:
        """The option, else LIMIQUANTIX_DATA_DIR, else the user's own; root's is the system's."""
        if option is not None:
            return cls(_named(str(option)))
        if named := environ.get("LIMIQUANTIX_DATA_DIR", ""):
            return cls(_named(named))
        if os.geteuid() == 0:
            return cls(SYSTEM_DATA_DIR)
        return cls(home(environ) / USER_DATA_DIR)

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
    def uploads_file(self) -> Path:
        """Which uploads the command line has begun."""
        return self.root / "uploads.json"

    @property
    def ssh(self) -> Path:
        """Keys and known hosts of the command line."""
        return self.root / "ssh"
