"""What is libvirt's alone: its schema, other people's domains, a daemon that is not there."""

# Small files, and nobody else waits for the loop.
from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from image_library.domain.errors import HypervisorMissing
from image_library.domain.machine import Condition
from image_library.node.adapters.hypervisors.libvirt.domain_xml import domain_xml, uuid_of
from image_library.node.adapters.hypervisors.libvirt.driver import (
    UNCONFINED,
    LibvirtHypervisor,
    LibvirtSettings,
    security_models,
)
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


def test_a_users_own_session_runs_vms() -> None:
    if find_spec("libvirt") is None or shutil.which("libvirtd", path="/usr/sbin:/usr/bin") is None:
        pytest.skip("libvirt is not installed: apt-get install libvirt-daemon-system")
    # Somebody who is not root, whose files are the test's own. Sockets' paths may not be long.
    as_user = ("unshare", "--user", "--map-user=1000", "--map-group=1000")
    if os.geteuid() != 0:
        as_user = ()
    elif subprocess.run([*as_user, "true"], capture_output=True).returncode:
        pytest.skip("There are no user namespaces here.")
    with TemporaryDirectory(prefix="lv") as root:
        places = {f"XDG_{name}": f"{root}/{name.lower()}" for name in ("CONFIG_HOME", "CACHE_HOME")}
        runtime = Path(root, "run")
        runtime.mkdir(mode=0o700)
        environment = {**os.environ, **places, "HOME": root, "XDG_RUNTIME_DIR": str(runtime)}
        environment["PYTHONPATH"] = os.pathsep.join(("src", "."))
        command = (*as_user, sys.executable, "-m", "tests.support.session_vm", root)
        said = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert said.returncode == 0, said.stderr
    told = json.loads(said.stdout.splitlines()[-1])
    assert told["user"] != 0
    assert (told["running"], told["gone"], told["port"] > 0) == (True, True, True)


async def test_guests_have_doors_where_libvirt_confines_no_qemu(libvirtd: Libvirtd) -> None:
    with TemporaryDirectory() as short:
        for root, has in ((Path(short), True), (Path(short) / ("x" * 100), False)):
            folders = VmFolderTree.open(root)
            hypervisor = libvirt_driver(libvirtd)(folders).hypervisor
            # A socket's path may not be longer than the kernel takes.
            assert await hypervisor.has_doors() is has
            await hypervisor.detach()
            folders.close()


async def test_without_a_daemon_there_are_no_doors(tmp_path: Path) -> None:
    folders = VmFolderTree.open(tmp_path)
    settings = LibvirtSettings(uri=f"qemu+unix:///system?socket={tmp_path}/none")
    assert not await LibvirtHypervisor(folders=folders, settings=settings).has_doors()
    folders.close()


@pytest.mark.parametrize(("model", "confined"), [("apparmor", True), ("selinux", True), ("none", False)])
def test_who_confines_qemu_is_read_from_libvirts_own_words(model: str, confined: bool) -> None:
    told = f"""<capabilities><host><cpu><model>EPYC</model></cpu>
      <secmodel><model>{model}</model><doi>0</doi></secmodel>
      <secmodel><model>dac</model><doi>0</doi></secmodel></host></capabilities>"""
    assert (not security_models(told) <= UNCONFINED) is confined
