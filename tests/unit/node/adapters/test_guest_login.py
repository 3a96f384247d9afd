"""Logging in by OpenSSH's client: where there is none, nobody answers, or somebody says too much."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path

import pytest

from image_library.domain.errors import LoginMissing, StorageIo, StoreNotWritable
from image_library.domain.ssh_key import parse_public_key
from image_library.node.adapters.guest_login import KEY_FILE, KNOWN_HOSTS, SshLogin
from image_library.node.ports.logins import GuestAt


def guest(folder: Path) -> GuestAt:
    # Nobody listens on port 1.
    return GuestAt(folder=str(folder), port=1, user="debian")


def program(folder: Path, script: str) -> SshLogin:
    """A login by a program of that name that does what the script says."""
    path = folder / "ssh"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return SshLogin(search_path=str(folder))


async def test_without_the_program_there_is_no_key(tmp_path: Path) -> None:
    with pytest.raises(LoginMissing, match="'ssh' is not installed"):
        await SshLogin(search_path=str(tmp_path)).make_key()


async def test_each_key_is_new_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    login = SshLogin()
    one, other = await login.make_key(), await login.make_key()
    assert one.public != other.public
    assert parse_public_key(f"ssh-ed25519 {one.public}").algorithm == "ssh-ed25519"
    await login.keep_key(guest(tmp_path), one)
    kept = tmp_path / KEY_FILE
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert kept.read_text() == one.private.reveal()
    assert one.private.reveal() not in repr(one)
    with pytest.raises((StorageIo, StoreNotWritable)):
        await login.keep_key(guest(tmp_path), other)


async def test_where_nobody_answers_it_is_said_why(tmp_path: Path) -> None:
    login = SshLogin()
    await login.keep_key(guest(tmp_path), await login.make_key())
    answer = await login.ask(guest(tmp_path), "echo hello")
    assert answer.output is None
    assert "refused" in answer.why


async def test_it_is_started_without_a_shell_a_configuration_or_anybodys_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", "/somebody/elses")
    login = program(tmp_path, 'for word in "$@"; do echo "[$word]"; done; env; cat')
    answer = await login.ask(guest(tmp_path), "the questions; $(id)")
    assert answer.output is not None
    words = answer.output
    assert words.startswith("[-F]\n[none]\n")
    for option in ("BatchMode=yes", "IdentitiesOnly=yes", "StrictHostKeyChecking=accept-new"):
        assert f"[{option}]" in words
    assert f"[UserKnownHostsFile={KNOWN_HOSTS}]" in words
    assert "[127.0.0.1]\n[sh]\n" in words
    assert "SSH_AUTH_SOCK" not in words
    assert words.endswith("the questions; $(id)")


async def test_a_guest_that_never_stops_talking_is_cut_off(tmp_path: Path) -> None:
    async with asyncio.timeout(30):
        answer = await program(tmp_path, "exec yes").ask(guest(tmp_path), "")
    assert answer.output is None
