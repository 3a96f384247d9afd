"""The machine's own clock, and random ids and salts."""

from __future__ import annotations

import asyncio
import secrets
import time
import uuid
from datetime import UTC, datetime

from image_library.domain.password import SALT_CHARACTERS, SALT_LENGTH


class SystemClock:
    """Fulfils ``ports.clock.Clock``."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def new_id() -> str:
    """122 random bits, as a UUID: unique without asking anybody."""
    return str(uuid.uuid4())


def new_salt() -> str:
    """For a password's hash: characters that nobody can foretell."""
    return "".join(secrets.choice(SALT_CHARACTERS) for _ in range(SALT_LENGTH))
