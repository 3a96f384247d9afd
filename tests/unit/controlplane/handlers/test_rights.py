"""Every RPC has its row of rights: a new one without a row fails here, and is refused at run time."""

from __future__ import annotations

from image_library.controlplane.handlers.rights import RIGHTS, Role
from limiquantix.compute.v1 import node_pb, profile_pb, vm_pb
from limiquantix.storage.v1 import image_pb, pool_pb, volume_pb

FILES = (image_pb, pool_pb, volume_pb, vm_pb, node_pb, profile_pb)


def every_rpc() -> set[str]:
    return {
        f"{service.type_name}/{method.name}"
        for file in FILES
        for service in file.desc().services
        for method in service.methods
    }


def test_every_rpc_has_a_row_and_no_row_is_left_over() -> None:
    assert set(RIGHTS) == every_rpc()


def test_operators_may_call_everything() -> None:
    assert all(Role.OPERATOR in roles for roles in RIGHTS.values())


def test_nodes_may_say_what_concerns_themselves_and_nothing_else() -> None:
    assert {name.partition("/")[2] for name, roles in RIGHTS.items() if Role.NODE in roles} == {
        "RegisterNode",
        "UpdateHeartbeat",
        "ScanLocalImages",
    }
