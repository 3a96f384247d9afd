"""A newer catalogue from a signed file: judged, kept, in use. What is not better changes nothing."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from image_library.controlplane.ports.catalog_updates import (
    CatalogReader,
    CatalogStore,
    ReadCatalog,
    SmallFilesOfNodes,
    StoredCatalog,
)
from image_library.controlplane.ports.clock import Clock
from image_library.controlplane.ports.records import Database
from image_library.controlplane.services.download_outcome import failure_of
from image_library.domain.catalog import Catalog
from image_library.domain.errors import (
    InvalidRequest,
    LibraryError,
    NodeUnreachable,
    NoNodeReady,
    NotImplementedYet,
)
from image_library.domain.image import Failure
from image_library.domain.node import NodePhase
from image_library.domain.signed_catalog import (
    MAX_CATALOG_BYTES,
    MAX_SIGNATURES_BYTES,
    SIGNATURE_SUFFIX,
    AcceptedCatalog,
    CatalogAge,
    CatalogTerms,
    Verify,
    age_of,
    check_signatures,
    judge_follower,
)

log = structlog.get_logger()

MOST_NODES_TRIED = 3
# Seconds, at random between the two: not every control plane shall ask at the same time.
BEFORE_FIRST_LOOK = (30.0, 300.0)
_HOUR = 3600.0


@dataclass(frozen=True, kw_only=True)
class CatalogRules:
    """Whose signature is believed, and where the file is."""

    keys: tuple[bytes, ...] = ()
    # Empty: it is given by hand only.
    url: str = ""


@dataclass(frozen=True, kw_only=True)
class CatalogState:
    terms: CatalogTerms | None
    age: CatalogAge
    configured: bool
    asked_at: datetime | None = None
    # Why the last try came to nothing; none where it did not.
    failure: Failure | None = None

    @property
    def warning(self) -> str:
        """What should be done, in a sentence; empty where all is well."""
        if self.terms is None or self.age in (CatalogAge.NONE, CatalogAge.FRESH):
            return ""
        if self.age is CatalogAge.STALE:
            return f"The catalog expired on {self.terms.expires}: newer ones may be kept away from here."
        return f"The catalog expires on {self.terms.expires}, and no newer one has come."


@dataclass(kw_only=True)
class Parts:
    """What the updates work with."""

    catalog: Catalog
    store: CatalogStore
    reader: CatalogReader
    verify: Verify
    files: SmallFilesOfNodes
    database: Database
    clock: Clock
    rules: CatalogRules = field(default_factory=CatalogRules)


class CatalogUpdates:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._held: AcceptedCatalog | None = None
        self._asked_at: datetime | None = None
        self._failure: Failure | None = None
        self._one_at_a_time = asyncio.Lock()

    async def resume(self) -> None:
        """Take up the catalogue that was in use; one that no key of today has signed is as if never seen."""
        stored = await asyncio.to_thread(self._parts.store.load)
        if stored is None or not self._parts.rules.keys:
            return
        try:
            accepted, read = await asyncio.to_thread(self._accepted, stored)
            # It was accepted once: that it has expired since does not bring back an even older one.
            judge_follower(
                accepted, None, shipped=self._parts.reader.shipped_on, today=accepted.terms.written
            )
        except LibraryError as error:
            log.warning("signed_catalog_not_used", code=error.code, why=error.message)
            return
        self._use(accepted, read)

    def state(self) -> CatalogState:
        terms = self._held.terms if self._held else None
        rules = self._parts.rules
        return CatalogState(
            terms=terms,
            age=age_of(terms, self._parts.clock.now().date()),
            configured=bool(rules.keys),
            asked_at=self._asked_at,
            failure=self._failure,
        )

    async def refresh(self, content: bytes = b"", signatures: bytes = b"") -> CatalogState:
        """Take this catalogue, or the one at the URL of the settings, if it is signed and newer.

        Raises:
            InvalidRequest: there is nothing to take, or nobody whose signature counts.
            CatalogUnsigned, CatalogRollback, CatalogStale, InvalidCatalog: the one in use stays.
            NoNodeReady, NodeUnreachable, and the node's errors: it cannot be fetched.
        """
        rules = self._parts.rules
        if not rules.keys:
            raise InvalidRequest("No key is known that signs catalogs.", remedy="Set catalog_keys.")
        if not content and not rules.url:
            raise InvalidRequest(
                "It is not known where the catalog is.", remedy="Set catalog_url, or give a file."
            )
        async with self._one_at_a_time:
            self._asked_at = self._parts.clock.now()
            try:
                stored = StoredCatalog(content, signatures) if content else await self._fetched()
                await self._take(stored)
            except LibraryError as error:
                self._failure = failure_of(error)
                raise
            self._failure = None
        return self.state()

    async def run(self, hours: int) -> None:
        """Look for a newer one from time to time; runs until it is cancelled."""
        await self._parts.clock.sleep(random.uniform(*BEFORE_FIRST_LOOK))  # noqa: S311
        while True:
            try:
                await self.refresh()
            except LibraryError as error:
                log.warning("catalog_not_refreshed", code=error.code, why=error.message)
            except Exception:
                log.exception("catalog_refresh_fault")
            if warning := self.state().warning:
                log.warning("catalog_is_old", meaning=warning)
            await self._parts.clock.sleep(hours * _HOUR)

    async def _take(self, stored: StoredCatalog) -> None:
        accepted, read = await asyncio.to_thread(self._accepted, stored)
        today = self._parts.clock.now().date()
        judge_follower(accepted, self._held, shipped=self._parts.reader.shipped_on, today=today)
        if self._held is not None and accepted.digest == self._held.digest:
            return
        await asyncio.to_thread(self._parts.store.save, stored)
        self._use(accepted, read)
        log.info("catalog_refreshed", version=accepted.terms.version, expires=str(accepted.terms.expires))

    def _accepted(self, stored: StoredCatalog) -> tuple[AcceptedCatalog, ReadCatalog]:
        """Nothing is read of what nobody of ours has signed."""
        check_signatures(stored.content, stored.signatures, self._parts.rules.keys, self._parts.verify)
        read = self._parts.reader.read(stored.content)
        accepted = AcceptedCatalog(terms=read.terms, content=stored.content, signatures=stored.signatures)
        return accepted, read

    def _use(self, accepted: AcceptedCatalog, read: ReadCatalog) -> None:
        self._held = accepted
        self._parts.catalog.take(read.entries)

    async def _fetched(self) -> StoredCatalog:
        url = self._parts.rules.url
        async with self._parts.database.read() as records:
            nodes = [n for n in await records.nodes.all() if n.phase is NodePhase.READY]
        last: LibraryError = NoNodeReady("No node is ready to fetch the catalog.")
        for node in nodes[:MOST_NODES_TRIED]:
            try:
                return StoredCatalog(
                    await self._parts.files.read(node, url, limit=MAX_CATALOG_BYTES),
                    await self._parts.files.read(node, url + SIGNATURE_SUFFIX, limit=MAX_SIGNATURES_BYTES),
                )
            except (NodeUnreachable, NotImplementedYet) as error:
                last = error
        raise last
