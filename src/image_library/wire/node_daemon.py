"""A node's downloads on the wire: what is asked of it, and how far it has come."""

from __future__ import annotations

from datetime import UTC, datetime

from image_library.domain.checksum import parse_digest
from image_library.domain.conversion import SAME, Shape, wished_shape
from image_library.domain.errors import InvalidRequest, PathOutside, UrlNotAllowed, printable
from image_library.domain.image import Failure, ImageFormat
from image_library.domain.job import JobState
from image_library.domain.machine import valid_vm_id
from image_library.domain.progress import Progress, Tries
from image_library.domain.store import Download, DownloadOrder, ImageFacts, PublishedImage
from image_library.domain.trust import Evidence, TrustLevel
from image_library.wire.boot_proof import (
    proof_from_wire,
    proof_to_wire,
    stages_from_wire,
    stages_to_wire,
)
from image_library.wire.guest_facts import guest_from_wire, guest_to_wire
from image_library.wire.signature import signature_from_wire, signature_to_wire
from image_library.wire.times import time_from_wire, time_to_wire
from image_library.wire.trust import (
    evidence_from_wire,
    evidence_to_wire,
    source_from_wire,
    source_to_wire,
)
from limiquantix.node.v1.node_daemon_pb import AdoptFileRequest, DownloadImageOnNodeRequest, DownloadProgress

_Status = DownloadProgress.Status
_STATUSES = {
    JobState.QUEUED: _Status.PENDING,
    JobState.FETCHING: _Status.DOWNLOADING,
    JobState.VERIFYING: _Status.VERIFYING,
    JobState.INSPECTING: _Status.VERIFYING,
    JobState.CONVERTING: _Status.CONVERTING,
    JobState.PUBLISHING: _Status.VERIFYING,
    JobState.PROVING: _Status.VERIFYING,
    JobState.READY: _Status.COMPLETED,
    JobState.FAILED: _Status.FAILED,
    JobState.CANCELLED: _Status.CANCELLED,
}
# For a node that names no stage.
_STATES = {
    _Status.DOWNLOADING: JobState.FETCHING,
    _Status.VERIFYING: JobState.VERIFYING,
    _Status.CONVERTING: JobState.CONVERTING,
    _Status.COMPLETED: JobState.READY,
    _Status.FAILED: JobState.FAILED,
    _Status.CANCELLED: JobState.CANCELLED,
}
_FOLDER = "cloud-images"
_FORMATS = {"": ImageFormat.QCOW2} | {f.value: f for f in ImageFormat}
_ALGORITHMS = ("sha256", "sha512")
# Where the bytes come from; one of them must be said.
_SOURCES = ("url", "library_digest", "received", "convert_digest", "capture_vm")


def order_to_wire(order: DownloadOrder) -> DownloadImageOnNodeRequest:
    return DownloadImageOnNodeRequest(
        job_id=order.job_id,
        image_id=order.image_id,
        url=order.url,
        target_dir=_FOLDER,
        filename=order.filename,
        checksum=order.digest,
        checksum_type=order.checksum_algorithm,
        checksum_url=order.checksum_url,
        format=order.format.value,
        unverified=order.unverified,
        library_digest=order.library_digest,
        received=order.received,
        checksum_source=order.digest_source,
        size_bytes=order.size_bytes,
        signature=signature_to_wire(order.signature),
        target_format=order.wanted.format.value if order.wanted else "",
        target_compression=order.wanted.compression.value if order.wanted else "",
        convert_digest=order.convert_digest,
        capture_vm=order.capture_vm,
        capture_as_it_is=not order.capture_clean,
        capture_force=order.capture_force,
        capture_frozen=order.capture_frozen,
        capture_in_guest=order.capture_in_guest,
    )


def order_from_wire(message: DownloadImageOnNodeRequest) -> DownloadOrder:
    """The order, with every field judged.

    Raises:
        InvalidRequest, InvalidDigest, PathOutside, UrlNotAllowed: a field cannot be used.
    """
    for field in ("job_id", "image_id"):
        if not getattr(message, field):
            raise InvalidRequest(f"The field {field} is empty.", field=field)
    if not any(getattr(message, source) for source in _SOURCES):
        raise UrlNotAllowed("There is no URL.", field="url")
    if message.target_dir.rstrip("/") not in ("", _FOLDER):
        raise PathOutside(f"Images go to '{_FOLDER}', nowhere else.", field="target_dir")
    if message.format not in _FORMATS:
        raise InvalidRequest(f"The format '{printable(message.format)}' is not supported.", field="format")
    algorithm, digest = _digest(message)
    return DownloadOrder(
        job_id=message.job_id,
        image_id=message.image_id,
        url=message.url,
        filename=_filename(message.filename),
        format=_FORMATS[message.format],
        checksum_algorithm=algorithm,
        checksum_url=message.checksum_url,
        digest=digest,
        digest_source=printable(message.checksum_source, 2000),
        size_bytes=message.size_bytes,
        signature=signature_from_wire(message.signature, checksum_url=message.checksum_url),
        unverified=message.unverified,
        library_digest=message.library_digest,
        received=message.received,
        convert_digest=_of_another(message),
        capture_vm=_captured(message),
        capture_clean=not message.capture_as_it_is,
        capture_force=message.capture_force,
        capture_frozen=message.capture_frozen,
        capture_in_guest=message.capture_in_guest,
        wanted=_wanted(message),
    )


def _wanted(message: DownloadImageOnNodeRequest) -> Shape | None:
    return wished_shape(message.target_format or SAME, message.target_compression, field="target_format")


def _of_another(message: DownloadImageOnNodeRequest) -> str:
    if not message.convert_digest:
        return ""
    if not message.target_format or not message.unverified:
        raise InvalidRequest("Of what is converted nothing is proved.", field="convert_digest")
    return str(parse_digest(message.convert_digest, algorithm="sha256"))


def _captured(message: DownloadImageOnNodeRequest) -> str:
    if not message.capture_vm:
        return ""
    if not message.target_format or not message.unverified:
        raise InvalidRequest("Of a template nothing is proved.", field="capture_vm")
    return valid_vm_id(message.capture_vm)


def adoption_from_wire(message: AdoptFileRequest) -> DownloadOrder:
    """The order to make an operator's file a published image; its format is what its header says.

    Raises:
        InvalidRequest, PathOutside: a field cannot be used.
    """
    for field in ("job_id", "image_id"):
        if not getattr(message, field):
            raise InvalidRequest(f"The field {field} is empty.", field=field)
    return DownloadOrder(
        job_id=message.job_id,
        image_id=message.image_id,
        url="",
        filename=_filename(message.path.rpartition("/")[2]),
        format=ImageFormat.QCOW2,
        checksum_algorithm="sha256",
        unverified=True,
        adopt_path=message.path,
    )


def _filename(name: str) -> str:
    """A readable link's name: one visible name, never a path."""
    odd = "/" in name or not name.isprintable() or name.startswith((".", "-"))
    if not name or odd or len(name.encode()) > 150:
        raise PathOutside(f"'{printable(name)}' is not a file name.", field="filename")
    return name


def _digest(message: DownloadImageOnNodeRequest) -> tuple[str, str]:
    """Algorithm and digest; the digest is empty where a checksum file will tell, or nothing does."""
    if message.library_digest:
        digest = parse_digest(message.library_digest, algorithm="sha256")
        return digest.algorithm, digest.hex
    if message.unverified and not message.checksum:
        if message.checksum_url:
            raise InvalidRequest("An unverified image has no checksum file.", field="unverified")
        return "sha256", ""
    if message.checksum:
        digest = parse_digest(message.checksum, algorithm=message.checksum_type)
        return digest.algorithm, digest.hex
    if not message.checksum_url:
        raise InvalidRequest("Neither a digest nor a checksum file is given.", field="checksum_url")
    if message.checksum_type not in ("", *_ALGORITHMS):
        raise InvalidRequest("The checksum type must be sha256 or sha512.", field="checksum_type")
    return message.checksum_type, ""


def download_to_wire(download: Download) -> DownloadProgress:
    progress, failure, image = download.progress, download.failure, download.published
    message = DownloadProgress(
        job_id=download.order.job_id,
        image_id=download.order.image_id,
        status=_STATUSES[download.state],
        stage=download.state.value,
        waiting_for=download.waiting_for,
        progress_percent=progress.percent,
        bytes_downloaded=progress.done,
        bytes_total=progress.total,
        download_speed=progress.speed,
        eta_seconds=min(progress.eta_seconds, 2**32 - 1),
        attempt=download.tries.attempt,
        attempts=download.tries.attempts,
        next_try_at=time_to_wire(download.tries.next_at),
        boot_stages=stages_to_wire(download.stages),
        boot_proof=proof_to_wire(download.proof),
    )
    if failure is not None:
        message.error, message.error_code, message.error_remedy = (
            failure.message,
            failure.code,
            failure.remedy,
        )
    if image is not None:
        message.path, message.digest, message.size_bytes = image.link_path, image.digest, image.size_bytes
        message.virtual_size_bytes, message.format = image.facts.virtual_size_bytes, image.facts.format.value
        message.evidence = evidence_to_wire(image.evidence)
        message.found = guest_to_wire(image.facts.guest)
        message.converted_from = source_to_wire(image.converted_from)
    return message


def download_from_wire(message: DownloadProgress, order: DownloadOrder) -> Download:
    """What a node says of ``order``. The blob's own path stays the node's secret."""
    stages = {state.value: state for state in JobState}
    state = stages.get(message.stage) or _STATES.get(message.status, JobState.QUEUED)
    failed = state in (JobState.FAILED, JobState.CANCELLED)
    return Download(
        order=order,
        state=state,
        progress=Progress(
            done=message.bytes_downloaded,
            total=message.bytes_total,
            speed=message.download_speed,
            eta_seconds=message.eta_seconds,
        ),
        waiting_for=message.waiting_for,
        tries=Tries(
            attempt=message.attempt,
            attempts=message.attempts,
            next_at=time_from_wire(message.next_try_at),
        ),
        published=_published(message) if state is JobState.READY else None,
        failure=Failure(code=message.error_code, message=message.error, remedy=message.error_remedy)
        if failed
        else None,
        stages=stages_from_wire(message.boot_stages),
        proof=proof_from_wire(message.boot_proof) if state.ended else None,
    )


def _published(message: DownloadProgress) -> PublishedImage:
    evidence = evidence_from_wire(message.evidence) or Evidence(level=TrustLevel.UNVERIFIED)
    return PublishedImage(
        digest=message.digest,
        size_bytes=message.size_bytes,
        facts=ImageFacts(
            format=_FORMATS.get(message.format, ImageFormat.QCOW2),
            virtual_size_bytes=message.virtual_size_bytes,
            guest=guest_from_wire(message.found),
        ),
        blob_path="",
        link_path=message.path,
        evidence=evidence,
        published_at=evidence.verified_at or datetime.fromtimestamp(0, UTC),
        converted_from=source_from_wire(message.converted_from),
    )
