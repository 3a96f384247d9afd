"""The wizard: from an image to a VM's page."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import expect

from tests.browser.conftest import Visitor
from tests.browser.test_copies import looked_at

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKHEChAJ0+7vM4ZQ3JYq0u8tNDBTPVNBjVXH7mJvNyL5 me@here"


def test_a_vm_is_made_step_by_step(person: Visitor, tmp_path: Path) -> None:
    page = person.go("/vms")
    page.get_by_role("link", name="Create VM").click()
    page.get_by_label("Search images").fill("debian 12")
    page.get_by_role("radio", name="Debian 12").click()
    looked_at(person, "wizard-image")
    page.get_by_role("button", name="Next").click()
    page.get_by_label("Name", exact=True).fill("web-7")
    looked_at(person, "wizard-machine")
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_label("Login user")).to_have_value("debian")
    expect(page.get_by_label("Host name")).to_have_value("web-7")
    page.get_by_label("SSH public keys").fill("ssh-ed25519 nonsense")
    expect(page.get_by_text("Line 1 is no SSH public key.")).to_be_visible()
    expect(page.get_by_role("button", name="Next")).to_be_disabled()
    page.get_by_label("SSH public keys").fill("")
    public = tmp_path / "id.pub"
    public.write_text(f"{KEY}\n")
    page.locator("input[type=file]").set_input_files(public)
    expect(page.get_by_label("SSH public keys")).to_have_value(KEY)
    page.get_by_label("Packages").fill("nginx")
    looked_at(person, "wizard-boot")
    page.get_by_role("button", name="Next").click()
    rendering = page.get_by_role("region", name="user-data")
    expect(rendering).to_contain_text("hostname: web-7")
    expect(rendering).to_contain_text("- nginx")
    expect(page.locator("[aria-busy=true]")).to_have_count(0)
    looked_at(person, "wizard-review")
    force = page.get_by_label("Make it all the same")
    if force.count():
        force.check()
    page.get_by_role("button", name="Create").click()
    expect(page).to_have_url(re.compile(r"/vms/(?!new)"))
    expect(page.get_by_role("heading", level=1, name="web-7")).to_be_visible()
    looked_at(person, "wizard-made")
