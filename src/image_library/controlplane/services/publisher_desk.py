"""Asking publishers through nodes: a few at a time, and another node where one cannot ask."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog

from image_library.controlplane.ports.publishers import Publishers
from image_library.controlplane.services.download_outcome import failure_of
from image_library.controlplane.services.refresh_targets import Subject
from image_library.domain.errors import (
    Internal,
    LibraryError,
    NodeUnreachable,
    NoNodeReady,
    NotImplementedYet,
    UnknownImage,
)
from image_library.domain.image import Failure
from image_library.domain.node import Node
from image_library.domain.publisher import PublisherAnswer, PublisherQuestion

log = structlog.get_logger()

AT_ONCE = 4
MOST_NODES_TRIED = 3

# Failures with these codes mean that no publisher was asked at all.
NOT_ASKED = frozenset(
    error.code for error in (NodeUnreachable, NoNodeReady, NotImplementedYet, UnknownImage, Internal)
)
# What a publisher says, or why it is not known.
Heard = PublisherAnswer | Failure


@dataclass(frozen=True, kw_only=True)
class Inquiry:
    """A question, and who could ask it, the best first. No question: the catalogue has no such entry."""

    question: PublisherQuestion | None
    nodes: Sequence[Node]


class PublisherDesk:
    def __init__(self, publishers: Publishers) -> None:
        self._publishers = publishers
        self._places = asyncio.Semaphore(AT_ONCE)

    async def ask(self, inquiries: Mapping[Subject, Inquiry]) -> dict[Subject, Heard]:
        """What was heard about each. One that cannot be asked is one failure in the answer."""
        heard = await asyncio.gather(*(self._asked(*item) for item in inquiries.items()))
        return dict(zip(inquiries, heard, strict=True))

    async def _asked(self, subject: Subject, inquiry: Inquiry) -> Heard:
        try:
            async with self._places:
                return await self._by_some_node(subject, inquiry)
        except LibraryError as error:
            log.info("publisher_not_heard", catalog_id=subject[0], code=error.code)
            return failure_of(error)
        except Exception:
            log.exception("publisher_fault", catalog_id=subject[0])
            return failure_of(Internal("Asking the publisher failed."))

    async def _by_some_node(self, subject: Subject, inquiry: Inquiry) -> PublisherAnswer:
        if inquiry.question is None:
            raise UnknownImage(f"The catalog has no '{subject[0]}' for {subject[1]} any more.")
        last: LibraryError = NoNodeReady("No node is ready to ask.")
        for node in inquiry.nodes[:MOST_NODES_TRIED]:
            try:
                return await self._publishers.ask(node, inquiry.question)
            except NodeUnreachable as error:
                last = error
            except NotImplementedYet:
                last = NotImplementedYet(f"Node {node.hostname} is too old to ask publishers.")
        raise last
