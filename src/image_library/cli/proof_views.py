"""Proofs that images boot, as facts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from image_library.cli.words import at
from image_library.domain.errors import LibraryError
from limiquantix.storage.v1.image_pb import GetImageRequest, ImageStatus, ImportStatus
from limiquantix.storage.v1.trust_pb import BootFacts, BootProof

if TYPE_CHECKING:
    from image_library.cli.session import Session

SERIAL_LINES = 12


def show_proved(session: Session, job: ImportStatus, *, wait: bool) -> None:
    """Follows the job and shows the evidence; that of a failed proof before its error is raised."""
    from image_library.cli.output import as_json
    from image_library.cli.progress import follow

    if not wait:
        session.out.document(as_json(job)) if session.json else session.out.line(job.job_id)
        return
    try:
        last = follow(session.library, job.job_id, session.out)
    except LibraryError:
        if not session.json:
            _show(session, job)
        raise
    if session.json:
        session.out.document(as_json(last))
    else:
        _show(session, job)


def _show(session: Session, job: ImportStatus) -> None:
    """What the image has of this very job; a trial that was not possible has left nothing."""
    from image_library.cli.lookup import node_names

    try:
        image = session.library.images.get_image(GetImageRequest(id=job.image_id))
    except LibraryError:
        return
    status = image.status or ImageStatus()
    if status.boot_proof is not None and status.boot_proof.job_id == job.job_id:
        session.out.facts(proof_facts(status, node_names(session.library)))


def boots(status: ImageStatus) -> str:
    """Whether it boots, in a few words."""
    proof = status.boot_proof
    if proof is None:
        return "not tried"
    if status.boots:
        return f"yes, proved {at(proof.proved_at)}"
    if proof.outcome == "partial":
        return f"not proved: it was started {at(proof.proved_at)}, and nobody could log in"
    return f"failed {at(proof.proved_at)}"


def proof_facts(status: ImageStatus, node_names: Mapping[str, str]) -> list[tuple[str, str]]:
    """The evidence, as names and values; empty values are those that there are not."""
    proof = status.boot_proof
    if proof is None:
        return [("boots", boots(status))]
    failed = " ".join(part for part in (proof.error_message, proof.error_remedy) if part)
    where = f"{proof.failed_stage} ({proof.failed_module})" if proof.failed_module else proof.failed_stage
    node = node_names.get(proof.node_id, proof.node_id)
    machine = (node, proof.hypervisor, proof.accelerator, proof.firmware)
    return [
        ("boots", boots(status)),
        ("not proved", proof.unproved),
        ("failed at", where),
        ("because", failed),
        ("booted on", ", ".join(part for part in machine if part)),
        ("told by", proof.profile),
        ("logged in", f"{proof.login_user} by {proof.login_method}" if proof.login_user else ""),
        ("stages", ", ".join(f"{s.stage} {s.seconds:g} s" for s in proof.stages)),
        ("guest", ", ".join(_guest(proof.facts or BootFacts()))),
        *_serial(proof),
    ]


def _guest(facts: BootFacts) -> Iterator[str]:
    yield from filter(None, (facts.os_release, facts.kernel))
    if facts.cloud_init:
        yield f"cloud-init {facts.cloud_init}"
    if facts.datasource:
        yield facts.datasource
    if facts.host_key_types:
        yield f"host keys {' '.join(facts.host_key_types)}"
    if facts.agent:
        yield "agent"


def _serial(proof: BootProof) -> Iterator[tuple[str, str]]:
    """The end of the console, where it may tell why; all that is kept of it is in --json."""
    if proof.outcome != "passed":
        yield from (("console", line) for line in proof.serial_tail.splitlines()[-SERIAL_LINES:])
