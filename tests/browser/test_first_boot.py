"""From the wizard to a booted guest and its console: a genuine Debian, by nothing but the page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visitor
from tests.browser.test_console import lines
from tests.browser.test_copies import looked_at
from tests.browser.test_profiles import begins, create
from tests.support import publisher

# An emulated guest takes most of a minute, on a busy machine some.
BOOT_MS = 400_000


@pytest.fixture(scope="session")
def disk() -> Path:
    return publisher.debian_image()


@pytest.mark.timeout(900)
def test_a_vm_boots_before_ones_eyes(person: Visitor) -> None:
    page = person.page
    begins(person, "debian 12", "Debian 12")
    page.get_by_label("Name", exact=True).fill("web-1")
    page.get_by_role("button", name="Next").click()
    page.get_by_role("button", name="Next").click()
    page.get_by_label("Password").fill("long enough to be taken")
    page.get_by_role("button", name="Next").click()
    create(page)
    expect(page).to_have_url(re.compile(r"/vms/(?!new)"))
    boot = page.get_by_role("region", name="First boot")
    expect(boot).to_be_visible()
    ready = boot.locator(".mantine-Stepper-step[data-completed]").filter(has_text="Ready")
    expect(ready).to_be_visible(timeout=BOOT_MS)
    expect(page.get_by_text(re.compile(r"^ssh -p \d+ debian@"))).to_be_visible()
    looked_at(person, "booted")
    page.get_by_role("link", name="Console").click()
    expect(lines(page)).to_contain_text("web-1 login:")
    page.locator(".xterm-helper-textarea").focus()
    page.keyboard.type("debian\n")
    expect(lines(page)).to_contain_text("Password:")
    page.keyboard.type("long enough to be taken\n")
    expect(lines(page)).to_contain_text("debian@web-1")
    person.picture("logged-in")
