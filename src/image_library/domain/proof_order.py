"""What a node is asked to try: the throw-away VM, as whom to log in, and how long it may take."""

from __future__ import annotations

from dataclasses import dataclass, replace

from image_library.domain.errors import InvalidRequest
from image_library.domain.machine import MachineOrder
from image_library.domain.vm import SeedDocuments

# Without KVM a guest may take ten minutes.
DEFAULT_TIMEOUT_SECONDS = 900
LEAST_TIMEOUT_SECONDS = 5
MOST_TIMEOUT_SECONDS = 3600
# Where a login cannot be tried: for how long the machine has to run by itself.
WATCHED_SECONDS = 60

# Stands in the documents for the public key that the node makes: a key of 32 zero bytes, which opens nothing.
KEY_MARK = "AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
KEY_LINE = f"ssh-ed25519 {KEY_MARK}"


@dataclass(frozen=True, kw_only=True)
class ProofOrder:
    """``machine`` is made, booted, and removed again, whatever comes of it."""

    machine: MachineOrder
    # Empty where nobody can log in, so that no more than the start is proved.
    login_user: str = ""
    timeout_seconds: int = DEFAULT_TIMEOUT_SECONDS
    # NAME@REVISION.
    profile: str = ""
    # The node had begun: where it does not know of it any more, it was cut off.
    begun: bool = False

    def without_documents(self) -> ProofOrder:
        """As it is kept once it has ended: what the guest was told may hold secrets."""
        nothing = SeedDocuments(user_data="", meta_data="", datasource=self.machine.seed.datasource)
        return replace(self, machine=replace(self.machine, seed=nothing))


def valid_timeout(seconds: int) -> int:
    """``seconds``, or the default for 0.

    Raises:
        InvalidRequest: it is no time that a boot may take.
    """
    if seconds == 0:
        return DEFAULT_TIMEOUT_SECONDS
    if not LEAST_TIMEOUT_SECONDS <= seconds <= MOST_TIMEOUT_SECONDS:
        raise InvalidRequest(
            f"A boot may take {LEAST_TIMEOUT_SECONDS} to {MOST_TIMEOUT_SECONDS} seconds, not {seconds}.",
            field="timeout_seconds",
        )
    return seconds


def takes_key(documents: SeedDocuments) -> bool:
    """Whether the guest is told of a key at all."""
    return KEY_MARK in documents.user_data


def with_key(documents: SeedDocuments, public_key: str) -> SeedDocuments:
    """The documents with the base64 of the node's own ed25519 key in the place of ``KEY_MARK``."""
    return replace(documents, user_data=documents.user_data.replace(KEY_MARK, public_key))
