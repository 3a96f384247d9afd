"""How a node's word about a download changes the job and its image. Nothing is READY without evidence."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from image_library.domain.errors import DigestMismatch, Internal, JobCancelled, LibraryError, SignatureMissing
from image_library.domain.image import Failure, Image, ImagePhase, Placement, PlacementState
from image_library.domain.job import Job, JobKind, JobState
from image_library.domain.progress import Progress, Tries
from image_library.domain.signature import SignatureSource, SigningKey
from image_library.domain.store import Download, DownloadOrder, PublishedImage
from image_library.domain.trust import Evidence, TrustLevel

# Of the digests that a name pointed to: enough to know a mirror that fell behind.
MOST_REMEMBERED = 40


def failure_of(error: LibraryError) -> Failure:
    return Failure(code=error.code, message=error.message, remedy=error.remedy)


CANCELLED = failure_of(JobCancelled("The download was cancelled."))
# Their digests stand in no catalogue: whoever brought the bytes stated them.
_STATED = (JobKind.IMPORT, JobKind.UPLOAD)
_OLD = "Update the node: it is too old to check signatures."
_PHASES = {JobState.QUEUED: ImagePhase.PENDING, JobState.CONVERTING: ImagePhase.CONVERTING}
_UNMEASURED = "The node's evidence is not the digest of what it published."


def progressed(job: Job, download: Download, now: datetime) -> Job:
    # A node that takes over an upload has not measured it yet; that it is whole is known here.
    unmeasured = job.kind is JobKind.UPLOAD and not download.progress.total
    return job.evolve(
        state=download.state,
        progress=job.progress if unmeasured else download.progress,
        waiting_for=download.waiting_for,
        tries=download.tries,
        stages=download.stages or job.stages,
        updated_at=now,
    )


def underway(image: Image, job: Job) -> Image:
    """The image while a node fetches it; one that is usable elsewhere stays READY."""
    placed = image.placement_on(job.node_id)
    if placed is None or placed.state is not PlacementState.READY:
        image = image.with_placement(Placement(node_id=job.node_id, pool_id=job.pool_id))
    if image.phase in (ImagePhase.READY, ImagePhase.DELETING):
        return image
    return image.evolve(
        phase=_PHASES.get(job.state, ImagePhase.DOWNLOADING),
        progress_percent=job.progress.percent,
        failure=None,
        updated_at=job.updated_at,
    )


def ended(job: Job, download: Download, order: DownloadOrder, now: datetime) -> Job:
    """The job at its end: READY only with a whole image and with evidence that fits the order."""
    job = job.evolve(waiting_for="", tries=Tries(), updated_at=now)
    if download.state is JobState.CANCELLED:
        return job.evolve(state=JobState.CANCELLED, failure=CANCELLED)
    failure = download.failure if download.state is not JobState.READY else objection(download, order)
    if failure or download.published is None:
        unsaid = Internal("The node ended the download without saying why.")
        return job.evolve(state=JobState.FAILED, failure=failure or failure_of(unsaid))
    size = download.published.size_bytes
    return job.evolve(
        state=JobState.READY,
        progress=Progress(done=size, total=size),
        path=download.published.link_path,
    )


def objection(download: Download, order: DownloadOrder) -> Failure | None:
    """Why a node's "it is done" is not believed."""
    published = download.published
    if published is None or not published.digest or published.size_bytes <= 0:
        return failure_of(Internal("The node named no digest and size of what it published."))
    if order.unproved:
        return None if _measured(published) else failure_of(DigestMismatch(_UNMEASURED))
    if order.digest and published.evidence.actual != order.digest:
        return failure_of(DigestMismatch("The node published other bytes than the catalogue pins."))
    if order.signature and not order.library_digest and not _signed(published.evidence, order.signature):
        return failure_of(
            SignatureMissing("The node did not look at the publisher's signature.", remedy=_OLD)
        )
    if not published.evidence.actual or published.evidence.actual != published.evidence.expected:
        return failure_of(
            DigestMismatch("The node published bytes without proof that they are the publisher's.")
        )
    return None


def _signed(evidence: Evidence, signature: SignatureSource) -> SigningKey | None:
    """The key, of those that were demanded, by which the node found the checksum file signed."""
    if evidence.level is not TrustLevel.SIGNED:
        return None
    return next((key for key in signature.keys if key.fingerprint == evidence.key_fingerprint), None)


def _measured(published: PublishedImage) -> bool:
    """Whether the evidence says no more than what the bytes' own digest is."""
    proof = published.evidence
    digest = f"{proof.algorithm}:{proof.actual}"
    made_of = published.converted_from
    came = made_of.digest if made_of and not made_of.captured else published.digest
    return proof.level is TrustLevel.UNVERIFIED and not proof.expected and digest == came


def landed(image: Image, job: Job, published: PublishedImage, order: DownloadOrder) -> Image:
    """The image with its whole, verified copy on the job's node."""
    evidence = believed(published.evidence, order, job)
    same = order.library_digest or (job.kind is JobKind.IMPORT and published.digest == image.digest)
    if same and image.evidence is not None:
        # These are the very bytes that were proved when they came into the library.
        evidence = image.evidence
    source = published.converted_from or (image.converted_from if image.digest == published.digest else None)
    return image.with_placement(_copy(job, published)).evolve(
        phase=ImagePhase.READY if image.phase is not ImagePhase.DELETING else image.phase,
        progress_percent=100,
        size_bytes=published.size_bytes,
        virtual_size_bytes=published.facts.virtual_size_bytes,
        format=published.facts.format,
        digest=published.digest,
        found=published.facts.guest or image.found,
        # What a draft was going to be is not what came.
        release=image.release if image.digest else "",
        evidence=evidence,
        converted_from=source,
        failure=None,
        updated_at=job.updated_at,
    )


def whole_again(image: Image, job: Job, published: PublishedImage) -> Image:
    """An image of the very bytes that another one's job has brought."""
    leaves = image.phase is ImagePhase.DELETING
    return image.with_placement(_copy(job, published)).evolve(
        phase=image.phase if leaves else ImagePhase.READY, failure=None, updated_at=job.updated_at
    )


def _copy(job: Job, published: PublishedImage) -> Placement:
    return Placement(
        node_id=job.node_id,
        pool_id=job.pool_id,
        path=published.link_path,
        state=PlacementState.READY,
        verified_at=published.evidence.verified_at or job.updated_at,
    )


def believed(evidence: Evidence, order: DownloadOrder, job: Job) -> Evidence:
    """A node cannot claim more trust than its order can give, nor speak for another node."""
    best = TrustLevel.PINNED if order.digest and not order.digest_source else TrustLevel.CHECKSUM
    key = _signed(evidence, order.signature) if order.signature else None
    if key:
        best = TrustLevel.SIGNED
    if order.digest and job.kind in _STATED:
        best, evidence = TrustLevel.CHECKSUM, replace(evidence, source=job.kind.value)
    if order.unverified:
        best = TrustLevel.UNVERIFIED
    return replace(
        evidence,
        level=min(evidence.level, best),
        source=order.digest_source or evidence.source,
        key_fingerprint=key.fingerprint if key else "",
        key_owner=key.owner if key else "",
        node_id=job.node_id,
        verified_at=evidence.verified_at or job.updated_at,
    )


def abandoned(image: Image, job: Job) -> Image:
    """The image after its download came to nothing: without the copy, and in ERROR if it was the only one."""
    kept = tuple(
        p for p in image.placements if p.node_id != job.node_id or p.state is not PlacementState.FETCHING
    )
    image = image.evolve(placements=kept, updated_at=job.updated_at)
    if image.ready_placements or image.phase is ImagePhase.DELETING:
        return image
    return image.evolve(phase=ImagePhase.ERROR, failure=job.failure, progress_percent=0)


def next_version(latest: Image, *, version_id: str, now: datetime) -> Image:
    """A draft of the version after the latest: what is said of the name stays, its bytes are still to come.

    Words about one version only (protected, hidden, deprecated) are not its.

    The name goes on pointing where it does until they are there.
    """
    replaced = [str(digest) for digest in latest.digests]
    return replace(
        latest,
        id=version_id,
        version=latest.version + 1,
        current=False,
        phase=ImagePhase.PENDING,
        size_bytes=0,
        virtual_size_bytes=0,
        progress_percent=0,
        digest="",
        release="",
        newer="",
        earlier=tuple(dict.fromkeys((*replaced, *latest.earlier)))[:MOST_REMEMBERED],
        evidence=None,
        converted_from=None,
        found=None,
        boot_proof=None,
        failure=None,
        placements=(),
        protected=False,
        hidden=False,
        deprecation=None,
        revision=1,
        created_at=now,
        updated_at=now,
    )
