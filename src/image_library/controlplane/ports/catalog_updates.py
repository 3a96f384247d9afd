"""What keeping the catalogue up to date needs from outside."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Protocol

from image_library.domain.catalog import CatalogEntry
from image_library.domain.node import Node
from image_library.domain.signed_catalog import CatalogTerms


@dataclass(frozen=True)
class StoredCatalog:
    """A signed catalogue as it came."""

    content: bytes
    signatures: bytes


@dataclass(frozen=True, kw_only=True)
class ReadCatalog:
    """What a signed catalogue says, and all entries that are offered once it is in use."""

    terms: CatalogTerms
    entries: tuple[CatalogEntry, ...]


class CatalogStore(Protocol):
    """Keeps the signed catalogue that is in use; used from threads."""

    def load(self) -> StoredCatalog | None:
        """None where there is none, or it cannot be read any more."""
        ...

    def save(self, stored: StoredCatalog) -> None:
        """Returns once it is durable.

        Raises:
            StoreNotWritable, StorageFull: it cannot be kept.
        """
        ...


class CatalogReader(Protocol):
    """Reads catalogue files; used from threads."""

    @property
    def shipped_on(self) -> date | None:
        """When the catalogue that comes with the program was written."""
        ...

    def read(self, content: bytes) -> ReadCatalog:
        """Raises InvalidCatalog."""
        ...


class SmallFilesOfNodes(Protocol):
    async def read(self, node: Node, url: str, *, limit: int) -> bytes:
        """The whole of a small file, fetched by the node.

        Raises:
            NodeUnreachable: the node does not answer.
            NotImplementedYet: the node is too old.
            The node's own errors: it cannot be fetched, or has more bytes than that.
        """
        ...
