"""How scrubbing behaves beside others' work, and how far it is: rules and arithmetic, no bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from image_library.domain.store_health import Damage, ScrubState
from image_library.node.ports.scrubbing import BlobTurn

MIB = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Manners:
    """While downloads, uploads, conversions or copies move bytes, scrubbing is slow, and never stands still.

    A blob that waits beyond its turn for longer than ``patience`` is read at the usual rate all the same.
    """

    # Bytes per second beside others' work.
    rate_beside: int = 2 * MIB
    patience: timedelta = timedelta(days=1)

    def rate(self, usual: int, *, others_move: bool, late: timedelta) -> int:
        """Bytes per second now (0: as fast as it goes), for a blob whose turn came so long ago."""
        slow = others_move and late < self.patience
        return min(usual, self.rate_beside) if usual and slow else usual


@dataclass
class ScrubProgress:
    """What is told of the scrub, in memory: the journal is not asked for it at each heartbeat."""

    # Of the last look, the longest waiting first.
    turns: Sequence[BlobTurn] = ()
    # Whose turn it is now.
    reading: BlobTurn | None = None
    done: int = 0
    rate: int = 0
    gives_way: bool = False
    last_damage: Damage | None = None

    def state(self, now: datetime, interval: timedelta) -> ScrubState:
        due = [turn for turn in self.turns if turn.looked_at + interval <= now]
        left = sum(turn.size_bytes for turn in due) - self.done
        blob = self.reading
        done_at = now + timedelta(seconds=max(0, left) / self.rate) if due and self.rate else None
        return ScrubState(
            reading=(blob.name or blob.digest) if blob else "",
            digest=blob.digest if blob else "",
            done=self.done,
            total=blob.size_bytes if blob else 0,
            gives_way=self.gives_way and blob is not None,
            due=len(due),
            done_at=done_at,
            next_at=self.turns[0].looked_at + interval if self.turns and not due else None,
            last_damage=self.last_damage,
        )
