"""What the files of a guest say, and where that is not what is declared."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_library.domain.guest_facts import (
    Difference,
    GuestFacts,
    compare,
    datasources_of,
    default_user_of,
    machine_of,
    merged,
    parse_os_release,
    tidy,
)
from image_library.domain.os_info import OsInfo


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("NAME=debian", "debian"),
        ('NAME="Debian GNU/Linux 12 (bookworm)"', "Debian GNU/Linux 12 (bookworm)"),
        ("NAME='single $HOME'", "single $HOME"),
        (r'NAME="a \"quoted\" word"', 'a "quoted" word'),
        (r'NAME="\$5 \`x\` \\"', r"$5 `x` \ "[:-1]),
        ('NAME=""', ""),
        ("NAME=", ""),
        ("  NAME=spaced  ", "spaced"),
        ("NAME=a=b", "a=b"),
        ('NAME="', '"'),
        ("NAME=first\nNAME=second", "second"),
    ],
)
def test_os_release_is_read_as_a_shell_would(line: str, value: str) -> None:
    assert parse_os_release(line) == {"NAME": value}


@pytest.mark.parametrize("line", ["# NAME=x", "", "NAME", "name=x", "export NAME=x", "=x", "\0\0"])
def test_what_is_no_assignment_is_passed_over(line: str) -> None:
    assert parse_os_release(line) == {}


@given(st.text())
def test_no_os_release_raises(text: str) -> None:
    assert all(name.isascii() for name in parse_os_release(text))


def elf(machine: int, *, bits: int = 2, order: int = 1) -> bytes:
    form = "<HH" if order == 1 else ">HH"
    return b"\x7fELF" + bytes([bits, order, 1]).ljust(12, b"\0") + struct.pack(form, 3, machine)


@pytest.mark.parametrize(
    ("header", "architecture"),
    [
        (elf(62), "x86_64"),
        (elf(183), "aarch64"),
        (elf(21), "ppc64le"),
        (elf(21, order=2), ""),
        (elf(22, order=2), "s390x"),
        (elf(243), "riscv64"),
        (elf(243, bits=1), ""),
        (elf(3, bits=1), ""),
        (elf(40, bits=1), ""),
        (elf(258), ""),
        (b"#!/bin/sh\n" + bytes(20), ""),
        (elf(62)[:19], ""),
        (b"", ""),
    ],
)
def test_a_program_tells_the_machine_it_is_made_for(header: bytes, architecture: str) -> None:
    assert machine_of(header) == architecture


def test_later_configuration_wins_and_mappings_are_merged() -> None:
    base = {"system_info": {"distro": "debian", "default_user": {"name": "debian", "lock": True}}, "a": [1]}
    more = {"system_info": {"default_user": {"name": "cloud"}}, "a": [2, 3]}
    assert merged([base, more]) == {
        "system_info": {"distro": "debian", "default_user": {"name": "cloud", "lock": True}},
        "a": [2, 3],
    }


@pytest.mark.parametrize(
    ("config", "user"),
    [
        ({"system_info": {"default_user": {"name": "rocky"}}}, "rocky"),
        ({"users": ["default"], "system_info": {"default_user": {"name": "ubuntu"}}}, "ubuntu"),
        ({"users": ["root"], "system_info": {"default_user": {"name": "opensuse"}}}, "root"),
        ({"users": [{"name": "admin"}, "other"]}, "admin"),
        ({"users": []}, ""),
        ({"users": [7]}, ""),
        ({"system_info": "x"}, ""),
        ({"system_info": {"default_user": {"name": 5}}}, ""),
        ({}, ""),
    ],
)
def test_the_default_user_is_whom_cloud_init_would_make(config: dict[str, object], user: str) -> None:
    assert default_user_of(config) == user


def test_datasources_keep_their_order_and_nothing_else_counts() -> None:
    assert datasources_of({"datasource_list": ["NoCloud", None, "ConfigDrive", 3]}) == (
        "NoCloud",
        "ConfigDrive",
    )
    assert datasources_of({"datasource_list": "NoCloud"}) == ()


FOUND = GuestFacts(
    distribution="rocky",
    version="9.4",
    architecture="x86_64",
    default_user="rocky",
    cloud_init=True,
    read=True,
)
DECLARED = OsInfo(
    distribution="rocky",
    version="9",
    architecture="x86_64",
    default_user="rocky",
    cloud_init_enabled=True,
)


def test_an_image_that_is_what_it_should_be_has_no_differences() -> None:
    assert compare(DECLARED, FOUND) == ()


def test_a_wrong_default_user_is_told_in_a_sentence_with_what_to_do() -> None:
    declared = OsInfo(default_user="cloud-user")
    assert compare(declared, FOUND) == (
        Difference(
            field="default_user",
            declared="cloud-user",
            found="rocky",
            message=(
                "Log in as 'rocky', not as 'cloud-user': that is the user whom the image's cloud-init makes; "
                "correct its default user."
            ),
        ),
    )


def test_all_that_can_differ_is_compared() -> None:
    declared = OsInfo(distribution="debian", version="12", architecture="aarch64", default_user="debian")
    assert [d.field for d in compare(declared, FOUND)] == [
        "distribution",
        "version",
        "architecture",
        "default_user",
    ]


def test_promised_cloud_init_that_is_not_there_is_told() -> None:
    (difference,) = compare(OsInfo(cloud_init_enabled=True), GuestFacts(read=True))
    assert (difference.field, difference.declared, difference.found) == ("cloud_init_enabled", "yes", "no")


@pytest.mark.parametrize(
    ("declared", "found"),
    [
        (("opensuse", "15.6"), ("opensuse-leap", "15.6")),
        (("opensuse", "tumbleweed"), ("opensuse-tumbleweed", "20260901")),
        (("oraclelinux", "9"), ("ol", "9.4")),
        (("amazonlinux", "2023"), ("amzn", "2023")),
        (("alpine", "3.20"), ("alpine", "3.20.1")),
        (("debian", "sid"), ("debian", "")),
        (("arch", ""), ("arch", "20260901.1")),
    ],
)
def test_names_and_releases_are_compared_as_they_are_meant(
    declared: tuple[str, str], found: tuple[str, str]
) -> None:
    facts = GuestFacts(distribution=found[0], version=found[1], read=True)
    assert compare(OsInfo(distribution=declared[0], version=declared[1]), facts) == ()


@pytest.mark.parametrize("version", ["9", "3.2", "3.200"])
def test_a_release_that_only_begins_alike_is_another(version: str) -> None:
    facts = GuestFacts(version="3.20.1", read=True)
    assert [d.field for d in compare(OsInfo(version=version), facts)] == ["version"]


def test_what_could_not_be_read_differs_from_nothing() -> None:
    assert compare(DECLARED, GuestFacts(reason="It holds NTFS, which is not read.")) == ()


def test_text_out_of_an_image_can_do_nothing_to_a_terminal() -> None:
    assert tidy("a\x1b[2J\n  b\u202e") == "a\\u001b[2J b\\u202e"
    assert len(tidy("x" * 1000)) == 200
