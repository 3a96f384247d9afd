"""What is told of a VM beforehand, one case a finding."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from image_library.domain.cloud_init import Provisioning, identity_of
from image_library.domain.guest_facts import GuestFacts
from image_library.domain.guest_system import GuestSystem
from image_library.domain.guest_users import UserWish
from image_library.domain.image import Requirements
from image_library.domain.network_wish import (
    AddressingWish,
    AddressWish,
    NetworkWish,
    NicWish,
    RouteWish,
    network_of,
)
from image_library.domain.os_info import GuestTraits, OsFamily, OsInfo, ProvisioningMethod
from image_library.domain.preflight import Problem, Severity, Subject, look
from image_library.domain.processors import CpuModel
from image_library.domain.secret import Secret
from image_library.domain.trust import TrustLevel
from image_library.domain.vm import Datasource
from image_library.domain.windows.answers import WindowsWish

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
HASH = Secret("$6$rounds=5000$saltstring$" + "a" * 86)
TRAITS = GuestTraits(agent_preinstalled=True)
RED, AMBER, GREEN = Severity.RED, Severity.AMBER, Severity.GREEN


EL9 = OsInfo(distribution="rocky", version="9.4", architecture="x86_64")
EL10 = replace(EL9, version="10")
BASIC, UEFI, TPM = frozenset({"basic"}), frozenset({"basic", "uefi"}), frozenset({"basic", "tpm"})


def subject(asked: Provisioning | None = None, **changes: Any) -> Subject:
    wanted = asked or Provisioning(ssh_authorized_keys=(KEY,))
    raw = bool(wanted.user_data) and not wanted.has_fields
    identity = None if raw else identity_of(wanted, vm_name="web", image_user="debian", traits=TRAITS)
    plain = Subject(
        asked=wanted,
        identity=identity,
        network=network_of(NetworkWish(), "vm-1"),
        image_name="debian-12",
        os=OsInfo(distribution="debian", architecture="x86_64"),
        traits=TRAITS,
        needs=Requirements(min_memory_mib=512, min_disk_gib=3),
        trust=TrustLevel.CHECKSUM,
        today=date(2026, 11, 26),
        virtual_size_bytes=3 << 30,
        memory_mib=1024,
        firmware="bios",
    )
    return replace(plain, **changes)


def network(*nics: AddressingWish) -> Any:
    return network_of(NetworkWish(nics=tuple(NicWish(addressing=nic) for nic in nics)), "vm-1")


def static(address: str, gateway: str = "") -> AddressingWish:
    return AddressingWish(addresses=(AddressWish(address=address, gateway=gateway),))


def test_a_vm_that_will_come_up_is_all_green() -> None:
    found = look(subject())
    assert {finding.severity for finding in found} == {GREEN}
    assert len(found) >= 7


@pytest.mark.parametrize("nodes", [(), (BASIC, UEFI | TPM)])
def test_one_node_that_has_all_of_it_is_enough_and_nodes_that_say_nothing_are_not_doubted(
    nodes: tuple[frozenset[str], ...],
) -> None:
    found = look(subject(firmware="uefi", tpm=True, node_capabilities=nodes))
    assert {finding.severity for finding in found} == {GREEN}


RAW = Provisioning(user_data="#cloud-config\n{}\n")
V2: dict[str, Any] = {"version": 2, "ethernets": {}}
OWN_MAC = subject().network.cards[0].mac_address
CARD = {"match": {"macaddress": OWN_MAC.upper()}, "addresses": ["192.0.2.10/24"]}

WITH_GATEWAY = {**CARD, "gateway4": "192.0.2.1"}


@pytest.mark.parametrize(
    ("seen", "code", "severity"),
    [
        (subject(Provisioning(user_data="{}")), "user_data.kind", AMBER),
        (subject(RAW, problems=(Problem(path="users.0", what="is wrong"),)), "user_data.schema", RED),
        (subject(RAW, problems=(Problem(path="x", what="?", doubtful=True),)), "user_data.schema", AMBER),
        (subject(RAW, configs=({"password": "x"},)), "user_data.plain_password", AMBER),
        (subject(RAW, configs=({"users": [{"plain_text_passwd": "x"}]},)), "user_data.plain_password", AMBER),
        (subject(RAW, configs=({"chpasswd": {"list": "root:x\nana:R"}},)), "user_data.plain_password", AMBER),
        (
            subject(RAW, configs=({"chpasswd": {"users": [{"password": "x"}]}},)),
            "user_data.plain_password",
            AMBER,
        ),
        (subject(RAW, configs=({"password": "x"},)), "login.console_only", AMBER),
        (subject(RAW, configs=({"password": "x", "ssh_pwauth": "yes"},)), "login.ssh", GREEN),
        (subject(RAW, configs=({"password": "x", "ssh_pwauth": False},)), "login.console_only", AMBER),
        (subject(RAW, configs=({"chpasswd": {"list": ["root:x"]}},)), "login.console_only", AMBER),
        (subject(RAW, configs=({"chpasswd": {"users": [{"type": "RANDOM"}]}},)), "login.console_only", AMBER),
        (
            subject(RAW, configs=({"users": [{"passwd": "$6$x$y", "lock_passwd": False}]},)),
            "login.console_only",
            AMBER,
        ),
        (subject(RAW, configs=({"users": [{"passwd": "$6$x$y"}]},)), "login.nobody", AMBER),
        (subject(Provisioning(hostname="web")), "login.nobody", AMBER),
        (subject(Provisioning(users=(UserWish(password_hash=HASH),))), "login.console_only", AMBER),
        (
            subject(Provisioning(users=(UserWish(password_hash=HASH),), ssh_password_login=True)),
            "login.ssh",
            GREEN,
        ),
        (subject(RAW, configs=({"users": [{"ssh_import_id": ["gh:x"]}]},)), "login.ssh", GREEN),
        (subject(RAW, configs=({"ssh_authorized_keys": ["x"]},)), "login.ssh", GREEN),
        (subject(RAW, configs=({"packages": []},)), "login.nobody", AMBER),
        (subject(Provisioning(user_data="#!/bin/sh\n")), "login.unknown", AMBER),
        (subject(Provisioning(users=(UserWish(ssh_import_ids=("gh:x",)),))), "login.import", AMBER),
        (
            subject(Provisioning(system=GuestSystem(timezone="Mars/Base")), timezones=frozenset({"UTC"})),
            "timezone.unknown",
            AMBER,
        ),
        (subject(found=GuestFacts(read=True)), "cloud_init.missing", RED),
        (
            subject(os=OsInfo(provisioning_method=ProvisioningMethod.IGNITION)),
            "cloud_init.missing",
            AMBER,
        ),
        (
            subject(found=GuestFacts(read=True, cloud_init=True, datasources=("Ec2",))),
            "cloud_init.datasource",
            RED,
        ),
        (subject(disk_gib=2), "disk.too_small", RED),
        (subject(disk_gib=3, needs=Requirements(min_disk_gib=4)), "disk.small", AMBER),
        (subject(memory_mib=256), "memory.small", AMBER),
        (subject(found=GuestFacts(firmware=("uefi",))), "firmware.unfit", RED),
        (subject(found=GuestFacts(firmware=("bios",)), firmware="uefi_secure_boot"), "firmware.unfit", RED),
        (subject(found=GuestFacts(firmware=("uefi",)), firmware="uefi_secure_boot"), "firmware.sound", GREEN),
        (subject(firmware="uefi", node_capabilities=(BASIC,)), "firmware.missing", RED),
        (subject(firmware="uefi_secure_boot", node_capabilities=(UEFI,)), "secure_boot.missing", RED),
        (subject(tpm=True, node_capabilities=(BASIC, UEFI)), "tpm.missing", RED),
        (subject(firmware="uefi", tpm=True, node_capabilities=(UEFI, TPM)), "tpm.missing", RED),
        (subject(bridges=("br0",), node_capabilities=(BASIC,)), "bridge.missing", RED),
        (subject(bridges=("br0",)), "network.bridged", GREEN),
        (subject(cpu_model=CpuModel.HOST, node_accelerators=frozenset({"tcg"})), "cpu.missing", RED),
        (
            subject(os=EL9, cpu_model=CpuModel.HOST, node_accelerators=frozenset({"tcg", "kvm"})),
            "cpu.sound",
            GREEN,
        ),
        (subject(os=EL9, cpu_model=CpuModel.V2), "cpu.sound", GREEN),
        (subject(os=EL10, cpu_model=CpuModel.V2), "cpu.unfit", RED),
        (subject(os=EL10, node_capabilities=(BASIC | {"x86-64-v1", "x86-64-v2"},)), "cpu.missing", RED),
        (subject(os=OsInfo(family=OsFamily.WINDOWS)), "windows.drivers", AMBER),
        (subject(node_architectures=frozenset({"aarch64"})), "architecture.unfit", RED),
        (subject(RAW, traits=GuestTraits()), "agent.missing", AMBER),
        (subject(traits=GuestTraits()), "agent.installed", GREEN),
        (subject(Provisioning(no_guest_agent=True), traits=GuestTraits()), "agent.left_out", GREEN),
        (subject(support_ends=date(2026, 11, 25)), "support.ended", AMBER),
        (subject(trust=TrustLevel.UNVERIFIED), "trust.unverified", AMBER),
        (subject(warnings=("It is declared as x.",)), "image.differs", AMBER),
        (
            subject(network=network(static("192.0.2.10/24"), static("192.0.2.11/24"))),
            "network.overlap",
            AMBER,
        ),
        (
            subject(network=network(static("192.0.2.10/24", "192.0.2.1"), static("10.0.0.2/8", "10.0.0.1"))),
            "network.gateways",
            AMBER,
        ),
        (
            subject(
                network=network(
                    replace(static("192.0.2.10/24"), routes=(RouteWish(to="10.0.0.0/8", via="172.16.0.1"),))
                )
            ),
            "network.gateway",
            RED,
        ),
        (
            subject(
                network_config={
                    **V2,
                    "ethernets": {"a": {"match": {"macaddress": "52:54:00:ff:ff:ff"}}},
                }
            ),
            "network.unknown_mac",
            RED,
        ),
        (
            subject(network_config={**V2, "ethernets": {"a": {**CARD, "gateway4": "198.51.100.1"}}}),
            "network.gateway",
            RED,
        ),
        (
            subject(network_config={**V2, "ethernets": {"a": CARD, "b": {"addresses": ["192.0.2.10/24"]}}}),
            "network.address_twice",
            RED,
        ),
        (
            subject(
                network_config={"network": {**V2, "ethernets": {"a": {**CARD, "gateway4": "192.0.2.1"}}}}
            ),
            "network.sound",
            GREEN,
        ),
        (subject(network_config={"version": 1, "config": "odd"}), "network.sound", GREEN),
        (subject(network_config={"version": 2, "ethernets": ["odd"]}), "network.sound", GREEN),
    ],
)
def test_each_thing_is_found(seen: Subject, code: str, severity: Severity) -> None:
    found = look(seen)
    assert (severity, code) in {(finding.severity, finding.code) for finding in found}
    assert [f.severity for f in found] == sorted((f.severity for f in found), key=[RED, AMBER, GREEN].index)
    assert all(finding.fix for finding in found if finding.severity is not GREEN)


def test_what_is_too_little_for_windows_is_not_enough_as_well() -> None:
    found = look(subject(os=WINDOWS, windows=PASSWORD, memory_mib=1024))
    assert [finding.code for finding in found if "memory" in finding.code] == ["windows.memory"]


WINDOWS = OsInfo(family=OsFamily.WINDOWS, provisioning_method=ProvisioningMethod.SYSPREP)
PASSWORD = WindowsWish(administrator_password=Secret("p"))


@pytest.mark.parametrize(
    ("os", "asked", "memory_mib", "found"),
    [
        (WINDOWS, PASSWORD, 2048, {"windows.setup": GREEN, "login.administrator": GREEN}),
        (WINDOWS, PASSWORD, 1024, {"windows.memory": AMBER}),
        (WINDOWS, WindowsWish(), 2048, {"login.nobody": AMBER}),
        (WINDOWS, WindowsWish(unattend_xml="<unattend/>"), 2048, {"login.unknown": AMBER}),
        (OsInfo(family=OsFamily.LINUX), PASSWORD, 2048, {"windows.image": RED}),
        (OsInfo(), PASSWORD, 2048, {"windows.method": AMBER}),
        (
            replace(WINDOWS, provisioning_method=ProvisioningMethod.CLOUD_INIT),
            PASSWORD,
            2048,
            {"windows.method": RED},
        ),
    ],
)
def test_windows_is_told_by_setup(
    os: OsInfo, asked: WindowsWish, memory_mib: int, found: dict[str, Severity]
) -> None:
    findings = look(subject(Provisioning(), os=os, windows=asked, memory_mib=memory_mib))
    seen = {finding.code: finding.severity for finding in findings}
    assert found.items() <= seen.items()
    assert "cloud_init.missing" not in seen


SMBIOS = Datasource.NOCLOUD_SMBIOS
DOOR, BRIDGE_DOOR = frozenset({"basic", "door"}), frozenset({"basic", "bridge:br0", "bridge_door"})


def served(asked: Provisioning | None = None, **changes: Any) -> Subject:
    return subject(asked, datasource=SMBIOS, **changes)


@pytest.mark.parametrize(
    ("seen", "code", "severity"),
    [
        (served(), "datasource.served", GREEN),
        (served(node_capabilities=(DOOR,)), "datasource.served", GREEN),
        (served(node_capabilities=(BASIC,)), "door.missing", RED),
        (served(node_capabilities=(DOOR | {"bridge:br0"},), bridges=("br0",)), "door.missing", RED),
        (served(node_capabilities=(BRIDGE_DOOR,), bridges=("br0",)), "datasource.readable", AMBER),
        (served(network=network(static("192.0.2.10/24"))), "datasource.network", RED),
        (served(network=network(AddressingWish(mtu=9000))), "datasource.network", AMBER),
        (served(network=network(AddressingWish(), AddressingWish())), "datasource.network", AMBER),
        (served(Provisioning(network_config="version: 2\n")), "datasource.network", AMBER),
        (
            served(found=GuestFacts(read=True, cloud_init=True, datasources=("Ec2",))),
            "cloud_init.datasource",
            RED,
        ),
        (
            served(found=GuestFacts(read=True, cloud_init=True, datasources=("ConfigDrive",))),
            "cloud_init.datasource",
            RED,
        ),
        (served(os=OsInfo(family=OsFamily.WINDOWS)), "datasource.windows", RED),
        (served(Provisioning(vendor_data="#!/bin/sh\n")), "datasource.kept", AMBER),
        (served(Provisioning(user_data="#cloud-config\nphone_home: {}\n")), "datasource.kept", AMBER),
    ],
)
def test_a_guest_without_a_disk_of_documents_has_to_get_to_its_door(
    seen: Subject, code: str, severity: Severity
) -> None:
    assert (code, severity) in {(finding.code, finding.severity) for finding in look(seen)}


def test_an_image_that_reads_no_disk_is_told_of_the_other_way() -> None:
    found = GuestFacts(read=True, cloud_init=True, datasources=("Ec2",))
    (one,) = [f for f in look(subject(found=found)) if f.code == "cloud_init.datasource"]
    assert "NOCLOUD_SMBIOS" in one.fix
