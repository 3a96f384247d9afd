"""VMs on a bridge, by each driver, in a network of the test's own: what they send comes out there."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Generator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from qemu.qmp import QMPClient

from image_library.domain.errors import BridgeDenied, BridgeMissing, HypervisorFailed
from image_library.domain.machine import Condition, mac_for
from image_library.node.adapters.hypervisors.host_bridges import is_bridge
from image_library.node.adapters.hypervisors.libvirt.domain_xml import uuid_of
from image_library.node.adapters.hypervisors.libvirt.driver import LibvirtHypervisor
from image_library.node.adapters.hypervisors.libvirt.library import Connection
from image_library.node.adapters.hypervisors.libvirt.session import qemu_binding
from image_library.node.adapters.hypervisors.qemu import places
from image_library.node.adapters.hypervisors.qemu.taps import tap_by_helper, tap_name
from image_library.node.adapters.vm_folders import VmFolderTree
from tests.integration.node.hypervisors.rig import Rig, libvirt_driver, qemu_driver
from tests.integration.node.vms.guests import idle_guest
from tests.support.libvirtd import Libvirtd, libvirtd_or_skip
from tests.support.network_space import (
    bridge_or_skip,
    frame_from,
    ip,
    listening_on,
    own_network_or_skip,
    ports_of,
)

NONE = frozenset[int]()
SECONDS = 60.0
BRIDGE = "br-vms0"
# qemu itself speaks for each of its cards: no guest needs to be up.
ANNOUNCE = {"initial": 50, "max": 500, "rounds": 50, "step": 50}

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(params=["qemu", "libvirt"])
async def rig(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rig]:
    """Each driver in turn; the one bridge that there is may be used, as may one that there is not."""
    allowed, folders = (BRIDGE, "br-none", "lo"), VmFolderTree.open(tmp_path / "vms")
    with own_network_or_skip(), _daemon(request.param, tmp_path / "libvirt") as daemon:
        bridge_or_skip(BRIDGE)
        if daemon is not None:
            make, pid_of = libvirt_driver(daemon, allowed), daemon.pid_of
        else:
            make = partial(qemu_driver, bridges=allowed)
            pid_of = partial(_qemu_pid, tmp_path / "vms")
        hypervisor, window = make(folders)
        made = Rig(folders=folders, make=make, pid_of=pid_of, hypervisor=hypervisor, window=window)
        yield made
        for vm_id in await folders.listed():
            await made.hypervisor.end(vm_id)
            await made.hypervisor.forget(vm_id)
        await made.hypervisor.detach()
        folders.close()


@contextmanager
def _daemon(driver: str, root: Path) -> Generator[Libvirtd | None]:
    if driver == "qemu":
        with nullcontext():
            yield None
        return
    # In the test's network, as the bridge is.
    yield from libvirtd_or_skip(root)


def _qemu_pid(vms: Path, vm_id: str) -> int:
    return int((vms / vm_id / "qemu.pid").read_text())


async def announce(rig: Rig) -> None:
    if isinstance(rig.hypervisor, LibvirtHypervisor):
        await rig.hypervisor.session.run(_announce_by_libvirt)
        return
    await rig.hypervisor.detach()
    client = QMPClient()
    with places.opened(rig.folders.path("vm-1")) as folder:
        await client.connect(places.connected(folder, places.MONITOR))
    await client.execute("announce-self", ANNOUNCE)
    await client.disconnect()


def _announce_by_libvirt(connection: Connection) -> None:
    binding: Any = qemu_binding()
    command = json.dumps({"execute": "announce-self", "arguments": ANNOUNCE})
    binding.qemuMonitorCommand(connection.lookupByUUIDString(uuid_of("vm-1")), command, 0)


async def no_ports() -> None:
    async with asyncio.timeout(SECONDS):
        # The kernel tells nobody of this namespace's when a port is gone.
        while ports_of(BRIDGE):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_what_a_card_sends_comes_out_on_its_bridge(rig: Rig, tmp_path: Path) -> None:
    machine = await rig.machine(idle_guest(tmp_path / "idle.raw"), bridges=(BRIDGE,))
    with listening_on(BRIDGE) as listener:
        # No port is forwarded: it has an address of its own.
        assert await rig.hypervisor.start(machine, avoid_ports=NONE) == 0
        [port] = ports_of(BRIDGE)
        assert len(port) <= 15
        await announce(rig)
        frame = await asyncio.to_thread(frame_from, listener, mac_for("vm-1"), seconds=SECONDS)
    assert frame is not None
    await rig.hypervisor.end("vm-1")
    await no_ports()


async def test_nothing_is_left_on_the_bridge_when_qemu_is_killed(rig: Rig, tmp_path: Path) -> None:
    machine = await rig.machine(idle_guest(tmp_path / "idle.raw"), bridges=("", BRIDGE), **_two_cards())
    # The first card that is on no bridge still takes SSH.
    assert await rig.hypervisor.start(machine, avoid_ports=NONE) > 0
    assert len(ports_of(BRIDGE)) == 1
    os.kill(rig.pid_of("vm-1"), signal.SIGKILL)
    async with asyncio.timeout(SECONDS):
        assert await rig.hypervisor.changed("vm-1", Condition.RUNNING) is Condition.GONE
    await no_ports()
    await rig.restarted()
    await rig.hypervisor.start(machine, avoid_ports=NONE)
    assert len(ports_of(BRIDGE)) == 1


async def test_a_bridge_that_is_not_allowed_or_not_there_is_told(rig: Rig, tmp_path: Path) -> None:
    ip("link", "add", "br-other", "type", "bridge")
    assert f"bridge:{BRIDGE}" in await rig.hypervisor.capabilities()
    assert not {"bridge:br-none", "bridge:br-other"} & set(await rig.hypervisor.capabilities())
    image = idle_guest(tmp_path / "idle.raw")
    with pytest.raises(BridgeDenied, match="br-other") as denied:
        await rig.machine(image, bridges=("br-other",))
    assert "settings.toml" in denied.value.remedy
    with pytest.raises(BridgeMissing, match="br-none"):
        await rig.machine(image, bridges=("br-none",))
    # What was there when the VM was made may be gone when it starts.
    machine = await rig.machine(image, bridges=(BRIDGE,))
    ip("link", "delete", BRIDGE)
    with pytest.raises(BridgeMissing):
        await rig.hypervisor.start(machine, avoid_ports=NONE)


async def test_a_device_that_is_no_bridge_is_none(rig: Rig, tmp_path: Path) -> None:
    assert (is_bridge(BRIDGE), is_bridge("lo")) == (True, False)
    with pytest.raises(BridgeMissing):
        await rig.machine(idle_guest(tmp_path / "idle.raw"), bridges=("lo",))


@pytest.fixture
def helper(tmp_path: Path) -> Generator[str]:
    """qemu's own, which lets users onto one bridge: its rules are in a place of the test's."""
    real = Path("/usr/lib/qemu/qemu-bridge-helper")
    if not real.exists():
        pytest.skip("qemu-bridge-helper is not installed: apt-get install qemu-system-common")
    (tmp_path / "bridge.conf").write_text(f"allow {BRIDGE}\n")
    script = tmp_path / "qemu-bridge-helper"
    rules = f'mount -t tmpfs none /etc && mkdir /etc/qemu && cp "{tmp_path}/bridge.conf" /etc/qemu'
    inside = f'{rules} && exec {real} "$@"'
    script.write_text(f"#!/bin/sh\nexec unshare -m sh -c '{inside}' helper \"$@\"\n")
    script.chmod(0o755)
    with own_network_or_skip():
        bridge_or_skip(BRIDGE)
        yield str(script)


async def test_without_rights_of_its_own_a_node_has_qemus_helper(helper: str) -> None:
    tap = await tap_by_helper(BRIDGE, helper)
    assert len(ports_of(BRIDGE)) == 1
    os.close(tap)
    await no_ports()
    ip("link", "add", "br-other", "type", "bridge")
    with pytest.raises(HypervisorFailed, match="br-other") as refused:
        await tap_by_helper("br-other", helper)
    assert "bridge.conf" in refused.value.remedy
    with pytest.raises(BridgeMissing, match="may not put"):
        await tap_by_helper(BRIDGE, "")


def test_names_of_taps_are_short_and_differ() -> None:
    names = {tap_name(vm_id, number) for vm_id in ("a" * 64, "b" * 64) for number in range(8)}
    assert len(names) == 16
    assert all(len(name) <= 15 for name in names)


def _two_cards() -> dict[str, Any]:
    return {"more_mac_addresses": (mac_for("vm-1/1"),)}
