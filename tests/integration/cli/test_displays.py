"""``vms screenshot`` and ``vms display``: what they write, and what they refuse before they ask anybody."""

from __future__ import annotations

from pathlib import Path

import pytest

from limiquantix.compute.v1.vm_pb import GetScreenshotRequest, VirtualMachine
from tests.fakes.server import FakeLibrary
from tests.integration.cli.conftest import Cli


@pytest.fixture
def vm(library: FakeLibrary) -> VirtualMachine:
    made = VirtualMachine(id="vm-1", name="web")
    library.vms.append(made)
    return made


def test_a_screenshot_is_named_after_its_vm(
    cli: Cli, vm: VirtualMachine, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)
    told = cli("vms", "screenshot", "web", "--json").document
    assert told == {
        "vm": {"id": "vm-1", "name": "web"},
        "file": "web.png",
        "contentType": "image/png",
        "width": 2,
        "height": 1,
    }
    assert (home / "web.png").read_bytes() == b"png"


def test_a_file_that_is_there_stays_unless_it_may_go(
    cli: Cli, library: FakeLibrary, vm: VirtualMachine, home: Path
) -> None:
    picture = home / "mine.png"
    picture.write_text("mine")
    refused = cli("vms", "screenshot", "web", str(picture))
    assert (refused.code, "--force" in refused.err) == (2, True)
    assert (picture.read_text(), library.asked(GetScreenshotRequest)) == ("mine", [])
    assert cli("vms", "screenshot", "web", str(picture), "--force").out == f"{picture}: 2 x 1\n"
    assert picture.read_bytes() == b"png"
    assert "cannot be written" in cli("vms", "screenshot", "web", str(home / "no" / "x.png")).err


def test_a_vms_name_leads_out_of_no_directory(
    cli: Cli, library: FakeLibrary, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.vms.append(VirtualMachine(id="vm-2", name="../evil"))
    monkeypatch.chdir(home)
    assert cli("vms", "screenshot", "vm-2").code == 0
    assert (home / "evil.png").is_file()


def test_without_a_port_the_pages_address_is_printed(cli: Cli, server: str, vm: VirtualMachine) -> None:
    assert cli("vms", "display", "web").out == f"{server}/vms/vm-1/display\n"
    assert cli("vms", "display", "web", "--json").document == {"url": f"{server}/vms/vm-1/display"}


@pytest.mark.parametrize(
    ("listen", "said"),
    [
        ("0.0.0.0:0", "loopback only"),
        ("192.0.2.1:5901", "loopback only"),
        ("localhost:0", "not HOST:PORT"),
        ("127.0.0.1", "not HOST:PORT"),
        ("127.0.0.1:99999", "not HOST:PORT"),
        ("127.0.0.1:x", "not HOST:PORT"),
    ],
)
def test_viewers_are_led_over_loopback_only(cli: Cli, vm: VirtualMachine, listen: str, said: str) -> None:
    ended = cli("vms", "display", "web", "--listen", listen)
    assert (ended.code, said in ended.err) == (2, True)


def test_a_viewer_is_no_document(cli: Cli, vm: VirtualMachine) -> None:
    assert cli("vms", "display", "web", "--listen", "127.0.0.1:0", "--json").code == 2
