"""A change of the library as those who follow it hear of it: what something is now, or that it is gone."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from image_library.domain.image import Image
from image_library.domain.job import Job
from image_library.domain.node import Node
from image_library.domain.vm import Vm

Item = Image | Job | Node | Vm


class ItemKind(Enum):
    """Each value is also its word on the wire."""

    IMAGE = "image"
    JOB = "job"
    NODE = "node"
    VM = "vm"


@dataclass(frozen=True, kw_only=True, eq=False)
class Change:
    """``item`` as it was after the change with that number; None: it is gone."""

    sequence: int
    kind: ItemKind
    id: str
    item: Item | None

    @property
    def key(self) -> tuple[ItemKind, str]:
        return self.kind, self.id


class Mark(Enum):
    """What is said of the stream itself."""

    # Everything follows, and what it does not name is gone.
    RESET = "reset"
    # All that was asked for has been said.
    UP_TO_DATE = "up_to_date"
