"""What is libvirt's alone: its schema, other people's domains, a daemon that is not there."""

# Small files, and nobody else waits for the loop.
from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from image_library.domain.errors import HypervisorMissing
from image_library.domain.machine import Condition
from image_library.node.adapters.hypervisors.libvirt.domain_xml import domain_xml, uuid_of
from image_library.node.adapters.hypervisors.libvirt.driver import LibvirtHypervisor, LibvirtSettings
from image_library.node.adapters.vm_folders import VmFolderTree
from tests.integration.node.hypervisors.rig import Rig, libvirt_driver
from tests.integration.node.vms.guests import idle_guest
from tests.support.libvirtd import Libvirtd
from tests.unit.node.adapters.hypervisors.libvirt.test_domain_xml import CASES

VALIDATE = 1

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def virsh(libvirtd: Libvirtd) -> Any:
    libvirt = pytest.importorskip("libvirt")
    connection = libvirt.open(libvirtd.uri)
    yield connection
    connection.close()


@pytest.mark.parametrize("case", [case for case in CASES if case.startswith("x86_64")])
def test_libvirts_own_schema_takes_it(virsh: Any, case: str) -> None:
    definition = CASES[case]
    # KVM may be missing here; it is one word.
    text = domain_xml(definition).replace('type="kvm"', 'type="qemu"').replace("host-passthrough", "maximum")
    domain = virsh.defineXMLFlags(text, VALIDATE)
    try:
        assert domain.name() == definition.machine.vm_id
    finally:
        domain.undefineFlags(4)


async def test_a_vm_is_listed_by_its_name_until_it_is_forgotten(
    libvirtd: Libvirtd, virsh: Any, tmp_path: Path
) -> None:
    folders = VmFolderTree.open(tmp_path / "vms")
    make = libvirt_driver(libvirtd)
    rig = Rig(folders=folders, make=make, pid_of=libvirtd.pid_of, driver=make(folders))
    await rig.machine(idle_guest(tmp_path / "idle.raw"))
    assert "vm-1" in [domain.name() for domain in virsh.listAllDomains()]
    await rig.hypervisor.forget("vm-1")
    assert "vm-1" not in [domain.name() for domain in virsh.listAllDomains()]
    await rig.hypervisor.detach()
    folders.close()


async def test_somebody_elses_domain_is_left_alone(libvirtd: Libvirtd, virsh: Any, tmp_path: Path) -> None:
    machine = replace(CASES["x86_64-session-tcg"].machine, vm_id="vm-1")
    theirs = domain_xml(replace(CASES["x86_64-session-tcg"], machine=machine, folder=str(tmp_path)))
    domain = virsh.defineXML(theirs)
    folders = VmFolderTree.open(tmp_path / "vms")
    hypervisor = libvirt_driver(libvirtd)(folders).hypervisor
    try:
        assert await hypervisor.condition("vm-1") is Condition.GONE
        await hypervisor.end("vm-1")
        await hypervisor.forget("vm-1")
        assert virsh.lookupByUUIDString(uuid_of("vm-1")).name() == "vm-1"
    finally:
        domain.undefineFlags(4)
        await hypervisor.detach()
        folders.close()


async def test_a_daemon_that_is_not_there_is_told(tmp_path: Path) -> None:
    pytest.importorskip("libvirt")
    folders = VmFolderTree.open(tmp_path / "vms")
    settings = LibvirtSettings(uri=f"qemu+unix:///system?socket={tmp_path}/none", accelerator="tcg")
    hypervisor = LibvirtHypervisor(folders=folders, settings=settings)
    with pytest.raises(HypervisorMissing, match="does not answer") as refused:
        await hypervisor.condition("vm-1")
    assert "libvirt-daemon-system" in refused.value.remedy
    assert await hypervisor.accelerator() == ""
    folders.close()
