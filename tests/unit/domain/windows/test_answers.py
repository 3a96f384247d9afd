"""What a Windows guest is told is judged field by field, and the answer file says exactly that."""

from __future__ import annotations

from base64 import b64decode
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from image_library.domain.errors import (
    InvalidCharacter,
    InvalidGuestSetting,
    InvalidHostname,
    InvalidPassword,
    InvalidUser,
    LibraryError,
)
from image_library.domain.secret import Secret
from image_library.domain.windows.answers import WindowsWish, answers_of, computer_name
from image_library.domain.windows.unattend import NAMESPACE, unattend_document
from tests.support.sizes import size

GOLDEN = Path(__file__).parents[3] / "data" / "windows"
FULL = WindowsWish(
    hostname="WEB-1",
    administrator_password=Secret('P@ss "w<o>rd"&'),
    product_key=Secret("aaaaa-bbbbb-ccccc-ddddd-eeeee"),
    domain="example.com",
    domain_user="EXAMPLE\\joiner",
    domain_password=Secret("joins & more"),
    organizational_unit="OU=Servers,DC=example,DC=com",
    locale="de-DE",
    timezone="W. Europe Standard Time",
    first_logon_commands=("winrm quickconfig -quiet", 'powershell -Command "echo <1> & 2"'),
)
JOINED: dict[str, Any] = {"domain": "example.com", "domain_user": "joiner", "domain_password": Secret("p")}


@pytest.mark.parametrize(("name", "wish"), [("full", FULL), ("least", WindowsWish())])
def test_the_whole_answer_file(name: str, wish: WindowsWish) -> None:
    text = unattend_document(answers_of(wish, vm_name="web_1.example.org"), architecture="x86_64")
    assert text == (GOLDEN / f"{name}.xml").read_text()


def test_secrets_are_in_what_is_shown_in_no_form() -> None:
    shown = unattend_document(answers_of(FULL, vm_name="x"), architecture="x86_64", hide_secrets=True)
    for secret in ("P@ss", "AAAAA", "joins", "UABAAHMAcw"):
        assert secret not in shown
    assert shown.count("(hidden)") == 4


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=60)


@settings(max_examples=size(10, 2_000))
@given(texts=st.lists(TEXT, min_size=50, max_size=50))
def test_every_text_reads_back_as_it_was_meant(texts: list[str]) -> None:
    for text in texts:
        wish = WindowsWish(administrator_password=Secret(text), first_logon_commands=(text,), timezone="UTC")
        try:
            answers = answers_of(wish, vm_name="x1")
        except LibraryError:
            # Refused is as good as faithful.
            continue
        root = ET.fromstring(unattend_document(answers, architecture="aarch64"))
        command = root.find(f".//{{{NAMESPACE}}}CommandLine")
        password = root.find(f".//{{{NAMESPACE}}}AdministratorPassword/{{{NAMESPACE}}}Value")
        assert command is not None
        assert command.text == text
        assert password is not None
        assert password.text
        assert b64decode(password.text).decode("utf-16-le") == f"{text}AdministratorPassword"


@pytest.mark.parametrize(
    ("vm_name", "name"),
    [
        ("web", "WEB"),
        ("web_server.example.org", "WEB-SERVER"),
        ("a-very-long-name-of-a-vm", "A-VERY-LONG-NAM"),
        ("twelve-letters--x", "TWELVE-LETTERS"),
        ("2022", "VM-2022"),
    ],
)
def test_a_vms_name_becomes_a_computers(vm_name: str, name: str) -> None:
    assert computer_name(vm_name) == name


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({"hostname": "1234"}, InvalidHostname),
        ({"hostname": "a" * 16}, InvalidHostname),
        ({"hostname": "web_1"}, InvalidHostname),
        ({"administrator_password": Secret("a\nb")}, InvalidPassword),
        ({"administrator_password": Secret("a" * 128)}, InvalidPassword),
        ({"product_key": Secret("AAAAA-BBBBB")}, InvalidGuestSetting),
        ({"domain": "example.com"}, InvalidGuestSetting),
        ({"domain_user": "joiner"}, InvalidGuestSetting),
        ({**JOINED, "domain": "-.com"}, InvalidGuestSetting),
        ({**JOINED, "domain_user": "a:b"}, InvalidUser),
        ({**JOINED, "organizational_unit": "OU=\u202e"}, InvalidCharacter),
        ({"locale": "german"}, InvalidGuestSetting),
        ({"timezone": "Europe/Berlin"}, InvalidGuestSetting),
        ({"first_logon_commands": ("dir",)}, InvalidPassword),
        ({"administrator_password": Secret("p"), "first_logon_commands": (" ",)}, InvalidGuestSetting),
        ({"administrator_password": Secret("p"), "first_logon_commands": ("x",) * 65}, InvalidGuestSetting),
    ],
)
def test_what_cannot_be_used_is_refused(changes: dict[str, Any], refused: type[LibraryError]) -> None:
    with pytest.raises(refused) as told:
        answers_of(WindowsWish(**changes), vm_name="web")
    assert "BBBBB" not in str(told.value)


def test_windows_runs_on_two_kinds_of_processors() -> None:
    with pytest.raises(InvalidGuestSetting, match="riscv64"):
        unattend_document(answers_of(WindowsWish(), vm_name="web"), architecture="riscv64")
