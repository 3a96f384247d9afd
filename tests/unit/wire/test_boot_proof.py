"""What a node makes of an order to prove an image."""

from __future__ import annotations

from dataclasses import replace

import pytest

from image_library.domain.errors import InvalidRequest, LibraryError
from image_library.domain.machine import DiskOrder
from image_library.domain.proof_order import ProofOrder
from image_library.wire.boot_proof import proof_job, proof_order_from_wire, proof_order_to_wire
from tests.unit.node.services.test_vms import ORDER

PROVE = ProofOrder(machine=replace(ORDER, bridges=("br0",)), login_user="debian", timeout_seconds=60)


def sent(prove: ProofOrder) -> ProofOrder:
    message = proof_order_to_wire(proof_job("job-1", "image-1", prove), prove)
    received = proof_order_from_wire(message, architecture="x86_64").prove
    assert received is not None
    return received


def test_the_machine_is_thrown_away_and_on_no_bridge() -> None:
    received = sent(PROVE)
    assert received.machine.throw_away
    assert received.machine.bridges == ()
    assert received.machine.disk == ORDER.disk
    assert replace(received, machine=PROVE.machine) == PROVE


def test_only_a_digests_bytes_are_proved() -> None:
    by_path = replace(ORDER, disk=DiskOrder(backing_path="/data/cloud-images/mine.qcow2"))
    with pytest.raises(LibraryError):
        sent(replace(PROVE, machine=by_path))


def test_an_order_without_a_vm_is_refused() -> None:
    message = proof_order_to_wire(proof_job("job-1", "image-1", PROVE), PROVE)
    message.vm = None
    with pytest.raises(InvalidRequest):
        proof_order_from_wire(message, architecture="x86_64")
