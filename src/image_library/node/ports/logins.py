"""Logging in to a guest of this node, to see that one can."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from image_library.domain.secret import Secret


@dataclass(frozen=True, kw_only=True)
class LoginKey:
    """An ed25519 key for one guest. ``public`` is its base64, ``private`` OpenSSH's own file."""

    public: str
    private: Secret


@dataclass(frozen=True, kw_only=True)
class GuestAt:
    """Where a guest's SSH server is reached. ``folder`` is absolute, private, and goes with the VM."""

    folder: str
    port: int
    user: str


@dataclass(frozen=True, kw_only=True)
class LoginAnswer:
    """``output`` is None where nobody could log in; ``why`` says it in a line."""

    output: str | None
    why: str = ""


class GuestLogin(Protocol):
    async def make_key(self) -> LoginKey:
        """A new key.

        Raises:
            LoginMissing: nobody could log in with it from here.
        """
        ...

    async def keep_key(self, guest: GuestAt, key: LoginKey) -> None:
        """Puts the private key into the guest's folder.

        Raises:
            StorageFull, StorageIo, StoreNotWritable
        """
        ...

    async def ask(self, guest: GuestAt, script: str) -> LoginAnswer:
        """What a plain "sh" in the guest answers to the script. The host key of the first try has to stay."""
        ...

    async def host_keys(self, guest: GuestAt) -> tuple[str, ...]:
        """The types of the host keys that its SSH server has shown to those who logged in."""
        ...
