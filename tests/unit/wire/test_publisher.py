"""Questions to publishers and their answers on the wire: nothing is lost, and nothing is believed unseen."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_library.domain.checksum import Digest
from image_library.domain.errors import (
    Internal,
    InvalidDigest,
    InvalidRequest,
    LibraryError,
    NotImplementedYet,
    UrlNotAllowed,
)
from image_library.domain.publisher import PublisherAnswer, PublisherQuestion
from image_library.domain.releases import IndexFormat, Release, ReleaseIndex, ReleasePattern
from image_library.domain.signature import SignatureKind, SignatureSource, SigningKey
from image_library.domain.trust import TrustLevel
from image_library.wire.publisher import (
    answer_from_wire,
    answer_to_wire,
    question_from_wire,
    question_to_wire,
)
from limiquantix.node.v1 import node_daemon_pb as pb
from limiquantix.node.v1.node_daemon_pb import AskPublisherRequest, AskPublisherResponse, PublisherIndex

URL = "https://example.org/latest/os.qcow2"
LASTING = "https://example.org/{build}/os.qcow2"
INDEX = ReleaseIndex(
    format=IndexFormat.SIMPLESTREAMS,
    url="https://example.org/streams/v1/index.json",
    release=ReleasePattern(LASTING),
    product="org.example:os",
    item="disk.img",
)
QUESTION = PublisherQuestion(
    url=URL, checksum_algorithm="sha512", checksum_url="https://example.org/SUMS", index=INDEX
)
PINNED = PublisherQuestion(
    url=LASTING.replace("{build}", "20261101"),
    checksum_algorithm="sha256",
    digest="0a" * 32,
    index=replace(INDEX, leads=True),
)
SIGNATURE = SignatureSource(
    kind=SignatureKind.DETACHED,
    url="https://example.org/SUMS.asc",
    keys=(
        SigningKey(
            fingerprint="AB" * 20,
            armored="-----BEGIN",
            owner="The Publisher",
            expires=date(2030, 5, 27),
            primary_only=True,
        ),
    ),
)
DIGEST = Digest(algorithm="sha512", hex="1b" * 64)
ANSWER = PublisherAnswer(
    digest=DIGEST,
    level=TrustLevel.CHECKSUM,
    source="https://example.org/SUMS",
    url=URL,
    release=Release(
        version="20261123.1",
        url=LASTING.replace("{build}", "20261123.1"),
        digest=DIGEST,
        size_bytes=5,
        published=date(2026, 11, 23),
    ),
    note="Odd.",
)
LED = replace(
    ANSWER,
    digest=Digest(algorithm="sha256", hex="0b" * 32),
    url=LASTING.replace("{build}", "20261123"),
    release=None,
)


SIGNED = replace(QUESTION, signature=SIGNATURE)


@pytest.mark.parametrize("question", [QUESTION, PINNED, replace(QUESTION, index=None), SIGNED])
def test_a_question_arrives_as_it_was_asked(question: PublisherQuestion) -> None:
    assert question_from_wire(question_to_wire(question)) == question


@pytest.mark.parametrize(
    ("answer", "question"),
    [
        (ANSWER, QUESTION),
        (replace(ANSWER, release=None, complete=False), QUESTION),
        (LED, PINNED),
        (replace(ANSWER, level=TrustLevel.SIGNED), SIGNED),
        (
            replace(LED, url=PINNED.url, digest=Digest(algorithm="sha256", hex="0a" * 32))
            and PublisherAnswer(
                digest=Digest(algorithm="sha256", hex="0a" * 32),
                level=TrustLevel.PINNED,
                source="catalog",
                url=PINNED.url,
            ),
            PINNED,
        ),
    ],
)
def test_an_answer_arrives_as_it_was_given(answer: PublisherAnswer, question: PublisherQuestion) -> None:
    assert answer_from_wire(answer_to_wire(answer), question) == answer


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"url": ""}, UrlNotAllowed),
        ({"url": "https://" + "a" * 2000}, UrlNotAllowed),
        ({"checksum_url": ""}, InvalidRequest),
        ({"checksum": "00" * 64}, InvalidRequest),
        ({"checksum_type": "md5"}, InvalidRequest),
        ({"checksum_url": "", "checksum": "zz"}, InvalidDigest),
        ({"index": PublisherIndex(format="rss", url="https://h/x", release=LASTING)}, InvalidRequest),
        (
            {"index": PublisherIndex(format="listing", url="https://h/x", release="file:///etc")},
            InvalidRequest,
        ),
    ],
)
def test_a_question_that_cannot_be_meant_is_refused(
    changes: dict[str, object], expected: type[LibraryError]
) -> None:
    message = question_to_wire(QUESTION)
    for name, value in changes.items():
        setattr(message, name, value)
    with pytest.raises(expected):
        question_from_wire(message)


@pytest.mark.parametrize(
    ("changes", "question"),
    [
        pytest.param({"url": "https://evil.example/os.qcow2"}, QUESTION, id="elsewhere"),
        pytest.param({"url": LASTING.replace("{build}", "1")}, QUESTION, id="an index that does not lead"),
        pytest.param({"url": "https://evil.example/20261123/os.qcow2"}, PINNED, id="another host"),
        pytest.param({"url": PINNED.url}, PINNED, id="another digest than is pinned"),
        pytest.param({"checksum": "12"}, QUESTION, id="no digest"),
        pytest.param({"checksum_type": "crc32"}, QUESTION, id="no algorithm"),
    ],
)
def test_a_node_cannot_lead_astray(changes: dict[str, object], question: PublisherQuestion) -> None:
    message = answer_to_wire(replace(ANSWER, release=None) if question is QUESTION else LED)
    for name, value in changes.items():
        setattr(message, name, value)
    with pytest.raises(Internal, match="makes no sense"):
        answer_from_wire(message, question)


@pytest.mark.parametrize(
    "changes",
    [{"url": "https://evil.example/x"}, {"url": ""}, {"size_bytes": 1 << 60}, {"published": "yesterday"}],
)
def test_a_build_that_cannot_be_one_is_not_believed(changes: dict[str, object]) -> None:
    message = answer_to_wire(ANSWER)
    assert message.release is not None
    for name, value in changes.items():
        setattr(message.release, name, value)
    with pytest.raises(Internal):
        answer_from_wire(message, QUESTION)


def test_a_node_cannot_claim_more_trust_than_the_question_allows() -> None:
    message = answer_to_wire(replace(ANSWER, level=TrustLevel.SIGNED, source="so\nsure"))
    found = answer_from_wire(message, QUESTION)
    assert (found.level, found.source) == (TrustLevel.CHECKSUM, "so\\u000asure")


@given(st.binary(max_size=200))
def test_noise_is_refused_in_words(noise: bytes) -> None:
    with suppress(ValueError), pytest.raises(LibraryError):
        question_from_wire(AskPublisherRequest.from_binary(noise))
    with suppress(ValueError), pytest.raises(LibraryError):
        answer_from_wire(AskPublisherResponse.from_binary(noise), QUESTION)


@pytest.mark.parametrize("level", [TrustLevel.CHECKSUM, TrustLevel.PINNED, TrustLevel.UNVERIFIED])
def test_a_node_that_did_not_check_a_demanded_signature_has_told_nothing(level: TrustLevel) -> None:
    with pytest.raises(NotImplementedYet):
        answer_from_wire(answer_to_wire(replace(ANSWER, level=level)), SIGNED)


def test_a_node_cannot_call_signed_what_nobody_demands() -> None:
    claimed = answer_to_wire(replace(ANSWER, level=TrustLevel.SIGNED))
    assert answer_from_wire(claimed, QUESTION).level is TrustLevel.CHECKSUM


KEY = pb.SigningKey(fingerprint="AB" * 20, armored="-")


@pytest.mark.parametrize(
    "signature",
    [
        pb.SignatureSource(kind="minisign", url="https://h/x", keys=[KEY]),
        pb.SignatureSource(kind="detached", keys=[KEY]),
        pb.SignatureSource(kind="clearsigned", url="https://h/x", keys=[KEY]),
        pb.SignatureSource(kind="detached", url="https://h/" + "x" * 2000, keys=[KEY]),
        pb.SignatureSource(kind="clearsigned"),
        pb.SignatureSource(kind="clearsigned", keys=[KEY] * 21),
        pb.SignatureSource(kind="clearsigned", keys=[pb.SigningKey(fingerprint="ab" * 20)]),
        pb.SignatureSource(kind="clearsigned", keys=[pb.SigningKey(fingerprint="AB" * 8)]),
        pb.SignatureSource(
            kind="clearsigned", keys=[pb.SigningKey(fingerprint="AB" * 20, armored="x" * 70_000)]
        ),
        pb.SignatureSource(kind="clearsigned", keys=[pb.SigningKey(fingerprint="AB" * 20, expires="never")]),
    ],
)
def test_a_signature_that_cannot_be_meant_is_refused(signature: pb.SignatureSource) -> None:
    message = question_to_wire(QUESTION)
    message.signature = signature
    with pytest.raises((InvalidRequest, UrlNotAllowed)):
        question_from_wire(message)
