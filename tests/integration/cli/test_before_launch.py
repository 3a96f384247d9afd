"""``vms preview``, ``vms preflight`` and the files that tell a guest more."""

from __future__ import annotations

from pathlib import Path

import pytest

from image_library.cli.exit_codes import ExitCode
from limiquantix.compute.v1.vm_pb import (
    CloudInitConfig,
    CreateVMRequest,
    Datasource,
    Finding,
    GuestUser,
)
from limiquantix.storage.v1.image_pb import OsInfo
from tests.fakes.server import FakeLibrary
from tests.integration.cli.conftest import Cli

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIH4vS56fV828XNDBytj/p5KZ4eNvGCrPcegW9jdfhJOL me@here"
PROVISIONING = """
locale = "de_DE.UTF-8"
packages = ["htop"]
ssh_password_login = true

[[users]]
name = "bob"
privilege = "ADMINISTRATOR"
password = "canary-1"

[[files]]
path = "/etc/motd"
text = "hello\\n"

[[nics]]
mac_address = "52:54:00:00:00:01"
addressing = { mtu = 1400, ip_configs = [{ address = "192.0.2.10/24", gateway = "192.0.2.1" }] }

[[vlans]]
id = 7
"""


@pytest.fixture
def told(home: Path) -> Path:
    file = home / "guest.toml"
    file.write_text(PROVISIONING)
    return file


def config(request: CreateVMRequest) -> CloudInitConfig:
    assert request.spec
    assert request.spec.provisioning
    assert request.spec.provisioning.method
    value = request.spec.provisioning.method.value
    assert isinstance(value, CloudInitConfig)
    return value


def test_a_file_tells_the_guest_everything_and_no_password_is_sent(
    cli: Cli, library: FakeLibrary, told: Path
) -> None:
    ended = cli("launch", "debian-12", "--ssh-key", KEY, "--provisioning", str(told), "--package", "vim")
    assert ended.code == 0
    request = library.asked(CreateVMRequest)[-1]
    said = config(request)
    assert (said.locale, said.packages, said.ssh_password_login) == ("de_DE.UTF-8", ["htop", "vim"], True)
    (bob,) = said.users
    assert (bob.name, bob.privilege) == ("bob", GuestUser.Privilege.ADMINISTRATOR)
    assert bob.password == ""
    assert bob.password_hash.startswith("$6$rounds=")
    assert said.files[0].path == "/etc/motd"
    spec = request.spec
    assert spec
    assert (spec.nics[0].mac_address, spec.vlans[0].id) == ("52:54:00:00:00:01", 7)
    assert "canary-1" not in ended.out + ended.err


def test_the_users_password_comes_from_a_file(cli: Cli, library: FakeLibrary, home: Path) -> None:
    (home / "password").write_text("canary-2\n")
    ended = cli("vms", "preview", "debian-12", "--password-file", str(home / "password"))
    assert ended.code == 0
    (user,) = config(library.asked(CreateVMRequest)[-1]).users
    assert (user.name, user.password) == ("", "")
    assert user.password_hash.startswith("$6$")


@pytest.mark.parametrize("command", [("vms", "preview"), ("vms", "preflight"), ("launch",)])
def test_how_the_guest_finds_what_it_is_told_is_an_option(
    cli: Cli, library: FakeLibrary, command: tuple[str, ...]
) -> None:
    cli(*command, "debian-12", "--ssh-key", KEY, "--datasource", "nocloud-smbios")
    assert config(library.asked(CreateVMRequest)[-1]).datasource is Datasource.NOCLOUD_SMBIOS
    cli(*command, "debian-12", "--ssh-key", KEY)
    assert config(library.asked(CreateVMRequest)[-1]).datasource is Datasource.UNSPECIFIED


def test_a_preview_prints_each_document_with_its_path_and_makes_nothing(
    cli: Cli, library: FakeLibrary, data_dir: Path
) -> None:
    ended = cli("vms", "preview", "debian-12")
    assert ended.out == "==> user-data <==\n#cloud-config\n\n"
    assert cli("vms", "preview", "debian-12", "--json").document["userData"] == "#cloud-config\n"
    assert library.vms == []
    assert not (data_dir / "ssh" / "id_ed25519").exists()


def test_the_options_of_launch_are_those_of_a_preview(cli: Cli, library: FakeLibrary, home: Path) -> None:
    (home / "own.yaml").write_text("#cloud-config\n")
    options = ["--network", "user", "--network", "bridge:br0", "--firmware", "uefi", "--secure-boot", "--tpm"]
    options += ["--cpus", "4", "--memory", "2G", "--disk", "20G", "--cpu-model", "max"]
    options += ["--devices", "virtio", "--name", "web", "--run", "id"]
    options += ["--ssh-key", KEY, "--user-data", str(home / "own.yaml")]
    for words in (("vms", "preview"), ("vms", "preflight"), ("launch",)):
        assert cli(*words, "debian-12", *options).code == 0, words
    preview, preflight, launch = (request.spec for request in library.asked(CreateVMRequest))
    assert preview
    assert [nic.network_id for nic in preview.nics] == ["", "bridge:br0"]
    assert preview == preflight
    assert launch
    # By then the image is there, and goes by its id.
    launch.disks = preview.disks
    assert launch == preview


def test_a_look_beforehand_lists_what_was_found_and_fails_where_something_is_red(
    cli: Cli, library: FakeLibrary
) -> None:
    library.findings = [
        Finding(
            code="login.nobody", severity=Finding.Severity.WARNING, message="Nobody can log in.", remedy="Do."
        )
    ]
    ended = cli("vms", "preflight", "debian-12")
    assert (ended.code, "amber" in ended.out, "login.nobody" in ended.out) == (0, True, True)
    library.findings.insert(
        0, Finding(code="disk.small", severity=Finding.Severity.BLOCKER, message="Small.")
    )
    ended = cli("vms", "preflight", "debian-12")
    assert ended.code != 0
    assert "1 of the findings is red" in ended.err


def test_several_vms_are_made_with_a_key_of_ours_and_its_warnings_are_told_once(
    cli: Cli, library: FakeLibrary, data_dir: Path
) -> None:
    library.warnings = ("The image is old.",)
    ended = cli("vms", "create", "debian-12", "--name", "web", "--count", "2")
    assert ended.code == 0
    assert ended.out == "web-001: made\nweb-002: made\n"
    assert ended.err.count("The image is old.") == 1
    key = data_dir / "ssh" / "id_ed25519"
    assert f"Made an SSH key: {key}.pub" in ended.err
    assert config(library.asked(CreateVMRequest)[-1]).ssh_authorized_keys == [
        key.with_suffix(".pub").read_text().strip()
    ]
    for vm in library.vms:
        assert (data_dir / "ssh" / "vms" / vm.id / "identity").read_text() == f"{key}\n"


def test_windows_gets_memory_that_it_starts_with(cli: Cli, library: FakeLibrary) -> None:
    (entry,) = library.catalog
    entry.os = OsInfo(family=OsInfo.OsFamily.WINDOWS)
    entry.requirements = None
    assert cli("vms", "preview", entry.id).code == 0
    spec = library.asked(CreateVMRequest)[-1].spec
    assert spec
    assert spec.memory
    assert spec.memory.size_mib == 2048


def test_a_preview_says_that_a_key_would_be_made(cli: Cli, library: FakeLibrary) -> None:
    assert "make one, which is not seen here" in cli("vms", "preview", "debian-12").err
    assert "make one" not in cli("vms", "preview", "debian-12", "--ssh-key", KEY).err


def test_force_goes_on(cli: Cli, library: FakeLibrary) -> None:
    assert cli("launch", "debian-12", "--ssh-key", KEY, "--force").code == 0
    assert library.asked(CreateVMRequest)[-1].force


@pytest.mark.parametrize(
    "text",
    [
        *("= 1", "lokale = 'x'", "locale = 7", "nics = 3", "locale = 2020-01-01", "swap_mib = -1"),
        "[[users]]\nprivilege = 'KING'",
    ],
)
def test_a_file_that_does_not_fit_is_refused(cli: Cli, home: Path, text: str) -> None:
    (home / "bad.toml").write_text(text)
    ended = cli("launch", "debian-12", "--provisioning", str(home / "bad.toml"))
    assert ended.code == ExitCode.INVALID
    assert "bad.toml" in ended.err


def test_a_file_for_windows_that_does_not_fit_has_its_own_guide(cli: Cli, home: Path) -> None:
    (home / "bad.toml").write_text("[sysprep]\nhostnam = 'x'\n")
    ended = cli("launch", "debian-12", "--provisioning", str(home / "bad.toml"))
    assert ended.code == ExitCode.INVALID
    assert "docs/windows.md" in ended.err


@pytest.mark.parametrize(
    ("text", "why"),
    [(b"a = 1\nb = \n", "line 2"), (b"a = '\xff'", "UTF-8"), (b"a = " + b"1" * 5000, "too large")],
)
def test_what_is_wrong_with_toml_and_where_is_said(cli: Cli, home: Path, text: bytes, why: str) -> None:
    (home / "bad.toml").write_bytes(text)
    for words in (("launch", "debian-12", "--provisioning"), ("profiles", "create")):
        ended = cli(*words, str(home / "bad.toml"))
        assert ended.code != 0
        assert why in ended.err


@pytest.mark.parametrize("text", ["parameters = 3", "parameters = [3]", "provisioning = { a = 2020-01-01 }"])
def test_a_profile_that_does_not_fit_is_refused(cli: Cli, home: Path, text: str) -> None:
    (home / "bad.toml").write_text(text)
    ended = cli("profiles", "create", str(home / "bad.toml"))
    assert ended.code == ExitCode.INVALID
    assert "bad.toml' does not fit" in ended.err


def test_files_that_are_not_there_are_named(cli: Cli) -> None:
    for option in ("--provisioning", "--password-file"):
        ended = cli("launch", "debian-12", option, "/nowhere")
        assert ended.code != 0
        assert "/nowhere" in ended.err
