"""A VM's display in the browser: what its BIOS writes, keys, a new start after an end, a thumbnail."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import MIB, Visitor
from tests.browser.test_copies import looked_at
from tests.browser.test_pages import VMS
from tests.support import boot_sector
from tests.support.processes import Program
from tests.support.rpc import rpc

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="the guest is an x86 boot sector")
# Of the four bytes of each pixel, the most that is neither black nor the canvas's opacity.
BRIGHTEST = """canvas => {
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  return data.reduce((most, value, at) => (at % 4 === 3 ? most : Math.max(most, value)), 0);
}"""


@pytest.fixture(scope="session")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("shows") / "disk.qcow2"
    raw = path.with_suffix(".raw")
    raw.write_bytes(boot_sector.echoing("login: ") + os.urandom(8 * MIB - boot_sector.SIZE))
    command = ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(raw), str(path)]
    subprocess.run(command, check=True, capture_output=True)
    return path


def test_the_display_is_shown_and_comes_back(person: Visitor, program: Program) -> None:
    page = person.page
    wish = {"name": "web-1", "spec": {"disks": [{"image": "debian-12"}]}, "startOnCreate": True}
    vm = rpc(program.url, f"{VMS}/CreateVM", wish | {"force": True}, token=program.token)["id"]
    person.go(f"/vms/{vm}")
    picture = page.get_by_role("img", name="What web-1 shows")
    expect(picture).to_be_visible()
    page.wait_for_function("image => image.naturalWidth === 720", arg=picture.element_handle())
    looked_at(person, "vm-thumbnail")
    page.get_by_role("link", name="Display", exact=True).click()
    expect(page.get_by_role("heading", level=1, name="Display of web-1")).to_be_visible()
    until_shown(page)
    looked_at(person, "display")
    # Keys go there, and there is a way out for whoever has no mouse.
    expect(page.locator("canvas")).to_be_focused()
    page.keyboard.type("keys")
    page.keyboard.press("Shift+Tab")
    expect(page.get_by_role("button", name="Full screen")).to_be_focused()
    page.get_by_role("button", name="Type a text").click()
    page.get_by_label("Text", exact=True).fill("a text\n")
    looked_at(person, "display-text")
    page.get_by_role("button", name="Type it").click()
    page.get_by_role("button", name="Ctrl+Alt+Del").click()
    expect(state(page, "Connected")).to_be_visible()
    # A VM that stops says so, and once it runs again one may look again.
    rpc(program.url, f"{VMS}/StopVM", {"id": vm, "force": True}, token=program.token)
    expect(page.get_by_role("alert")).to_contain_text("vms start")
    rpc(program.url, f"{VMS}/StartVM", {"id": vm}, token=program.token)
    page.get_by_role("button", name="Connect again").click()
    until_shown(page)
    rpc(program.url, f"{VMS}/DeleteVM", {"id": vm, "force": True}, token=program.token)


def until_shown(page: Page) -> None:
    expect(state(page, "Connected")).to_be_visible()
    canvas = page.locator("canvas").element_handle()
    page.wait_for_function(f"canvas => ({BRIGHTEST})(canvas) > 100", arg=canvas)


def state(page: Page, said: str) -> Locator:
    return page.get_by_role("status").filter(has_text=said)
