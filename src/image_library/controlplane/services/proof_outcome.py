"""How a node's word about a proof changes the job and its image: evidence about the booted bytes."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from image_library.controlplane.services.download_outcome import failure_of
from image_library.domain.boot_proof import BootProof
from image_library.domain.errors import Internal, JobCancelled
from image_library.domain.image import Failure, Image
from image_library.domain.job import Job, JobState
from image_library.domain.progress import Tries
from image_library.domain.proof_order import ProofOrder
from image_library.domain.store import Download

CANCELLED = failure_of(JobCancelled("The proof was cancelled."))


def believed(proof: BootProof, job: Job, order: ProofOrder, now: datetime) -> BootProof | None:
    """The proof, if it is about what was ordered. A node speaks for itself and of now only."""
    machine = order.machine
    if proof.digest != machine.disk.backing_digest:
        return None
    return replace(
        proof,
        proved_at=now,
        job_id=job.id,
        node_id=job.node_id,
        firmware=machine.firmware.value,
        profile=order.profile,
    )


def proof_ended(job: Job, download: Download, proof: BootProof | None, now: datetime) -> Job:
    """The job at its end: READY only with a proof that did not fail."""
    stages = download.stages or job.stages
    job = job.evolve(waiting_for="", tries=Tries(), stages=stages, updated_at=now)
    if download.state is JobState.CANCELLED:
        return job.evolve(state=JobState.CANCELLED, failure=CANCELLED)
    if download.state is JobState.READY and proof is not None and not proof.error_code:
        return job.evolve(state=JobState.READY)
    unsaid = failure_of(Internal("The node ended the proof without saying what came of it."))
    return job.evolve(state=JobState.FAILED, failure=_said(download.failure) or unsaid)


def with_proof(image: Image, proof: BootProof | None) -> Image:
    """The image with the evidence, where that is about its bytes."""
    if proof is None or proof.digest != image.digest:
        return image
    return image.evolve(boot_proof=proof, updated_at=proof.proved_at)


def _said(failure: Failure | None) -> Failure | None:
    return failure if failure is not None and failure.code else None
