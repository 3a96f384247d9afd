"""Profiles: made in the editor, used by the wizard for two VMs, changed, and deleted."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import Page, expect

from tests.browser.conftest import Visitor, axe
from tests.browser.test_copies import looked_at
from tests.browser.test_pages import AT_REST, IMAGES
from tests.browser.test_wizard import types_anew
from tests.support.mirror import Mirror
from tests.support.processes import Program
from tests.support.rpc import rpc

PROFILES = "limiquantix.compute.v1.ProfileService"
WEB: dict[str, Any] = {
    "name": "web",
    "description": "Web servers",
    "userDataRule": "USER_DATA_RULE_DENY",
    "provisioning": {
        "packages": ["nginx"],
        "files": [{"path": "/etc/motd", "text": "This is ${param.site}.\n"}],
        "users": [{"password": "${param.phrase}"}],
        "swap_mib": "${param.swap}",
    },
    "parameters": [
        {"name": "site", "required": True, "allowed": ["lab", "prod"], "description": "Where it stands."},
        {"name": "phrase", "type": "SECRET", "required": True},
        {"name": "swap", "type": "INTEGER", "default": "512"},
    ],
}


def narrow(person: Visitor, name: str) -> None:
    """The same page on a phone: nothing is wider than that."""
    page = person.page
    page.set_viewport_size({"width": 360, "height": 740})
    # The menu has left.
    page.evaluate(AT_REST)
    person.picture(f"{name}-phone")
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 360
    page.set_viewport_size({"width": 1360, "height": 860})


def test_a_profile_is_made_shown_changed_and_deleted(person: Visitor) -> None:
    page = person.go("/profiles")
    expect(page.get_by_text("No profiles yet")).to_be_visible()
    page.get_by_role("button", name="New profile").click()
    dialog = page.get_by_role("dialog")
    editor = dialog.get_by_role("textbox", name="The profile as YAML")
    expect(editor).to_contain_text("name: web")
    looked_at(person, "profile-new")
    narrow(person, "profile-new")
    types_anew(editor, "name: web\nprovisioning: [")
    expect(dialog.get_by_text(re.compile(r"Line \d"))).to_be_visible()
    expect(dialog.get_by_role("button", name="Save")).to_be_disabled()
    types_anew(editor, "name: small\nprovisioning: {swap_mib: none}")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_role("alert")).to_be_visible()
    types_anew(editor, "name: small\nprovisioning: {swap_mib: 64}")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_have_count(0)
    page.get_by_role("button", name="Show small").click()
    expect(page.get_by_role("region", name="The profile as YAML")).to_contain_text("swap_mib: 64")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Change small").click()
    types_anew(editor, "name: small\ndescription: Of little\nprovisioning: {swap_mib: 32}")
    dialog.get_by_role("button", name="Save").click()
    row = page.get_by_role("row").filter(has_text="small")
    expect(row).to_contain_text("Of little")
    expect(row.get_by_role("cell", name="2", exact=True)).to_be_visible()
    page.get_by_role("button", name="Delete small").click()
    page.get_by_label("Type small to confirm").fill("small")
    page.get_by_role("button", name="Delete for ever").click()
    expect(page.get_by_text("No profiles yet")).to_be_visible()


def test_two_vms_are_made_of_a_profile(person: Visitor, program: Program) -> None:
    rpc(program.url, f"{PROFILES}/CreateProfile", WEB, token=program.token)
    page = person.go("/profiles")
    page.get_by_role("button", name="Show web").click()
    expect(page.get_by_role("dialog").get_by_role("table")).to_contain_text("one of lab, prod")
    looked_at(person, "profile-shown")
    narrow(person, "profile-shown")
    begins(person, "debian 12", "Debian 12")
    page.get_by_label("Name", exact=True).fill("web")
    page.get_by_label("How many").fill("300")
    expect(page.get_by_role("button", name="Next")).to_be_disabled()
    page.get_by_label("How many").fill("2")
    page.get_by_label("Firmware").select_option("BIOS")
    narrow(person, "wizard-machine")
    page.get_by_role("button", name="Next").click()
    page.get_by_role("button", name="Next").click()
    page.get_by_label("Profile").select_option(label="web: Web servers")
    expect(page.get_by_text("This profile takes no user data beside its own.")).to_be_visible()
    expect(page.get_by_role("button", name="Next")).to_be_disabled()
    page.get_by_label("site").select_option("lab")
    page.get_by_label("phrase").fill("a secret of many words")
    page.get_by_label("swap").fill("much")
    expect(page.get_by_label("swap")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("swap").fill("64")
    page.get_by_label("Guest agent").uncheck()
    looked_at(person, "wizard-profile")
    narrow(person, "wizard-profile")
    page.get_by_role("button", name="Next").click()
    rendering = page.get_by_role("region", name="user-data")
    expect(rendering).to_contain_text("This is lab.")
    expect(rendering).to_contain_text("- nginx")
    expect(rendering).not_to_contain_text("qemu-guest-agent")
    expect(rendering).not_to_contain_text("a secret")
    expect(page.get_by_text("2: web-001 to web-002")).to_be_visible()
    narrow(person, "wizard-review")
    create(page)
    expect(page).to_have_url(re.compile(r"/vms$"))
    expect(page.get_by_role("link", name=re.compile("^web-00[12]$"))).to_have_count(2)


def test_windows_is_told_answers(person: Visitor, program: Program, mirror: Mirror, disk: Any) -> None:
    mirror.put("http://files.example/win.qcow2", disk)
    os = {"family": "WINDOWS", "distribution": "windows", "provisioningMethod": "SYSPREP"}
    request = {"name": "win-2022", "url": "https://files.example/win.qcow2", "osInfo": os}
    rpc(program.url, f"{IMAGES}/ImportImage", request, token=program.token)
    page = person.go("/storage/images?tab=local")
    expect(page.get_by_role("row").filter(has_text="win-2022").get_by_text("Unverified")).to_be_visible()
    begins(person, "win", "win-2022")
    page.get_by_label("Name", exact=True).fill("win-1")
    page.get_by_role("button", name="Next").click()
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_label("Packages")).to_have_count(0)
    page.get_by_label("Product key").fill("12345")
    expect(page.get_by_text("A product key is five groups")).to_be_visible()
    expect(page.get_by_role("button", name="Next")).to_be_disabled()
    page.get_by_label("Product key").fill("")
    page.get_by_label("Administrator’s password").fill("Very.secret.1")
    page.get_by_label("Locale").fill("de-DE")
    page.get_by_label("Time zone").fill("W. Europe Standard Time")
    page.get_by_label("Domain to join").fill("example.com")
    page.get_by_label("Account that may join").fill("joiner")
    page.get_by_label("Its password").fill("Also.secret.1")
    page.get_by_label("Commands at the first logon").fill("winrm quickconfig -quiet")
    looked_at(person, "wizard-windows")
    narrow(person, "wizard-windows")
    page.get_by_role("button", name="Next").click()
    answers = page.get_by_role("region", name="Unattend.xml")
    expect(answers).to_contain_text("W. Europe Standard Time")
    expect(answers).to_contain_text("example.com")
    expect(answers).not_to_contain_text("ecret.1")
    assert axe(page) == []


def begins(person: Visitor, search: str, image: str) -> None:
    page = person.go("/vms/new")
    page.get_by_label("Search images").fill(search)
    page.get_by_role("radio", name=image).click()
    page.get_by_role("button", name="Next").click()


def create(page: Page) -> None:
    expect(page.locator("[aria-busy=true]")).to_have_count(0)
    force = page.get_by_label("Make it all the same")
    if force.count():
        force.check()
    page.get_by_role("button", name="Create").click()
