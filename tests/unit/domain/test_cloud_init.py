"""What becomes part of a document is judged, and each distribution gets the document that it needs."""

from __future__ import annotations

import pytest

from image_library.domain.cloud_init import (
    GuestIdentity,
    Provisioning,
    hostname_from,
    identity_of,
    meta_data_document,
    user_data_document,
    with_instance_id,
)
from image_library.domain.errors import InvalidHostname, InvalidSshKey, InvalidUser, InvalidUserData
from image_library.domain.os_info import GuestTraits

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
AGENT = (("systemctl", "enable", "--now", "qemu-guest-agent"),)
DEBIAN = GuestTraits(admin_group="sudo", agent_commands=AGENT)
ROCKY = GuestTraits(agent_preinstalled=True)


def identity(asked: Provisioning, *, user: str = "debian", traits: GuestTraits = DEBIAN) -> GuestIdentity:
    return identity_of(asked, vm_name="web-1", image_user=user, traits=traits)


def test_a_guest_of_which_nothing_is_said_has_its_vms_name_and_its_images_user() -> None:
    assert user_data_document(identity(Provisioning())) == {
        "hostname": "web-1",
        "fqdn": "web-1",
        "manage_etc_hosts": True,
        "users": [
            {
                "name": "debian",
                "groups": ["sudo"],
                "sudo": "ALL=(ALL) NOPASSWD:ALL",
                "shell": "/bin/bash",
                "lock_passwd": True,
            }
        ],
        "ssh_pwauth": False,
        "package_update": True,
        "packages": ["qemu-guest-agent"],
        "runcmd": [["systemctl", "enable", "--now", "qemu-guest-agent"]],
    }


def test_a_host_name_with_dots_is_split_and_the_short_one_is_preferred() -> None:
    document = user_data_document(identity(Provisioning(hostname="db.example.org")))
    assert (document["hostname"], document["fqdn"]) == ("db", "db.example.org")
    assert document["prefer_fqdn_over_hostname"] is False


def test_the_given_user_takes_the_place_of_the_images_own() -> None:
    (user,) = user_data_document(identity(Provisioning(default_user="alice")))["users"]
    assert user["name"] == "alice"


def test_root_gets_keys_and_neither_group_nor_sudo_rule() -> None:
    asked = Provisioning(ssh_authorized_keys=(KEY,))
    document = user_data_document(identity(asked, user="root", traits=GuestTraits()))
    assert document["users"] == [{"name": "root", "lock_passwd": True, "ssh_authorized_keys": [KEY]}]
    assert document["disable_root"] is False


def test_nobody_else_opens_root() -> None:
    assert "disable_root" not in user_data_document(identity(Provisioning()))


def test_an_agent_that_the_image_has_is_not_installed_again() -> None:
    document = user_data_document(identity(Provisioning(packages=("nginx",)), traits=ROCKY))
    assert document["packages"] == ["nginx"]
    assert "runcmd" not in document


def test_an_agent_that_nobody_wants_is_neither_installed_nor_started() -> None:
    document = user_data_document(identity(Provisioning(no_guest_agent=True, packages=("nginx",))))
    assert document["packages"] == ["nginx"]
    assert "runcmd" not in document


def test_sudo_is_installed_where_the_image_has_none() -> None:
    traits = GuestTraits(shell="/bin/ash", sudo_package="sudo")
    assert user_data_document(identity(Provisioning(), traits=traits))["packages"] == [
        "sudo",
        "qemu-guest-agent",
    ]


def test_extra_packages_and_commands_come_after_ours_and_packages_once() -> None:
    asked = Provisioning(packages=("nginx", "qemu-guest-agent"), run_commands=("echo 1 > /x", "id; exit 3"))
    document = user_data_document(identity(asked))
    assert document["packages"] == ["qemu-guest-agent", "nginx"]
    assert document["runcmd"][1:] == [["sh", "-c", "echo 1 > /x"], ["sh", "-c", "id; exit 3"]]


def test_the_same_key_is_given_once_under_its_first_comment() -> None:
    asked = Provisioning(ssh_authorized_keys=(f"{KEY} first", f"  {KEY} second\n"))
    (user,) = user_data_document(identity(asked))["users"]
    assert user["ssh_authorized_keys"] == [f"{KEY} first"]


@pytest.mark.parametrize(
    ("name", "hostname"),
    [
        ("web", "web"),
        ("Web_1", "web-1"),
        ("web.example.org", "web.example.org"),
        ("debian-12.5", "debian-12-5"),
        ("10.0.0.1", "10-0-0-1"),
        ("a-.-b", "a.b"),
        ("x" * 63, "x" * 63),
    ],
)
def test_a_vms_name_becomes_a_host_name(name: str, hostname: str) -> None:
    assert hostname_from(name) == hostname
    guest = identity_of(Provisioning(), vm_name=name, image_user="u", traits=DEBIAN)
    assert guest.hostname == hostname


def test_a_name_of_dashes_makes_no_host_name() -> None:
    with pytest.raises(InvalidHostname, match="give one"):
        hostname_from("_._")


@pytest.mark.parametrize(
    "hostname",
    [
        "-a",
        "a-",
        "a..b",
        "A",
        "a b",
        "a\n",
        "a\nb: c",
        "{{ ds }}",
        "ü",
        "a" * 64,
        ".".join(["a" * 60] * 5),
        ".",
    ],
)
def test_refuses_host_names_that_rfc_1123_does_not_allow(hostname: str) -> None:
    with pytest.raises(InvalidHostname):
        identity(Provisioning(hostname=hostname))


@pytest.mark.parametrize("user", ["1a", "Root", "a b", "a:b", "a\n", "a" * 33, "-x", "ü", "a: b"])
def test_refuses_users_that_linux_would_refuse(user: str) -> None:
    with pytest.raises(InvalidUser):
        identity(Provisioning(default_user=user))


def test_asks_for_a_user_where_the_image_names_none() -> None:
    with pytest.raises(InvalidUser, match="default_user"):
        identity(Provisioning(), user="")


@pytest.mark.parametrize(
    "package", ["", "-y", "--force", "a b", "a;b", "a\n", "$(id)", "a" * 256, "a'b", "ü"]
)
def test_refuses_what_is_no_package_name(package: str) -> None:
    with pytest.raises(InvalidUserData):
        identity(Provisioning(packages=(package,)))


@pytest.mark.parametrize(
    "package", ["nginx", "libstdc++6", "g++", "vim=2:9.0-1~deb12", "@development", "a/b"]
)
def test_takes_package_names_of_every_package_manager(package: str) -> None:
    assert identity(Provisioning(packages=(package,))).packages == (package,)


@pytest.mark.parametrize("command", ["", " \n", "a\0b", "\ud800", "x" * 40000])
def test_refuses_commands_that_cannot_be_run(command: str) -> None:
    with pytest.raises(InvalidUserData) as refused:
        identity(Provisioning(run_commands=(command,)))
    assert refused.value.field == "run_commands"


def test_refuses_endless_lists() -> None:
    with pytest.raises(InvalidUserData, match="at most 256"):
        identity(Provisioning(packages=("a",) * 257))


def test_a_bad_key_is_refused_before_anything_is_rendered() -> None:
    with pytest.raises(InvalidSshKey):
        identity(Provisioning(ssh_authorized_keys=(KEY, "ssh-ed25519 AAAA")))


def test_meta_data_names_the_instance_and_the_host() -> None:
    assert meta_data_document(instance_id="i-1", hostname="web") == {
        "instance-id": "i-1",
        "local-hostname": "web",
    }


def test_an_instance_id_of_the_callers_own_is_kept() -> None:
    assert with_instance_id({"instance-id": "mine", "x": 1}, "i-1") == {"instance-id": "mine", "x": 1}
    assert with_instance_id({"instance-id": None, "x": 1}, "i-1") == {"instance-id": "i-1", "x": 1}


def test_what_may_be_secret_does_not_print() -> None:
    asked = Provisioning(
        user_data="canary", meta_data="canary", network_config="canary", run_commands=("echo canary",)
    )
    assert "canary" not in repr(asked)
    assert "canary" not in repr(identity(asked))
