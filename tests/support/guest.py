"""A guest seen from outside: logging in with OpenSSH's own client, as a user does."""

from __future__ import annotations

import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

_OPTIONS = (
    "StrictHostKeyChecking=no",
    "UserKnownHostsFile=/dev/null",
    "GlobalKnownHostsFile=/dev/null",
    "BatchMode=yes",
    "IdentitiesOnly=yes",
    "LogLevel=ERROR",
    "ConnectTimeout=15",
)


class CommandFailed(AssertionError):
    """A command in the guest ended with an error; the message holds the command and its output."""


@dataclass(frozen=True, kw_only=True)
class KeyPair:
    private: Path
    # One line: "ssh-ed25519 AAAA… comment".
    public: str

    @property
    def public_file(self) -> Path:
        return self.private.with_name(self.private.name + ".pub")


def make_key_pair(folder: Path, comment: str = "tester@example.org") -> KeyPair:
    """A new ed25519 key without a pass phrase, made by ssh-keygen."""
    private = folder / "id_ed25519"
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(private)], check=True
    )
    return KeyPair(private=private, public=private.with_name("id_ed25519.pub").read_text().strip())


@dataclass(frozen=True, kw_only=True)
class Guest:
    """Where a guest's SSH server is reached, and who logs in."""

    port: int
    key: Path
    user: str = "debian"
    host: str = "127.0.0.1"

    def attempt(self, command: str, *, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a shell command in the guest; the exit status is the command's, or 255 for ssh's own."""
        options = [word for option in _OPTIONS for word in ("-o", option)]
        where = ["-F", "/dev/null", "-i", str(self.key), "-p", str(self.port), f"{self.user}@{self.host}"]
        return subprocess.run(
            ["ssh", *options, *where, command],
            stdin=subprocess.DEVNULL,
            timeout=timeout,
            capture_output=True,
            text=True,
            check=False,
        )

    def run(self, command: str, *, timeout: float = 60) -> str:
        """The command's stdout, stripped. Raises CommandFailed."""
        done = self.attempt(command, timeout=timeout)
        if done.returncode:
            raise CommandFailed(f"{command!r} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout.strip()

    def await_ssh(self, *, timeout: float = 180) -> None:
        """Return when the guest's SSH server greets. Raises TimeoutError.

        Nothing tells when a guest listens, and qemu's forwarding accepts before it does: only asking helps.
        """
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            try:
                with socket.create_connection((self.host, self.port), timeout=5) as probe:
                    if probe.recv(4) == b"SSH-":
                        return
            except OSError:
                pass
            time.sleep(0.5)
        raise TimeoutError(f"no SSH server greeted on port {self.port} in {timeout:g} s")
