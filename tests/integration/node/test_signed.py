"""Images whose checksum file must be signed: fetched over real HTTP, and refused in every other case."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from image_library.domain.errors import LibraryError
from image_library.domain.job import JobState
from image_library.domain.publisher import PublisherQuestion
from image_library.domain.signature import SignatureKind, SignatureSource
from image_library.domain.store import DownloadOrder
from image_library.domain.trust import TrustLevel
from image_library.node.adapters.openpgp.checker import OpenPgpSignatures
from image_library.node.services.ask_publisher import AskPublisher
from tests.fakes.node_images import Qcow2
from tests.fakes.node_workbench import PUBLISHER, QUICK, order, workbench
from tests.support.mirror import Mirror
from tests.support.openpgp import OldPublisher, Publisher

IMAGE = Qcow2().file(1 << 20)
SUMS, ASC, URL = f"{PUBLISHER}/SUMS", f"{PUBLISHER}/SUMS.asc", f"{PUBLISHER}/disk.qcow2"
ROW = f"{hashlib.sha512(IMAGE).hexdigest()}  disk.qcow2\n".encode()
FORGED = f"{hashlib.sha512(b'forged').hexdigest()}  disk.qcow2\n".encode()
SIGNER, OTHER = Publisher("The Publisher"), Publisher("Somebody Else")
DETACHED = SignatureSource(kind=SignatureKind.DETACHED, url=ASC, keys=(SIGNER.key,))
CLEARSIGNED = SignatureSource(kind=SignatureKind.CLEARSIGNED, keys=(SIGNER.key,))


def signed(source: SignatureSource = DETACHED, **changes: Any) -> DownloadOrder:
    return order(signature=source, **changes)


def publish(mirror: Mirror, sums: bytes, signature: bytes | None = None) -> None:
    mirror.put(URL, IMAGE)
    mirror.put(SUMS, sums)
    if signature is not None:
        mirror.put(ASC, signature)


async def outcome(tmp_path: Path, mirror: Mirror, wish: DownloadOrder) -> str:
    """The code of the failure, or "ready"; nothing is published on a failure."""
    async with workbench(tmp_path / "data", mirror=mirror.base_url, rules=QUICK) as bench:
        done = await bench.finish(wish)
        if done.state is JobState.READY:
            return "ready"
        assert done.failure is not None
        assert done.published is None
        assert not mirror.exchanges(URL), "no byte of the image is asked for before it is known which"
        return done.failure.code


@pytest.mark.parametrize("kind", [DETACHED, CLEARSIGNED])
async def test_what_a_pinned_key_signed_is_taken_and_the_evidence_names_the_key(
    tmp_path: Path, mirror: Mirror, kind: SignatureSource
) -> None:
    if kind is DETACHED:
        publish(mirror, ROW, SIGNER.detached(ROW))
    else:
        publish(mirror, SIGNER.clearsigned(ROW))
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        done = await bench.finish(signed(kind))
        assert done.published is not None, done.failure
        proof = done.published.evidence
        assert (proof.level, proof.source) == (TrustLevel.SIGNED, SUMS)
        assert (proof.key_fingerprint, proof.key_owner) == (SIGNER.key.fingerprint, "The Publisher")
        again = await bench.finish(signed(kind))
        assert again.published is not None
        assert again.published.evidence.level is TrustLevel.SIGNED
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        kept = await bench.downloads.status(done.order.job_id)
        assert kept.order.signature == kind, "the journal keeps what is demanded"
        assert kept.published == done.published


async def test_an_old_pinned_key_signs_too(tmp_path: Path, mirror: Mirror) -> None:
    old = OldPublisher()
    publish(mirror, ROW, old.armored_signature(ROW))
    assert await outcome(tmp_path, mirror, signed(replace(DETACHED, keys=(old.key(),)))) == "ready"


@pytest.mark.parametrize(
    ("signature", "code"),
    [
        (None, "verify.signature_missing"),
        (b"<html>404</html>", "verify.signature_invalid"),
        (SIGNER.detached(FORGED), "verify.signature_invalid"),
        (OTHER.detached(ROW), "verify.signature_key_unknown"),
        (SIGNER.detached(ROW)[:-40], "verify.signature_invalid"),
        (b"-----BEGIN PGP SIGNATURE-----\n\n" + b"A" * (100 << 20), "verify.signature_invalid"),
    ],
    ids=["404", "web page", "other bytes", "other key", "cut off", "100 MiB"],
)
async def test_a_bad_detached_signature_fails_the_download(
    tmp_path: Path, mirror: Mirror, signature: bytes | None, code: str
) -> None:
    publish(mirror, ROW, signature)
    assert await outcome(tmp_path, mirror, signed()) == code


@pytest.mark.parametrize(
    ("sums", "code"),
    [
        (ROW, "verify.signature_missing"),
        (OTHER.clearsigned(ROW), "verify.signature_key_unknown"),
        (SIGNER.clearsigned(ROW).replace(b"disk", b"kids"), "verify.signature_invalid"),
        (SIGNER.inline(ROW), "verify.signature_missing"),
        (SIGNER.clearsigned(b"00  other.qcow2\n") + ROW, "verify.checksum_file"),
        (ROW + SIGNER.clearsigned(FORGED.replace(b"disk", b"another")), "verify.checksum_missing"),
    ],
    ids=["not signed", "other key", "changed", "inline", "row behind", "row before"],
)
async def test_a_bad_cleartext_signature_fails_the_download(
    tmp_path: Path, mirror: Mirror, sums: bytes, code: str
) -> None:
    publish(mirror, sums)
    assert await outcome(tmp_path, mirror, signed(CLEARSIGNED)) == code


async def test_a_row_outside_the_signed_text_is_never_read(tmp_path: Path, mirror: Mirror) -> None:
    """It would contradict the signed one, if anybody read it."""
    publish(mirror, FORGED + SIGNER.clearsigned(ROW) + FORGED)
    assert await outcome(tmp_path, mirror, signed(CLEARSIGNED)) == "ready"


async def test_the_signed_row_must_name_the_file(tmp_path: Path, mirror: Mirror) -> None:
    other = ROW.replace(b"disk", b"disk-kvm")
    publish(mirror, other, SIGNER.detached(other))
    assert await outcome(tmp_path, mirror, signed()) == "verify.checksum_missing"


async def test_an_expired_key_and_a_revoked_one_fail(tmp_path: Path, mirror: Mirror) -> None:
    publish(mirror, ROW, SIGNER.detached(ROW))
    revoked = replace(DETACHED, keys=(SIGNER.revoked(),))
    assert await outcome(tmp_path, mirror, signed(revoked)) == "verify.signature_expired"


async def test_other_bytes_than_the_signed_digest_are_never_published(tmp_path: Path, mirror: Mirror) -> None:
    publish(mirror, FORGED, SIGNER.detached(FORGED))
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        done = await bench.finish(signed())
        assert done.failure is not None
        assert done.failure.code == "verify.digest_mismatch"


async def test_asking_a_publisher_checks_the_signature_too(tmp_path: Path, mirror: Mirror) -> None:
    question = PublisherQuestion(url=URL, checksum_algorithm="sha512", checksum_url=SUMS, signature=DETACHED)
    publish(mirror, ROW, SIGNER.detached(ROW))
    async with workbench(tmp_path / "data", mirror=mirror.base_url, rules=QUICK) as bench:
        publisher = AskPublisher(bench.fetcher, OpenPgpSignatures())
        assert (await publisher.latest(question)).level is TrustLevel.SIGNED
        mirror.put(SUMS, FORGED)
        with pytest.raises(LibraryError) as refused:
            await publisher.latest(question)
        assert refused.value.code == "verify.signature_invalid"
        mirror.remove(ASC)
        with pytest.raises(LibraryError) as refused:
            await publisher.latest(question)
        assert refused.value.code == "verify.signature_missing"
        assert ASC in refused.value.message
