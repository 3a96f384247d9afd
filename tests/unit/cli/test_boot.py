from __future__ import annotations

from collections.abc import Iterator

import pytest

from image_library.cli.boot import Stages, tell_guest, vm_failure
from image_library.cli.output import Output
from image_library.cli.vm_views import vm_facts
from image_library.domain.errors import BootTimeout, StorageFull
from limiquantix.compute.v1.guest_pb import GuestReport, ModuleFailure, SshHostKey
from limiquantix.compute.v1.vm_pb import VirtualMachine, VmStatus

RUNNING = VmStatus.PowerState.RUNNING


def told(capsys: pytest.CaptureFixture[str], *reached: tuple[float, str, str]) -> list[tuple[str, str]]:
    """What is said when stages (time, stage, cloud-init's state) are reached."""
    times: Iterator[float] = iter([0.0])
    now = [0.0]
    stages = Stages(out=Output(), clock=lambda: next(times, now[0]))
    for at, stage, cloud_init in reached:
        now[0] = at
        stages.update(VmStatus(stage=stage, cloud_init_status=cloud_init))
    lines = capsys.readouterr().err.splitlines()
    return [(line.split()[0], " ".join(line.split()[1:])) for line in lines]


def test_a_stage_that_was_passed_unseen_is_told_with_the_next(capsys: pytest.CaptureFixture[str]) -> None:
    said = told(capsys, (1, "boot", ""), (9, "ssh", "running"))
    assert said == [
        ("disk", "1 s"),
        ("boot", "1 s"),
        ("network", "9 s"),
        ("cloud-init", "9 s"),
        ("SSH", "9 s"),
    ]


def test_cloud_init_is_told_once_it_was_heard_of(capsys: pytest.CaptureFixture[str]) -> None:
    said = told(capsys, (1, "boot", ""), (9, "ssh", ""), (30, "done", "done"))
    assert said[-3:] == [("SSH", "9 s"), ("cloud-init", "30 s"), ("done", "30 s")]


def test_a_stage_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(told(capsys, (1, "boot", ""), (2, "boot", ""), (3, "nonsense", ""))) == 2


@pytest.mark.parametrize(
    ("status", "failure"),
    [
        (VmStatus(state=VmStatus.PowerState.PROVISIONING, stage="disk"), None),
        (VmStatus(state=VmStatus.PowerState.STOPPED, stage="disk"), None),
        (VmStatus(state=RUNNING, stage="network"), None),
        (VmStatus(state=RUNNING, stage="boot", error_message="The guest's kernel panicked."), BootTimeout),
        (VmStatus(state=VmStatus.PowerState.CRASHED, stage="boot"), BootTimeout),
        (VmStatus(error_code="storage.full", error_message="Full."), StorageFull),
    ],
)
def test_a_vm_that_will_not_come_up_is_not_waited_for(status: VmStatus, failure: type | None) -> None:
    found = vm_failure(VirtualMachine(id="1", name="web", status=status))
    assert found is None if failure is None else isinstance(found, failure)


def test_what_was_said_of_a_failing_module_and_the_host_keys_are_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    key = SshHostKey(algorithm="ssh-ed25519", fingerprint="SHA256:abc", line="ssh-ed25519 AAAA")
    status = VmStatus(
        cloud_init_failures=[
            ModuleFailure(module="scripts-user", lines=["the disk is full\x1b[2J", "status 3"])
        ],
        guest=GuestReport(hostname="web", host_keys=[key]),
    )
    vm = VirtualMachine(name="web", status=status)
    tell_guest(vm, Output())
    told = capsys.readouterr().err
    assert told.splitlines() == [
        "  scripts-user:",
        "    the disk is full\\u001b[2J",
        "    status 3",
        "  host key    ssh-ed25519 SHA256:abc",
    ]
    facts = vm_facts(vm, {})
    assert ("", "  status 3") in facts
    assert ("host key ssh-ed25519", "SHA256:abc") in facts


def test_nothing_is_told_of_a_guest_that_said_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    tell_guest(VirtualMachine(name="web"), Output())
    assert capsys.readouterr().err == ""
