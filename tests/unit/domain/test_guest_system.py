"""Every setting of a guest becomes the item that cloud-init reads, or is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from image_library.domain.cloud_init import Provisioning, identity_of, user_data_document
from image_library.domain.errors import LibraryError
from image_library.domain.guest_system import (
    Growth,
    GuestFile,
    GuestSystem,
    Keyboard,
    Mount,
    PhoneHome,
    Proxy,
)
from image_library.domain.os_info import GuestTraits
from image_library.domain.repositories import MANAGERS, Repository

KEY = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmQENBF\n=abcd\n-----END PGP PUBLIC KEY BLOCK-----\n"
RSA_KEY = "-----BEGIN PUBLIC KEY-----\nMIIBIj\n-----END PUBLIC KEY-----\n"
PEM = "-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n"


def document(system: GuestSystem, manager: str = "apt") -> dict[str, Any]:
    traits = GuestTraits(agent_preinstalled=True, package_manager=manager)
    asked = Provisioning(system=system)
    return user_data_document(identity_of(asked, vm_name="web", image_user="debian", traits=traits))


FULL = GuestSystem(
    locale="de_DE.UTF-8",
    timezone="Europe/Berlin",
    keyboard=Keyboard(layout="de", variant="nodeadkeys"),
    upgrade=True,
    files=(
        GuestFile(path="/etc/app.conf", text="a: b\n", owner="www-data:www-data", permissions="640"),
        GuestFile(path="/bin/x", data=b"\0\xff", append=True),
    ),
    boot_commands=("echo early",),
    growth=Growth.NAMED,
    mounts=(Mount(source="LABEL=data", target="/data", type="xfs"),),
    swap_mib=512,
    ntp_servers=("192.0.2.1", "ntp.example.org"),
    proxy=Proxy(http="http://proxy.example.org:3128", no_proxy=(".example.org", "192.0.2.9")),
    ca_certificates=(PEM + "\n" + PEM,),
    phone_home=PhoneHome(url="https://example.org/here", post=("hostname",)),
    keep_etc_hosts=True,
)


def test_each_setting_is_said() -> None:
    said = document(FULL)
    assert (said["locale"], said["timezone"]) == ("de_DE.UTF-8", "Europe/Berlin")
    assert said["keyboard"] == {"layout": "de", "variant": "nodeadkeys"}
    assert said["package_upgrade"] is True
    assert said["manage_etc_hosts"] is False
    assert said["bootcmd"] == [["sh", "-c", "echo early"]]
    assert said["growpart"] == {"mode": "auto", "devices": ["/"]}
    assert said["mounts"] == [["LABEL=data", "/data", "xfs", "defaults,nofail"]]
    assert said["swap"] == {"filename": "/swapfile", "size": 512 << 20}
    assert said["ntp"] == {"enabled": True, "servers": ["192.0.2.1", "ntp.example.org"]}
    assert said["ca_certs"] == {"trusted": [PEM]}
    assert said["phone_home"] == {"url": "https://example.org/here", "post": ["hostname"], "tries": 10}
    assert said["apt"] == {"http_proxy": "http://proxy.example.org:3128"}
    environment, configuration, binary = said["write_files"]
    assert (
        "HTTP_PROXY=http://proxy.example.org:3128\nno_proxy=example.org,192.0.2.9\n" in environment["content"]
    )
    assert configuration == {
        "path": "/etc/app.conf",
        "content": "a: b\n",
        "permissions": "0640",
        "owner": "www-data:www-data",
        "defer": True,
    }
    assert (binary["encoding"], binary["content"], binary["append"]) == ("b64", "AP8=", True)


def test_the_root_file_system_may_be_among_those_that_grow() -> None:
    said = document(GuestSystem(grow_devices=("/", "/data", "/dev/vdb1")))
    assert said["growpart"] == {"mode": "auto", "devices": ["/", "/data", "/dev/vdb1"]}


@pytest.mark.parametrize("manager", sorted(MANAGERS))
def test_each_package_manager_is_told_of_a_repository_in_its_own_way(manager: str) -> None:
    key = {"apk": RSA_KEY, "pacman": ""}.get(manager, KEY)
    one = Repository(
        id="tools", url="https://example.org/repo", suite="stable" if manager == "apt" else "", key=key
    )
    said = str(document(GuestSystem(repositories=(one,)), manager))
    assert "https://example.org/repo" in said
    assert not key or key.splitlines()[0] in said


def test_apt_checks_a_repository_by_its_own_key() -> None:
    one = Repository(id="tools", url="https://example.org/apt", suite="stable", components=("main",), key=KEY)
    assert document(GuestSystem(repositories=(one,)))["apt"]["sources"] == {
        "tools.list": {"source": "deb [signed-by=$KEY_FILE] https://example.org/apt stable main", "key": KEY}
    }


def test_rpm_signatures_are_always_checked() -> None:
    one = Repository(id="tools", url="https://example.org/rpm", key=KEY)
    for manager, repos in (("dnf", "yum_repos"), ("zypper", "zypper")):
        said = document(GuestSystem(repositories=(one,)), manager)
        assert "'gpgcheck': True" in str(said[repos])
        assert said["write_files"][0]["path"] == "/etc/pki/rpm-gpg/RPM-GPG-KEY-tools"


REPOSITORY = Repository(id="a", url="https://example.org/", suite="s")


@pytest.mark.parametrize(
    "system",
    [
        GuestSystem(locale="de_DE\nx: y"),
        GuestSystem(timezone="../../etc/passwd"),
        GuestSystem(timezone="Europe/"),
        GuestSystem(keyboard=Keyboard(variant="nodeadkeys")),
        GuestSystem(keyboard=Keyboard(layout="d e")),
        GuestSystem(files=(GuestFile(path="etc/x"),)),
        GuestSystem(files=(GuestFile(path="/etc/../x"),)),
        GuestSystem(files=(GuestFile(path="/x", text="a", data=b"b"),)),
        GuestSystem(files=(GuestFile(path="/x", text="\0"),)),
        GuestSystem(files=(GuestFile(path="/x", data=b"x" * (256 * 1024 + 1)),)),
        GuestSystem(files=(GuestFile(path="/x", permissions="rwx"),)),
        GuestSystem(files=(GuestFile(path="/x", owner="a b"),)),
        GuestSystem(files=(GuestFile(path="/x"),) * 257),
        GuestSystem(boot_commands=(" ",)),
        GuestSystem(growth=Growth.OFF, grow_devices=("/",)),
        GuestSystem(mounts=(Mount(source="a b", target="/x"),)),
        GuestSystem(mounts=(Mount(source="/dev/vdb", target="x"),)),
        GuestSystem(ntp_servers=("a b",)),
        GuestSystem(ntp_pools=("fe80::1%eth0",)),
        GuestSystem(proxy=Proxy(http="http://user:pw@proxy:1")),
        GuestSystem(proxy=Proxy(http="http://proxy/path")),
        GuestSystem(proxy=Proxy(https="socks5://proxy")),
        GuestSystem(proxy=Proxy(no_proxy=("a,b",))),
        GuestSystem(ca_certificates=("x",)),
        GuestSystem(ca_certificates=(PEM.replace("MAMC", "MAMD!"),)),
        GuestSystem(ca_certificates=(PEM.replace("MAMCAQE=", "MAMCAQ=="),)),
        GuestSystem(ca_certificates=(PEM + "-----BEGIN PRIVATE KEY-----",)),
        GuestSystem(phone_home=PhoneHome(url="https://a/$(id)")),
        GuestSystem(phone_home=PhoneHome(url="https://a/", post=("password",))),
        GuestSystem(phone_home=PhoneHome(url="https://a/", tries=101)),
        GuestSystem(repositories=(replace(REPOSITORY, id="A B"),)),
        GuestSystem(repositories=(replace(REPOSITORY, url="https://a b/"),)),
        GuestSystem(repositories=(replace(REPOSITORY, suite=""),)),
        GuestSystem(repositories=(replace(REPOSITORY, suite="a b"),)),
        GuestSystem(repositories=(replace(REPOSITORY, components=("a b",)),)),
        GuestSystem(repositories=(replace(REPOSITORY, key="x"),)),
        GuestSystem(repositories=(replace(REPOSITORY, name="a\nb"),)),
        GuestSystem(repositories=(REPOSITORY, REPOSITORY)),
    ],
)
def test_what_cannot_be_used_is_refused(system: GuestSystem) -> None:
    with pytest.raises(LibraryError):
        document(system)


def test_repositories_need_a_package_manager_that_is_known_and_a_proxy_does_not() -> None:
    with pytest.raises(LibraryError, match="package manager"):
        document(GuestSystem(repositories=(REPOSITORY,)), "")
    assert "write_files" in document(GuestSystem(proxy=Proxy(http="http://proxy:3128")), "")
