"""Proofs that images boot on the wire: what a node is asked to try, and what came of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

from image_library.domain.boot_proof import (
    MAX_SERIAL_CHARACTERS,
    BootFacts,
    BootProof,
    ProofOutcome,
    StageTime,
    serial_tail,
    tidy_stages,
)
from image_library.domain.checksum import parse_digest
from image_library.domain.errors import InvalidRequest
from image_library.domain.guest_facts import tidy
from image_library.domain.identity import valid_user
from image_library.domain.image import ImageFormat
from image_library.domain.proof_order import ProofOrder, valid_timeout
from image_library.domain.store import DownloadOrder
from image_library.wire.node_vm import machine_order_from_wire, machine_order_to_wire
from image_library.wire.times import time_from_wire, time_to_wire
from limiquantix.node.v1.node_daemon_pb import ProveBootRequest
from limiquantix.storage.v1 import trust_pb as pb

_OUTCOMES = {outcome.value: outcome for outcome in ProofOutcome}
_MOST_TYPES = 16


def proof_order_to_wire(order: DownloadOrder, prove: ProofOrder) -> ProveBootRequest:
    return ProveBootRequest(
        job_id=order.job_id,
        image_id=order.image_id,
        vm=machine_order_to_wire(prove.machine),
        login_user=prove.login_user,
        timeout_seconds=prove.timeout_seconds,
        profile=prove.profile,
        begun=prove.begun,
    )


def proof_order_from_wire(message: ProveBootRequest, *, architecture: str) -> DownloadOrder:
    """The order, for the node's own ``architecture``.

    Raises:
        InvalidRequest, InvalidDigest, InvalidName, InvalidUser, PathOutside: a field cannot be used.
    """
    for field in ("job_id", "image_id"):
        if not getattr(message, field):
            raise InvalidRequest(f"The field {field} is empty.", field=field)
    if message.vm is None:
        raise InvalidRequest("There is no VM to boot.", field="vm")
    machine = machine_order_from_wire(message.vm, architecture=architecture)
    # What is proved is a digest's, never that of a file which may change.
    parse_digest(machine.disk.backing_digest, algorithm="sha256")
    prove = ProofOrder(
        # On a bridge it would reach others, and others it.
        machine=replace(machine, throw_away=True, bridges=()),
        login_user=valid_user(message.login_user) if message.login_user else "",
        timeout_seconds=valid_timeout(message.timeout_seconds),
        profile=tidy(message.profile),
        begun=message.begun,
    )
    return proof_job(message.job_id, message.image_id, prove)


def proof_job(job_id: str, image_id: str, prove: ProofOrder) -> DownloadOrder:
    """The order of a job that fetches nothing."""
    return DownloadOrder(
        job_id=job_id,
        image_id=image_id,
        url="",
        filename="",
        format=ImageFormat.QCOW2,
        checksum_algorithm="sha256",
        prove=prove,
    )


def stages_to_wire(stages: Iterable[StageTime]) -> list[pb.BootStageTime]:
    return [pb.BootStageTime(stage=at.stage, seconds=at.seconds) for at in stages]


def stages_from_wire(messages: Iterable[pb.BootStageTime]) -> tuple[StageTime, ...]:
    """What a node says of its stages, with words and times that can be shown."""
    return tidy_stages(StageTime(stage=m.stage, seconds=m.seconds) for m in messages)


def proof_to_wire(proof: BootProof | None) -> pb.BootProof | None:
    if proof is None:
        return None
    facts = proof.facts
    return pb.BootProof(
        outcome=proof.outcome.value,
        digest=proof.digest,
        proved_at=time_to_wire(proof.proved_at),
        job_id=proof.job_id,
        node_id=proof.node_id,
        hypervisor=proof.hypervisor,
        accelerator=proof.accelerator,
        firmware=proof.firmware,
        profile=proof.profile,
        login_method=proof.login_method,
        login_user=proof.login_user,
        stages=stages_to_wire(proof.stages),
        facts=pb.BootFacts(
            os_release=facts.os_release,
            kernel=facts.kernel,
            cloud_init=facts.cloud_init,
            datasource=facts.datasource,
            host_key_types=list(facts.host_key_types),
            agent=facts.agent,
        ),
        failed_stage=proof.failed_stage,
        failed_module=proof.failed_module,
        error_code=proof.error_code,
        error_message=proof.error_message,
        error_remedy=proof.error_remedy,
        unproved=proof.unproved,
        serial_tail=proof.serial_tail,
    )


def proof_from_wire(message: pb.BootProof | None) -> BootProof | None:
    """What a node says; a word that is no outcome proves nothing. Texts are bounded and made fit to show."""
    if message is None:
        return None
    facts = message.facts or pb.BootFacts()
    return BootProof(
        outcome=_OUTCOMES.get(message.outcome, ProofOutcome.FAILED),
        digest=tidy(message.digest),
        proved_at=time_from_wire(message.proved_at) or datetime.fromtimestamp(0, UTC),
        job_id=tidy(message.job_id),
        node_id=tidy(message.node_id),
        hypervisor=tidy(message.hypervisor),
        accelerator=tidy(message.accelerator),
        firmware=tidy(message.firmware),
        profile=tidy(message.profile),
        login_method=tidy(message.login_method),
        login_user=tidy(message.login_user),
        stages=stages_from_wire(message.stages),
        facts=BootFacts(
            os_release=tidy(facts.os_release),
            kernel=tidy(facts.kernel),
            cloud_init=tidy(facts.cloud_init),
            datasource=tidy(facts.datasource),
            host_key_types=tuple(map(tidy, facts.host_key_types[:_MOST_TYPES])),
            agent=facts.agent,
        ),
        failed_stage=tidy(message.failed_stage),
        failed_module=tidy(message.failed_module),
        error_code=tidy(message.error_code),
        error_message=tidy(message.error_message),
        error_remedy=tidy(message.error_remedy),
        unproved=tidy(message.unproved),
        serial_tail=serial_tail(message.serial_tail[-MAX_SERIAL_CHARACTERS:].encode()),
    )
