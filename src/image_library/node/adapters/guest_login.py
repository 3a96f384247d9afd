"""Logging in by OpenSSH's own client: no shell here, nobody's configuration, nobody's keys or agent."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from cryptography.hazmat.primitives import serialization as form
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from image_library.domain.boot_proof import MAX_ANSWER_BYTES, key_types
from image_library.domain.errors import LoginMissing, printable
from image_library.domain.secret import Secret
from image_library.node.adapters.store.disk import translated
from image_library.node.ports.logins import GuestAt, LoginAnswer, LoginKey

KEY_FILE = "proof-key"
KNOWN_HOSTS = "proof-known-hosts"
_HOST = "127.0.0.1"
# An emulated guest on a busy host takes its time for a key exchange.
_LOGIN_SECONDS = 60.0
_OPTIONS = (
    "BatchMode=yes",
    "IdentitiesOnly=yes",
    "IdentityAgent=none",
    "PreferredAuthentications=publickey",
    "PasswordAuthentication=no",
    "KbdInteractiveAuthentication=no",
    "StrictHostKeyChecking=accept-new",
    f"UserKnownHostsFile={KNOWN_HOSTS}",
    "GlobalKnownHostsFile=/dev/null",
    "UpdateHostKeys=no",
    "ForwardAgent=no",
    "ForwardX11=no",
    "ClearAllForwardings=yes",
    "ControlMaster=no",
    "ControlPath=none",
    "PermitLocalCommand=no",
    "LogLevel=ERROR",
    "ConnectTimeout=30",
)


class SshLogin:
    """Fulfils ``ports.logins.GuestLogin``. ``search_path`` is where programs are looked for (None: PATH)."""

    def __init__(self, *, search_path: str | None = None) -> None:
        self._search_path = search_path

    async def make_key(self) -> LoginKey:
        self._program("ssh")
        key = Ed25519PrivateKey.generate()
        secret = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.OpenSSH, form.NoEncryption())
        shared = key.public_key().public_bytes(form.Encoding.OpenSSH, form.PublicFormat.OpenSSH)
        return LoginKey(public=shared.decode().split()[1], private=Secret(secret.decode()))

    async def keep_key(self, guest: GuestAt, key: LoginKey) -> None:
        await asyncio.to_thread(_write, f"{guest.folder}/{KEY_FILE}", key.private)

    async def ask(self, guest: GuestAt, script: str) -> LoginAnswer:
        # In the folder, so that no path of ours has to survive ssh's own quoting.
        options = [word for option in _OPTIONS for word in ("-o", option)]
        where = ("-p", str(guest.port), "-l", guest.user, "-i", KEY_FILE)
        argv = (self._program("ssh"), "-F", "none", "-T", *options, *where, _HOST, "sh")
        status, output, errors = await _run(argv, guest.folder, script.encode(), seconds=_LOGIN_SECONDS)
        if status == 0:
            return LoginAnswer(output=output)
        lines = errors.strip().splitlines()
        return LoginAnswer(output=None, why=printable(lines[-1] if lines else "ssh gave no reason", 200))

    async def host_keys(self, guest: GuestAt) -> tuple[str, ...]:
        return key_types(await asyncio.to_thread(_lines, f"{guest.folder}/{KNOWN_HOSTS}"))

    def _program(self, name: str) -> str:
        found = shutil.which(name, path=self._search_path)
        if found is None:
            raise LoginMissing(f"The program '{name}' is not installed.")
        return str(Path(found).absolute())


async def _run(argv: Sequence[str], folder: str, said: bytes, *, seconds: float) -> tuple[int, str, str]:
    """Status, output and errors of a program that reads ``said``; it is killed when it takes too long."""
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=folder,
        env={"PATH": os.defpath, "LC_ALL": "C", "HOME": folder},
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    complaining = asyncio.create_task(_bounded(process.stderr))
    try:
        async with asyncio.timeout(seconds):
            with suppress(BrokenPipeError, ConnectionResetError):
                process.stdin.write(said)
                await process.stdin.drain()
                process.stdin.close()
            output = await _bounded(process.stdout)
            if len(output) >= MAX_ANSWER_BYTES:
                process.kill()
            status, errors = await process.wait(), await complaining
            return status, output.decode("utf-8", "replace"), errors.decode("utf-8", "replace")
    except TimeoutError:
        return -1, "", "it took too long"
    finally:
        complaining.cancel()
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _bounded(stream: asyncio.StreamReader) -> bytes:
    """All of it up to the bound; a guest that says more is not listened to any longer."""
    data = b""
    while len(data) < MAX_ANSWER_BYTES and (piece := await stream.read(4096)):
        data += piece
    return data[:MAX_ANSWER_BYTES]


def _write(path: str, private: Secret) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(private.reveal().encode())
    except OSError as error:
        raise translated(error, "keeping the key for a guest") from error


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
