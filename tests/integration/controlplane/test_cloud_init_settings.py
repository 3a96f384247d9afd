"""cloud-init itself takes every setting, for every family of distributions, and reads our config drives."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from image_library.catalog.loader import load_catalog
from image_library.controlplane.adapters.yaml_documents import YamlDocuments
from image_library.controlplane.services.provisioning import Guest, SeedRenderer
from image_library.domain.cloud_init import Provisioning
from image_library.domain.errors import InvalidUserData
from image_library.domain.guest_system import (
    Growth,
    GuestFile,
    GuestSystem,
    Keyboard,
    Mount,
    PhoneHome,
    Proxy,
)
from image_library.domain.guest_users import Privilege, UserWish
from image_library.domain.network_wish import (
    AddressingWish,
    AddressWish,
    BondWish,
    Dhcp,
    NetworkWish,
    NicWish,
    RouteWish,
    VlanWish,
    network_of,
)
from image_library.domain.repositories import Repository
from image_library.domain.secret import Secret
from image_library.domain.vm import Datasource, SeedDocuments
from tests.support.cloud_init_schema import PYTHON, cloud_inits_schema

CATALOG = load_catalog()
HASH = "$6$rounds=5000$saltstring$" + "a" * 86
PGP = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmQENBF\n=abcd\n-----END PGP PUBLIC KEY BLOCK-----\n"
PEM = "-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n"
FAMILIES = ("debian-12", "rocky-9", "opensuse-leap-15.5", "alpine-3.24")

READ_NETWORK = """
import json, logging, sys
logging.disable(logging.CRITICAL)
from cloudinit.sources.helpers.openstack import convert_net_json
macs = {"52:54:00:00:00:01": "ens3", "52:54:00:00:00:02": "ens4"}
print(json.dumps(convert_net_json(json.load(sys.stdin), known_macs=macs)))
"""

PLAIN = NetworkWish()
DRIVE = Datasource.CONFIG_DRIVE


def seed(
    asked: Provisioning,
    image: str = "debian-12",
    network: NetworkWish = PLAIN,
    datasource: Datasource = Datasource.NOCLOUD,
) -> SeedDocuments:
    entry = CATALOG.find(image)
    assert entry is not None
    guest = Guest(
        vm_name="web-1",
        instance_id="i-1",
        image_user=entry.os.default_user,
        traits=entry.traits,
        network=network_of(network, "vm-1"),
        datasource=datasource,
    )
    return SeedRenderer(YamlDocuments()).render(asked, guest).documents


def repository(image: str) -> Repository:
    entry = CATALOG.find(image)
    assert entry is not None
    apt = entry.traits.package_manager == "apt"
    key = "" if entry.traits.package_manager == "apk" else PGP
    return Repository(id="tools", url="https://example.org/r", suite="stable" if apt else "", key=key)


def full(image: str) -> Provisioning:
    return Provisioning(
        users=(
            UserWish(full_name="Ana", password_hash=Secret(HASH), must_change_password=True),
            UserWish(
                name="bob",
                groups=("docker",),
                privilege=Privilege.ADMINISTRATOR,
                ssh_import_ids=("gh:bob",),
            ),
        ),
        ssh_password_login=True,
        packages=("nginx",),
        system=GuestSystem(
            locale="de_DE.UTF-8",
            timezone="Europe/Berlin",
            keyboard=Keyboard(layout="de"),
            upgrade=True,
            repositories=(repository(image),),
            files=(GuestFile(path="/etc/a", text="no\n"), GuestFile(path="/x", data=b"\0", owner="bob")),
            boot_commands=("echo 1",),
            growth=Growth.OFF,
            mounts=(Mount(source="/dev/vdb", target="/data"),),
            swap_mib=64,
            ntp_servers=("ntp.example.org",),
            ntp_pools=("pool.example.org",),
            proxy=Proxy(http="http://p.example.org:3128", https="http://p.example.org:3128"),
            ca_certificates=(PEM,),
            phone_home=PhoneHome(url="https://example.org/"),
        ),
    )


def test_cloud_inits_schema_takes_every_setting_of_every_family() -> None:
    with cloud_inits_schema() as judge:
        assert [judge(seed(full(image), image).user_data) for image in FAMILIES] == ["ok"] * len(FAMILIES)
        assert judge("#cloud-config\nusers: 7\n") != "ok"


NETWORK = NetworkWish(
    nics=(
        NicWish(
            mac_address="52:54:00:00:00:01",
            addressing=AddressingWish(
                addresses=(
                    AddressWish(address="192.0.2.10/24", gateway="192.0.2.1", dns_servers=("192.0.2.53",)),
                    AddressWish(address="2001:db8::10/64", gateway="2001:db8::1"),
                ),
                routes=(RouteWish(to="198.51.100.0/24", via="192.0.2.254", metric=50),),
                search_domains=("example.org",),
                mtu=9000,
            ),
        ),
        NicWish(mac_address="52:54:00:00:00:02", addressing=AddressingWish(dhcp6=Dhcp.ON)),
    ),
    vlans=(VlanWish(id=7, link="eth1", addressing=AddressingWish(dhcp4=Dhcp.OFF)),),
)
BONDED = NetworkWish(
    nics=(NicWish(mac_address="52:54:00:00:00:01"), NicWish(mac_address="52:54:00:00:00:02")),
    bonds=(BondWish(addressing=AddressingWish(addresses=(AddressWish(address="192.0.2.10/24"),))),),
    vlans=(VlanWish(id=9, link="bond0"),),
)


def convert(folder: Path, kind: str, network: str) -> str:
    folder.mkdir(exist_ok=True)
    (folder / "network").write_text(network)
    macs = ["-m", "eth0,52:54:00:00:00:01", "-m", "eth1,52:54:00:00:00:02"]
    given = ["-p", folder / "network", "-k", "yaml", "-d", folder / "out", *macs]
    distribution = "rhel" if kind == "sysconfig" else "debian"
    subprocess.run(
        ["cloud-init", "devel", "net-convert", *given, "-D", distribution, "-O", kind],
        check=True,
        capture_output=True,
    )
    return "\n".join(f.read_text() for f in (folder / "out").rglob("*") if f.is_file())


@pytest.mark.parametrize("kind", ["eni", "netplan", "sysconfig"])
def test_cloud_init_renders_cards_vlans_and_bonds(kind: str, tmp_path: Path) -> None:
    several = convert(tmp_path, kind, seed(Provisioning(), network=NETWORK).network_config)
    wanted = ("192.0.2.10", "2001:db8::10", "198.51.100.0", "192.0.2.254", "example.org", "9000", "eth1.7")
    assert [text for text in wanted if text not in several] == []
    bonded = convert(tmp_path / "bonded", kind, seed(Provisioning(), network=BONDED).network_config)
    assert [text for text in ("bond0", "192.0.2.10", "active-backup", "bond0.9") if text not in bonded] == []


def test_cloud_init_reads_the_network_of_a_config_drive() -> None:
    documents = seed(full("debian-12"), network=NETWORK, datasource=DRIVE)
    read = read_network(documents.network_config)
    cards = {card.get("mac_address"): card for card in read["config"] if card["type"] == "physical"}
    first = cards["52:54:00:00:00:01"]
    assert (first["name"], first["mtu"]) == ("ens3", 9000)
    assert {subnet["type"] for subnet in first["subnets"]} == {"static", "static6"} or {
        subnet["address"] for subnet in first["subnets"]
    } >= {"192.0.2.10", "2001:db8::10"}
    assert "192.0.2.254" in str(first)
    assert "192.0.2.1" in str(first)
    assert any(one["type"] == "vlan" and one["vlan_id"] == 7 for one in read["config"])
    assert any(one["type"] == "nameserver" and "192.0.2.53" in str(one) for one in read["config"])
    bonded = read_network(seed(Provisioning(), network=BONDED, datasource=DRIVE).network_config)
    assert any(one["type"] == "bond" for one in bonded["config"])


def read_network(text: str) -> dict[str, Any]:
    command = [PYTHON, "-c", READ_NETWORK]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_a_config_drive_says_who_the_guest_is() -> None:
    asked = Provisioning(meta_data="local-hostname: mine\nrole: db\n", vendor_data="#!/bin/sh\n")
    documents = seed(asked, datasource=DRIVE)
    assert json.loads(documents.meta_data) == {
        "role": "db",
        "uuid": "i-1",
        "hostname": "mine",
        "name": "web-1",
    }
    assert json.loads(documents.vendor_data) == {"cloud-init": "#!/bin/sh\n"}
    for wrong in (Provisioning(network_config="version: 2\n"), Provisioning(meta_data="a: 2020-01-01\n")):
        with pytest.raises(InvalidUserData):
            seed(wrong, datasource=DRIVE)
