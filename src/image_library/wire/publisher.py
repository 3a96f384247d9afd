"""What a node is to ask a publisher, and what it heard. Both sides judge what the other one sends."""

from __future__ import annotations

from datetime import date

from image_library.domain.checksum import Digest, parse_digest
from image_library.domain.errors import (
    IndexUnreadable,
    Internal,
    InvalidCatalog,
    InvalidDigest,
    InvalidRequest,
    NotImplementedYet,
    UrlNotAllowed,
    printable,
)
from image_library.domain.publisher import PublisherAnswer, PublisherQuestion
from image_library.domain.releases import IndexFormat, Release, ReleaseIndex, ReleasePattern
from image_library.domain.trust import TrustLevel
from image_library.wire.signature import signature_from_wire, signature_to_wire
from image_library.wire.trust import trust_from_wire, trust_to_wire
from limiquantix.node.v1.node_daemon_pb import (
    AskPublisherRequest,
    AskPublisherResponse,
    PublisherIndex,
    PublisherRelease,
    ReadSmallFileRequest,
)

_ALGORITHMS = ("sha256", "sha512")
_LONGEST_URL = 2000
_LONGEST_NOTE = 1000
_LARGEST = 1 << 50
_LARGEST_SMALL_FILE = 1 << 20


def question_to_wire(question: PublisherQuestion) -> AskPublisherRequest:
    index = question.index
    return AskPublisherRequest(
        url=question.url,
        checksum_type=question.checksum_algorithm,
        checksum_url=question.checksum_url,
        checksum=question.digest,
        index=index
        and PublisherIndex(
            format=index.format.value,
            url=index.url,
            release=index.release.text,
            product=index.product,
            item=index.item,
            leads=index.leads,
        ),
        signature=signature_to_wire(question.signature),
    )


def question_from_wire(message: AskPublisherRequest) -> PublisherQuestion:
    """The question, with every field judged; where it leads is judged when it is fetched.

    Raises:
        InvalidRequest, InvalidDigest, UrlNotAllowed: a field cannot be used.
    """
    for field in ("url", "checksum_url"):
        if len(getattr(message, field)) > _LONGEST_URL:
            raise UrlNotAllowed("The URL is too long.", field=field)
    if not message.url:
        raise UrlNotAllowed("There is no URL.", field="url")
    if bool(message.checksum) == bool(message.checksum_url):
        raise InvalidRequest("Either a digest or a checksum file is given.", field="checksum_url")
    if message.checksum_type not in _ALGORITHMS:
        raise InvalidRequest("The checksum type must be sha256 or sha512.", field="checksum_type")
    pinned = parse_digest(message.checksum, algorithm=message.checksum_type) if message.checksum else None
    return PublisherQuestion(
        url=message.url,
        checksum_algorithm=message.checksum_type,
        checksum_url=message.checksum_url,
        digest=pinned.hex if pinned else "",
        index=_index(message.index) if message.index else None,
        signature=signature_from_wire(message.signature, checksum_url=message.checksum_url),
    )


def small_file_from_wire(message: ReadSmallFileRequest) -> tuple[str, int]:
    """The URL, and how many bytes the file may have. Raises UrlNotAllowed, InvalidRequest."""
    if not message.url or len(message.url) > _LONGEST_URL:
        raise UrlNotAllowed("There is no URL, or it is too long.", field="url")
    if not 0 < message.limit_bytes <= _LARGEST_SMALL_FILE:
        raise InvalidRequest("A small file has at most 1 MiB.", field="limit_bytes")
    return message.url, message.limit_bytes


def _index(message: PublisherIndex) -> ReleaseIndex:
    try:
        return ReleaseIndex(
            format=IndexFormat(message.format),
            url=message.url,
            release=ReleasePattern(message.release),
            product=message.product,
            item=message.item,
            leads=message.leads,
        )
    except ValueError:
        said = printable(message.format)
        raise InvalidRequest(f"Indexes of the form '{said}' are not known here.", field="index") from None
    except InvalidCatalog as error:
        raise InvalidRequest(error.message, field="index") from error


def answer_to_wire(answer: PublisherAnswer) -> AskPublisherResponse:
    release = answer.release
    return AskPublisherResponse(
        checksum_type=answer.digest.algorithm,
        checksum=answer.digest.hex,
        trust=trust_to_wire(answer.level),
        source=answer.source,
        url=answer.url,
        release=release
        and PublisherRelease(
            url=release.url,
            size_bytes=release.size_bytes,
            published=release.published.isoformat() if release.published else "",
        ),
        note=answer.note,
        complete=answer.complete,
    )


def answer_from_wire(message: AskPublisherResponse, question: PublisherQuestion) -> PublisherAnswer:
    """What a node says that the publisher says. It is held to the question: a node cannot send us elsewhere.

    Raises:
        Internal: it is no answer to this question.
        NotImplementedYet: the node did not look at the signature that the question demands.
    """
    if question.signature and trust_from_wire(message.trust) is not TrustLevel.SIGNED:
        raise NotImplementedYet("The node is too old to check signatures.")
    try:
        digest = parse_digest(message.checksum, algorithm=message.checksum_type)
        asked_for, index = message.url == question.url, question.index
        leading = index is not None and index.is_ahead(message.url, of=question.url)
        pinned = str(digest) == f"{question.checksum_algorithm}:{question.digest}"
        if not (asked_for and (pinned or not question.digest)) and not leading:
            raise InvalidRequest("It is about another file.")
        release = _release(message.release, digest, question) if message.release else None
    except (InvalidDigest, InvalidRequest, IndexUnreadable, ValueError) as error:
        raise Internal(f"The node's answer about {printable(question.url)} makes no sense.") from error
    return PublisherAnswer(
        digest=digest,
        level=_level(question, pinned=asked_for and pinned),
        source=printable(message.source, _LONGEST_URL),
        url=message.url,
        release=release,
        note=printable(message.note, _LONGEST_NOTE),
        complete=message.complete,
    )


def _level(question: PublisherQuestion, *, pinned: bool) -> TrustLevel:
    if question.signature:
        return TrustLevel.SIGNED
    return TrustLevel.PINNED if pinned else TrustLevel.CHECKSUM


def _release(message: PublisherRelease, digest: Digest, question: PublisherQuestion) -> Release:
    version = question.index.release.version_in(message.url) if question.index else None
    if version is None or message.size_bytes > _LARGEST:
        raise InvalidRequest("It names a build that the index cannot have.")
    return Release(
        version=version,
        url=message.url,
        digest=digest,
        size_bytes=message.size_bytes,
        published=date.fromisoformat(message.published) if message.published else None,
    )
