"""Publishers behind the control plane's port: a test says what they offer, and which nodes can ask."""

from __future__ import annotations

from dataclasses import dataclass, field

from image_library.domain.checksum import Digest
from image_library.domain.errors import LibraryError, NodeUnreachable, NotImplementedYet, SourceNotFound
from image_library.domain.node import Node
from image_library.domain.publisher import PublisherAnswer, PublisherQuestion
from image_library.domain.trust import TrustLevel


def sha512(number: int) -> Digest:
    """The publisher's digest of build ``number``."""
    return Digest(algorithm="sha512", hex=f"{number:0128x}")


def offered(number: int, url: str = "https://example.org/debian-12-x86_64.qcow2") -> PublisherAnswer:
    """Build ``number`` as a checksum file alone tells of it."""
    return PublisherAnswer(
        digest=sha512(number), level=TrustLevel.CHECKSUM, source="https://example.org/SHA512SUMS", url=url
    )


@dataclass
class FakePublishers:
    """Fulfils ``Publishers``."""

    # By the URL that is asked about.
    offers: dict[str, PublisherAnswer | LibraryError] = field(
        default_factory=dict[str, PublisherAnswer | LibraryError]
    )
    away: set[str] = field(default_factory=set[str])
    too_old: set[str] = field(default_factory=set[str])
    # Who was asked about what.
    asked: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    def offer(self, answer: PublisherAnswer) -> None:
        self.offers[answer.url] = answer

    async def ask(self, node: Node, question: PublisherQuestion) -> PublisherAnswer:
        self.asked.append((node.id, question.url))
        if node.id in self.away:
            raise NodeUnreachable(f"Node {node.hostname} does not answer.")
        if node.id in self.too_old:
            raise NotImplementedYet("The node is too old for this.")
        found = self.offers.get(question.url, SourceNotFound("The checksum file is not there."))
        if isinstance(found, LibraryError):
            raise found
        return found
