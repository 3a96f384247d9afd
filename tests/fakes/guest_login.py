"""A guest that lets somebody in, or does not, as a test says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from image_library.domain.errors import LibraryError
from image_library.domain.secret import Secret
from image_library.node.ports.logins import GuestAt, LoginAnswer, LoginKey

ANSWERS = """kernel Linux 6.1.0-25-amd64
keys ssh-rsa
os "Debian GNU/Linux 12 (bookworm)"
cloud-init /usr/bin/cloud-init 22.4.2
result {"v1": {"datasource": "DataSourceNoCloud [seed=/dev/vdb]", "errors": []}}
answered
"""


@dataclass
class FakeLogin:
    """Fulfils ``node.ports.logins.GuestLogin``. ``says`` None: the key is refused."""

    says: str | None = ANSWERS
    refusal: LibraryError | None = None
    tries: int = 0
    # Is called while somebody tries to log in.
    meanwhile: Callable[[], Awaitable[None]] | None = None
    kept: list[GuestAt] = field(default_factory=list[GuestAt])

    async def make_key(self) -> LoginKey:
        if self.refusal:
            raise self.refusal
        return LoginKey(public="AAAAmadeHere", private=Secret("private"))

    async def keep_key(self, guest: GuestAt, key: LoginKey) -> None:
        self.kept.append(guest)

    async def ask(self, guest: GuestAt, script: str) -> LoginAnswer:
        self.tries += 1
        if self.meanwhile:
            await self.meanwhile()
        return LoginAnswer(output=self.says, why="" if self.says else "Permission denied (publickey).")

    async def host_keys(self, guest: GuestAt) -> tuple[str, ...]:
        return ("ssh-ed25519",)
