"""``images verify``, and how a VM says that its image was damaged."""

from __future__ import annotations

from image_library.domain.errors import UnknownImage
from limiquantix.compute.v1.node_pb import Node
from limiquantix.compute.v1.vm_pb import VirtualMachine, VmStatus
from limiquantix.storage.v1.image_pb import VerifyImageProgress, VerifyImageRequest
from tests.fakes.server import FakeLibrary
from tests.integration.cli.conftest import Cli

SIZE = 400 << 20
WHOLE = VerifyImageProgress(node_id="node-1", bytes_done=SIZE, bytes_total=SIZE, result="whole")
DAMAGED = VerifyImageProgress(
    node_id="node-2",
    bytes_done=SIZE,
    bytes_total=SIZE,
    result="damaged",
    error="The bytes have changed on the disk.",
    error_code="image.damaged",
)


def test_each_copy_has_its_row(cli: Cli, library: FakeLibrary) -> None:
    library.nodes.append(Node(id="node-1", hostname="kvm-1"))
    library.checks = [VerifyImageProgress(node_id="node-1", bytes_done=1, bytes_total=SIZE), WHOLE]
    ended = cli("images", "verify", "debian-12")
    assert ended.code == 0
    [head, row] = ended.out.splitlines()
    assert head.split() == ["NODE", "RESULT", "READ", "WHAT"]
    assert row.split()[:2] == ["kvm-1", "whole"]
    [request] = library.asked(VerifyImageRequest)
    assert (request.image, list(request.node_ids)) == ("debian-12", [])


def test_a_damaged_copy_is_told_beside_the_whole_ones_and_is_a_failure(
    cli: Cli, library: FakeLibrary
) -> None:
    library.checks = [DAMAGED, WHOLE]
    ended = cli("images", "verify", "debian-12", "--node", "node-1", "--node", "node-2")
    assert ended.code == 9
    assert [line.split()[1] for line in ended.out.splitlines()[1:]] == ["damaged", "whole"]
    assert "The bytes have changed on the disk." in ended.out
    [request] = library.asked(VerifyImageRequest)
    assert list(request.node_ids) == ["node-1", "node-2"]


def test_json_has_only_the_results(cli: Cli, library: FakeLibrary) -> None:
    library.checks = [VerifyImageProgress(node_id="node-1", bytes_done=1, bytes_total=SIZE), WHOLE]
    [result] = cli("images", "verify", "debian-12", "--json").document["results"]
    assert (result["nodeId"], result["result"]) == ("node-1", "whole")


def test_an_image_that_is_not_there_is_not_found(cli: Cli, library: FakeLibrary) -> None:
    library.failing["verify"] = UnknownImage.named("debian-99", ["debian-12"])
    ended = cli("images", "verify", "debian-99")
    assert (ended.code, ended.out) == (3, "")


def test_a_vm_on_a_damaged_image_is_marked_and_says_why(cli: Cli, library: FakeLibrary) -> None:
    running = VmStatus.PowerState.RUNNING
    broken = VmStatus(state=running, warnings=["The image that its disk is built on was damaged."])
    library.vms += [
        VirtualMachine(id="vm-1", name="web", status=broken),
        VirtualMachine(id="vm-2", name="db", status=VmStatus(state=running)),
    ]
    web, db = cli("vms", "list").out.splitlines()[1:]
    assert "running (!)" in web
    assert "(!)" not in db
    shown = [line for line in cli("vms", "show", "web").out.splitlines() if line.startswith("warning")]
    assert len(shown) == 1
    assert "was damaged" in shown[0]
