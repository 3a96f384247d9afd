"""Dialogs keep the focus while they are open, close with Escape, and give it back."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visitor
from tests.browser.test_pages import an_image_with_a_vm
from tests.support.processes import Program

# More than any dialog has controls.
TURNS = 24
INSIDE = "() => document.activeElement.closest('[role=dialog]') !== null"


def keeps_the_focus(page: Page, *, by: str) -> None:
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    page.wait_for_function(INSIDE)
    for key in ["Tab"] * TURNS + ["Shift+Tab"] * TURNS:
        page.keyboard.press(key)
        assert page.evaluate(INSIDE), f"{by}: the focus left the dialog"
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)


def test_every_dialog_keeps_the_focus(person: Visitor, program: Program) -> None:
    image, vm = an_image_with_a_vm(program)
    page = person.page
    expect(page.get_by_role("article", name="Debian 12").get_by_text("Verified")).to_be_visible()
    doors = {
        "/storage/images": ("Import from URL", "Upload"),
        f"/storage/images/{image}": ("Convert", "Delete"),
        f"/vms/{vm}": ("Capture as template", "Delete web-1"),
    }
    for path, buttons in doors.items():
        person.go(path)
        for name in buttons:
            button = page.get_by_role("button", name=name, exact=True)
            button.click()
            keeps_the_focus(page, by=name)
            expect(button).to_be_focused()


@pytest.mark.parametrize("key", ["Tab", "Shift+Tab"])
def test_the_palette_keeps_the_focus(person: Visitor, key: str) -> None:
    page = person.page
    page.keyboard.press("Control+k")
    expect(page.get_by_placeholder("Search images, VMs and actions…")).to_be_focused()
    for _ in range(4):
        page.keyboard.press(key)
        assert page.evaluate(INSIDE)


def test_what_uses_an_image_is_a_way_to_it_by_keyboard(person: Visitor, program: Program) -> None:
    image, _ = an_image_with_a_vm(program)
    page = person.page
    expect(page.get_by_role("article", name="Debian 12").get_by_text("Verified")).to_be_visible()
    person.go(f"/storage/images/{image}")
    # Said as a whole, and each user as a link with its name and state.
    link = page.get_by_role("group", name="debian-12 is used by 1 VM").get_by_role("link", name="web-1")
    expect(link).to_be_visible()
    page.get_by_role("main").focus()
    for _ in range(40):
        if link.evaluate("link => link === document.activeElement"):
            break
        page.keyboard.press("Tab")
    expect(link).to_be_focused()
    assert link.evaluate("link => link.matches(':focus-visible')")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1, name="web-1")).to_be_visible()
