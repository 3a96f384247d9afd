"""Downloads on the wire."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from image_library.domain.conversion import Compression, Shape
from image_library.domain.errors import (
    InvalidDigest,
    InvalidRequest,
    LibraryError,
    PathOutside,
    UrlNotAllowed,
)
from image_library.domain.image import Failure, ImageFormat
from image_library.domain.job import JobState
from image_library.domain.progress import Progress, Tries
from image_library.domain.signature import SignatureKind, SignatureSource, SigningKey
from image_library.domain.store import Download, DownloadOrder, ImageFacts, PublishedImage
from image_library.domain.trust import Evidence, TrustLevel
from image_library.wire.node_daemon import (
    download_from_wire,
    download_to_wire,
    order_from_wire,
    order_to_wire,
)
from limiquantix.node.v1.node_daemon_pb import DownloadProgress

ORDER = DownloadOrder(
    job_id="job-1",
    image_id="image-1",
    url="https://example.org/debian-12.qcow2",
    filename="debian-12.qcow2",
    format=ImageFormat.QCOW2,
    checksum_algorithm="sha512",
    checksum_url="https://example.org/SHA512SUMS",
)
SIGNED = SignatureSource(
    kind=SignatureKind.CLEARSIGNED, keys=(SigningKey(fingerprint="AB" * 20, armored="-", owner="Us"),)
)
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
IMAGE = PublishedImage(
    digest="sha256:" + "a" * 64,
    size_bytes=10,
    facts=ImageFacts(format=ImageFormat.QCOW2, virtual_size_bytes=20),
    blob_path="",
    link_path="/data/cloud-images/debian-12.qcow2",
    evidence=Evidence(level=TrustLevel.CHECKSUM, algorithm="sha512", verified_at=NOW, node_id="node-1"),
    published_at=NOW,
)


@pytest.mark.parametrize(
    "order",
    [
        ORDER,
        replace(ORDER, checksum_algorithm=""),
        replace(ORDER, checksum_algorithm="sha256", checksum_url="", unverified=True),
        replace(ORDER, signature=SIGNED),
        replace(ORDER, wanted=Shape(format=ImageFormat.QCOW2, compression=Compression.ZSTD)),
        replace(ORDER, format=ImageFormat.VHDX, wanted=Shape(format=ImageFormat.RAW)),
    ],
    ids=["checksum file", "of any kind", "unverified", "signed", "compressed", "converted"],
)
def test_an_order_arrives_as_it_was_sent(order: DownloadOrder) -> None:
    assert order_from_wire(order_to_wire(order)) == order


@pytest.mark.parametrize(
    "download",
    [
        Download(order=ORDER),
        Download(
            order=ORDER,
            state=JobState.FETCHING,
            progress=Progress(done=3, total=10, speed=2, eta_seconds=4),
            waiting_for="better times",
            tries=Tries(attempt=2, attempts=8, next_at=NOW),
        ),
        Download(order=ORDER, state=JobState.READY, progress=Progress(done=10, total=10), published=IMAGE),
        Download(
            order=ORDER,
            state=JobState.FAILED,
            failure=Failure(code="import.not_found", message="Gone.", remedy="Look again."),
        ),
        Download(
            order=ORDER, state=JobState.CANCELLED, failure=Failure(code="job.cancelled", message="Cancelled.")
        ),
    ],
    ids=lambda download: download.state.value,
)
def test_a_download_arrives_as_it_was_sent(download: Download) -> None:
    assert download_from_wire(download_to_wire(download), ORDER) == download


def test_a_blobs_own_path_stays_on_the_node() -> None:
    assert b"/blobs/" not in download_to_wire(Download(order=ORDER, published=IMAGE)).to_binary()


@pytest.mark.parametrize("state", list(JobState))
def test_every_state_has_a_status_for_old_clients(state: JobState) -> None:
    assert download_to_wire(Download(order=ORDER, state=state)).status is not DownloadProgress.Status.UNKNOWN


def test_a_node_without_stages_is_understood() -> None:
    message = DownloadProgress(job_id="job-1", status=DownloadProgress.Status.COMPLETED, path="/x")
    assert download_from_wire(message, ORDER).state is JobState.READY


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("job_id", "", InvalidRequest),
        ("image_id", "", InvalidRequest),
        ("url", "", UrlNotAllowed),
        ("target_dir", "/etc", PathOutside),
        ("target_dir", "cloud-images/../..", PathOutside),
        ("filename", "", PathOutside),
        ("filename", "../x.qcow2", PathOutside),
        ("filename", "a/b.qcow2", PathOutside),
        ("filename", ".hidden", PathOutside),
        ("filename", "-rf", PathOutside),
        ("filename", "a\nb", PathOutside),
        ("filename", "x" * 151, PathOutside),
        ("format", "qed", InvalidRequest),
        ("target_format", "iso", InvalidRequest),
        ("convert_digest", f"sha256:{'a' * 64}", InvalidRequest),
        ("checksum", "abc", InvalidDigest),
        ("checksum_url", "", InvalidRequest),
        ("checksum_type", "md5", InvalidRequest),
    ],
)
def test_a_field_that_cannot_be_used_is_refused(field: str, value: str, error: type[LibraryError]) -> None:
    message = order_to_wire(ORDER)
    setattr(message, field, value)
    with pytest.raises(error):
        order_from_wire(message)


def test_a_pinned_digest_is_read_in_any_case() -> None:
    message = order_to_wire(ORDER)
    message.checksum, message.checksum_type = "SHA256:" + "AB" * 32, ""
    order = order_from_wire(message)
    assert (order.checksum_algorithm, order.digest) == ("sha256", "ab" * 32)
