"""How far a node is believed: never further than its order can prove."""

from __future__ import annotations

import pytest

from image_library.controlplane.services.download_outcome import believed, objection
from image_library.domain.job import JobKind, JobState
from image_library.domain.signature import SignatureKind, SignatureSource, SigningKey
from image_library.domain.store import Download, DownloadOrder
from image_library.domain.trust import TrustLevel
from tests.fakes.control_values import SHA512, a_job, a_published_image, an_evidence, an_order


@pytest.mark.parametrize(
    ("kind", "order", "level", "source"),
    [
        (JobKind.DOWNLOAD, {"digest": SHA512}, TrustLevel.PINNED, "catalog"),
        (JobKind.DOWNLOAD, {}, TrustLevel.CHECKSUM, "catalog"),
        (JobKind.IMPORT, {"digest": SHA512}, TrustLevel.CHECKSUM, "import"),
        (JobKind.UPLOAD, {"digest": SHA512}, TrustLevel.CHECKSUM, "upload"),
        (JobKind.UPLOAD, {"digest": SHA512, "unverified": True}, TrustLevel.UNVERIFIED, "upload"),
        (JobKind.IMPORT, {"unverified": True}, TrustLevel.UNVERIFIED, "catalog"),
    ],
)
def test_a_node_that_claims_everything_is_believed_what_its_order_proves(
    kind: JobKind, order: dict[str, str], level: TrustLevel, source: str
) -> None:
    claimed = an_evidence(level=TrustLevel.SIGNED, source="catalog", node_id="another")
    kept = believed(claimed, an_order(**order), a_job(kind=kind))
    assert (kept.level, kept.source, kept.node_id) == (level, source, "node-1")


KEY = SigningKey(fingerprint="AB" * 20, armored="-", owner="The Publisher")
SIGNED = SignatureSource(kind=SignatureKind.CLEARSIGNED, keys=(KEY,))


def a_download(order: DownloadOrder, *, level: TrustLevel, fingerprint: str) -> Download:
    proof = an_evidence(level=level, key_fingerprint=fingerprint)
    return Download(order=order, state=JobState.READY, published=a_published_image(evidence=proof))


def test_a_signature_is_believed_where_it_was_demanded_and_by_a_key_that_was_pinned() -> None:
    claimed = an_evidence(level=TrustLevel.SIGNED, key_fingerprint=KEY.fingerprint, key_owner="Me")
    kept = believed(claimed, an_order(signature=SIGNED), a_job())
    assert (kept.level, kept.key_fingerprint, kept.key_owner) == (
        TrustLevel.SIGNED,
        KEY.fingerprint,
        "The Publisher",
    )
    unasked = believed(claimed, an_order(), a_job())
    assert (unasked.level, unasked.key_fingerprint, unasked.key_owner) == (TrustLevel.CHECKSUM, "", "")


@pytest.mark.parametrize(
    ("level", "fingerprint", "taken"),
    [
        (TrustLevel.SIGNED, KEY.fingerprint, True),
        (TrustLevel.SIGNED, "CD" * 20, False),
        (TrustLevel.CHECKSUM, KEY.fingerprint, False),
        (TrustLevel.PINNED, "", False),
    ],
)
def test_a_node_that_did_not_check_a_demanded_signature_has_fetched_nothing(
    level: TrustLevel, fingerprint: str, taken: bool
) -> None:
    order = an_order(signature=SIGNED)
    download = a_download(order, level=level, fingerprint=fingerprint)
    refused = objection(download, order)
    assert (refused is None) == taken
    if refused:
        assert refused.code == "verify.signature_missing"
        assert "too old" in refused.remedy


def test_a_copy_within_the_library_needs_no_signature() -> None:
    order = an_order(signature=SIGNED, library_digest=f"sha256:{'0' * 64}")
    assert objection(a_download(order, level=TrustLevel.UNVERIFIED, fingerprint=""), order) is None
