"""Idempotency keys as they travel: the header, and which calls it means something to."""

from __future__ import annotations

HEADER = "idempotency-key"
# How the names of RPCs begin that change nothing.
_READING = ("Get", "List", "Watch", "Read", "Explain", "Preview", "Preflight")


def changes_something(rpc: str) -> bool:
    """Whether the RPC with this name does more than tell."""
    return not rpc.startswith(_READING)
