"""A VM's serial console in the browser: what a real guest writes, over a break of the line, and as a file."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import MIB, UP, Visitor
from tests.browser.test_copies import looked_at
from tests.browser.test_pages import VMS
from tests.support import boot_sector
from tests.support.processes import Program
from tests.support.rpc import rpc

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="the guest is an x86 boot sector")
# In colours of a terminal, and one of sixteen millions, which xterm.js writes as a style.
TEXT = "\x1b[32mgreen\x1b[0m \x1b[38;2;255;120;0morange\x1b[0m\r\nguest login: "


@pytest.fixture(scope="session")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("boots") / "disk.qcow2"
    raw = path.with_suffix(".raw")
    raw.write_bytes(boot_sector.echoing(TEXT) + os.urandom(8 * MIB - boot_sector.SIZE))
    command = ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(raw), str(path)]
    subprocess.run(command, check=True, capture_output=True)
    return path


def test_the_serial_console_is_followed(
    person: Visitor, program: Program, env: dict[str, str], tmp_path: Path
) -> None:
    page = person.page
    wish = {"name": "web-1", "spec": {"disks": [{"image": "debian-12"}]}, "startOnCreate": True}
    vm = rpc(program.url, f"{VMS}/CreateVM", wish | {"force": True}, token=program.token)["id"]
    person.go(f"/vms/{vm}")
    page.get_by_role("link", name="Console").click()
    expect(page.get_by_role("heading", level=1, name="Console of web-1")).to_be_visible()
    expect(page.get_by_role("status").filter(has_text="Connected")).to_be_visible()
    expect(lines(page)).to_contain_text("guest login:")
    assert (
        page.locator(".xterm-rows span", has_text="orange").evaluate("e => e.style.color")
        == "rgb(255, 120, 0)"
    )
    looked_at(person, "console")
    page.locator(".xterm-helper-textarea").focus()
    page.keyboard.type("quick keys")
    expect(lines(page)).to_contain_text("guest login: quick keys")
    page.keyboard.press("Shift+Tab")
    expect(page.get_by_role("button", name="Full screen")).to_be_focused()
    with page.expect_download() as saving:
        page.get_by_role("button", name="Save as a file").click()
    saving.value.save_as(tmp_path / "console.txt")
    assert (tmp_path / "console.txt").read_text().count("guest login:") == 1
    # The server goes and comes back at the same place: what was shown stays, and is not shown twice.
    program.kill9()
    expect(page.get_by_role("status").filter(has_text="Connection lost")).to_be_visible()
    again = (*UP[:-1], re.sub(r"^https?://", "", program.url))
    with Program.start(again, env):
        expect(page.get_by_role("status").filter(has_text="Connected")).to_be_visible(timeout=40_000)
        expect(lines(page)).to_contain_text("guest login:")
        assert page.locator(".xterm-rows").inner_text().count("login") == 1
        rpc(program.url, f"{VMS}/DeleteVM", {"id": vm, "force": True}, token=program.token)


def lines(page: Page) -> Locator:
    return page.locator(".xterm-rows")
