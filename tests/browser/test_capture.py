"""A template is made of a VM by keyboard alone: what is its own is shown, and what becomes of it is said."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Visitor
from tests.browser.test_copies import looked_at
from tests.browser.test_pages import IMAGES, VMS, an_image_with_a_vm
from tests.support.guest_images import ext, qcow2, tree
from tests.support.guests_own import GUEST
from tests.support.processes import Program
from tests.support.rpc import rpc

# More than the dialog has controls.
TURNS = 12


@pytest.fixture(scope="session")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A guest that has lived: keys, a machine id, logs."""
    folder = tmp_path_factory.mktemp("lived")
    return qcow2(ext(folder / "disk.raw", tree(folder / "root", GUEST), mib=24))


def by_tab(page: Page, wanted: Locator) -> None:
    """As whoever has no mouse gets there."""
    for _ in range(TURNS):
        if wanted.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    expect(wanted).to_be_focused()


def test_a_template_is_captured_without_a_mouse(person: Visitor, program: Program) -> None:
    _, vm = an_image_with_a_vm(program)
    page = person.go(f"/vms/{vm}")
    door = page.get_by_role("button", name="Capture as template")
    # It may be made still.
    expect(door).to_be_enabled()
    door.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Capture web-1 as a template")
    expect(dialog.get_by_label("Name")).to_be_focused()
    findings = dialog.get_by_role("list", name="What is its own").get_by_role("listitem")
    expect(findings.filter(has_text="It holds its machine id")).to_be_visible()
    clean, force = dialog.get_by_label("Clean the copy"), dialog.get_by_label("Capture it although")
    capture = dialog.get_by_role("button", name="Capture", exact=True)
    looked_at(person, "capture")
    # As it is, it is its own all the same: only by force.
    by_tab(page, clean)
    page.keyboard.press("Space")
    expect(capture).to_be_disabled()
    by_tab(page, force)
    page.keyboard.press("Space")
    expect(capture).to_be_enabled()
    looked_at(person, "capture-by-force")
    page.keyboard.press("Shift+Tab")
    expect(clean).to_be_focused()
    page.keyboard.press("Space")
    expect(force).to_have_count(0)
    by_tab(page, capture)
    page.keyboard.press("Enter")
    expect(dialog.get_by_text("It goes on when you close this.")).to_be_visible()
    expect(dialog.get_by_text("Done", exact=True)).to_be_visible(timeout=60_000)
    looked_at(person, "capture-done")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(door).to_be_focused()
    of_one_that_runs(person, program, vm)
    image = rpc(program.url, f"{IMAGES}/GetImage", {"id": "web-1-template"}, token=program.token)
    assert image["status"]["convertedFrom"]["captured"]["cleaned"] is True


def of_one_that_runs(person: Visitor, program: Program, vm: str) -> None:
    """It has to be agreed first that it stands still."""
    page = person.page
    rpc(program.url, f"{VMS}/StartVM", {"id": vm}, token=program.token)
    expect(page.get_by_role("button", name="Stop web-1")).to_be_enabled()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Capture web-1 as a template")
    expect(dialog.get_by_label("Clean the copy")).to_be_visible()
    capture = dialog.get_by_role("button", name="Capture", exact=True)
    expect(capture).to_be_disabled()
    frozen = dialog.get_by_label("Freeze it while its disk is copied")
    by_tab(page, frozen)
    page.keyboard.press("Space")
    expect(capture).to_be_enabled()
    looked_at(person, "capture-running")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    rpc(program.url, f"{VMS}/DeleteVM", {"id": vm, "force": True}, token=program.token)
