"""The wizard: from an image to a VM's page."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

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
    expect(page.get_by_label("Node")).to_contain_text("the image is fetched first (")
    looked_at(person, "wizard-machine")
    page.get_by_role("button", name="Next").click()
    has_a_static_address(page)
    looked_at(person, "wizard-network")
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
    types_user_data(page)
    looked_at(person, "wizard-boot")
    page.get_by_role("button", name="Next").click()
    rendering = page.get_by_role("region", name="user-data")
    expect(rendering).to_contain_text("hostname: web-7")
    expect(rendering).to_contain_text("- nginx")
    expect(rendering.locator(".tok-propertyName").first).to_be_visible()
    page.get_by_text("network-config").click()
    expect(page.get_by_role("region", name="network-config")).to_contain_text("192.0.2.10/24")
    expect(page.locator("[aria-busy=true]")).to_have_count(0)
    looked_at(person, "wizard-review")
    force = page.get_by_label("Make it all the same")
    if force.count():
        force.check()
    page.get_by_role("button", name="Create").dblclick()
    expect(page).to_have_url(re.compile(r"/vms/(?!new)"))
    expect(page.get_by_role("heading", level=1, name="web-7")).to_be_visible()
    looked_at(person, "wizard-made")
    person.go("/vms")
    expect(page.get_by_role("link", name="web-7")).to_have_count(1)


def has_a_static_address(page: Page) -> None:
    card = page.get_by_role("region", name="Network card eth0")
    card.get_by_role("radiogroup", name="IPv4").get_by_text("Static").click()
    card.get_by_label("IPv4 addresses").fill("192.0.2.10")
    expect(card.get_by_text("192.0.2.10 has no prefix such as /24.")).to_be_visible()
    expect(page.get_by_role("button", name="Next")).to_be_disabled()
    card.get_by_label("IPv4 addresses").fill("192.0.2.10/24")
    card.get_by_label("IPv4 gateway").fill("192.0.2.1")
    card.get_by_text("DNS, MTU and routes").click()
    card.get_by_label("DNS servers").fill("192.0.2.53")
    page.get_by_role("button", name="Add a VLAN").click()
    vlan = page.get_by_role("region", name="VLAN")
    vlan.get_by_label("VLAN number").fill("42")


def types_user_data(page: Page) -> None:
    """As one types, the place of what is wrong is named: here at once, and by the server a little later."""
    editor = page.get_by_role("textbox", name="User data of your own")
    types_anew(editor, "#cloud-config\npackages: [git")
    expect(page.get_by_text(re.compile(r"Line \d: Flow sequence"))).to_be_visible()
    types_anew(editor, "#cloud-config\ntimezone: 5")
    expect(page.get_by_text("Line 2: timezone is not of type string.")).to_be_visible()
    expect(page.locator(".cm-lintRange-error")).to_have_text("timezone")
    types_anew(editor, "#cloud-config\npacka")
    page.get_by_role("option", name="package_upgrade").click()
    page.keyboard.type("fal")
    page.get_by_role("option", name="false").click()
    expect(editor).to_contain_text("package_upgrade: false")
    expect(page.get_by_text(re.compile(r"Line \d"))).to_have_count(0)


def types_anew(editor: Locator, text: str) -> None:
    # Key by key: what fills an editable element at once leaves styles behind that the page's policy refuses.
    editor.press("Control+a")
    editor.press("Delete")
    editor.press_sequentially(text)


def test_the_palette_begins_a_vm_from_an_image(person: Visitor) -> None:
    page = person.page
    page.keyboard.press("Control+k")
    expect(page.get_by_placeholder("Search images, VMs and actions…")).to_be_focused()
    page.keyboard.type("create vm from debian 12")
    page.get_by_text("Create VM from Debian 12 (Bookworm)").click()
    expect(page.get_by_role("heading", level=1, name="New virtual machine")).to_be_visible()
    expect(page.get_by_role("radio", name="Debian 12 (Bookworm)")).to_be_checked()
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_label("Name", exact=True)).to_be_visible()
