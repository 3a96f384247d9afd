"""Every page in both schemes and both widths: drawn, without a complaint, with nothing for axe to find."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.browser.conftest import COLOURS, EVERYTHING, Visitor, axe
from tests.support.processes import Program
from tests.support.rpc import rpc

IMAGES = "limiquantix.storage.v1.ImageService"
VMS = "limiquantix.compute.v1.VMService"
# Of what moves for ever, such as a progress bar, nothing is waited for; nor of what is folded away.
AT_REST = """() => Promise.all(document.getAnimations()
  .filter(one => one.effect.getTiming().iterations !== Infinity && one.effect.target.checkVisibility())
  .map(one => one.finished.catch(() => null)))"""
PAGES = {
    "catalog": ("/storage/images", "Image Library"),
    "local": ("/storage/images?tab=local", "Image Library"),
    "image-jobs": ("/storage/images?tab=jobs", "Image Library"),
    "import": ("/storage/images?dialog=import", "Image Library"),
    "upload": ("/storage/images?dialog=upload", "Image Library"),
    "pools": ("/storage/pools", "Storage Pools"),
    "volumes": ("/storage/volumes", "Volumes"),
    "vms": ("/vms", "Virtual Machines"),
    "new-vm": ("/vms/new", "New virtual machine"),
    "profiles": ("/profiles", "Profiles"),
    "nodes": ("/nodes", "Nodes"),
    "jobs": ("/jobs", "Jobs"),
    "settings": ("/settings", "Settings"),
}


def an_image_with_a_vm(program: Program) -> tuple[str, str]:
    """Their ids: a downloaded image, and a VM that is built on it and does not run."""
    answer = rpc(program.url, f"{IMAGES}/DownloadImage", {"catalogId": "debian-12"}, token=program.token)
    image = answer["image"]["id"]
    spec = {"disks": [{"image": "debian-12"}]}
    vm = rpc(program.url, f"{VMS}/CreateVM", {"name": "web-1", "spec": spec}, token=program.token)
    return image, vm["id"]


@pytest.mark.timeout(300)
def test_every_page_is_drawn_in_both_schemes_and_accessible(
    context: BrowserContext, person: Visitor, program: Program
) -> None:
    image, vm = an_image_with_a_vm(program)
    page = person.page
    expect(page.get_by_role("article", name="Debian 12").get_by_text("Verified")).to_be_visible()
    pages = PAGES | {"image": (f"/storage/images/{image}", "debian-12"), "vm": (f"/vms/{vm}", "web-1")}
    pages |= {"vm-display": (f"/vms/{vm}/display", "Display of web-1")}
    pages |= {"vm-console": (f"/vms/{vm}/console", "Console of web-1")}
    found: list[str] = []
    schemes: dict[Literal["light", "dark"], dict[str, Any]] = {"light": EVERYTHING, "dark": COLOURS}
    for scheme, rules in schemes.items():
        page.emulate_media(color_scheme=scheme)
        for name, (path, heading) in pages.items():
            person.go(path)
            expect(page.get_by_role("heading", level=1, name=heading, include_hidden=True)).to_be_visible()
            expect(page.locator("[aria-busy=true]")).to_have_count(0)
            page.evaluate("() => document.fonts.ready")
            # What opens, opens slowly: axe measures colours when it has.
            page.evaluate(AT_REST)
            person.picture(f"{name}-{scheme}")
            found += [f"{name}-{scheme}: {broken}" for broken in axe(page, rules)]
    assert not found, "\n".join(found)


def test_every_page_fits_a_phone(person: Visitor, program: Program) -> None:
    image, vm = an_image_with_a_vm(program)
    page = person.page
    expect(page.get_by_role("article", name="Debian 12").get_by_text("Verified")).to_be_visible()
    page.set_viewport_size({"width": 360, "height": 740})
    pages = PAGES | {
        "image": (f"/storage/images/{image}", "debian-12"),
        "vm": (f"/vms/{vm}", "web-1"),
        "console": (f"/vms/{vm}/console", "Console of web-1"),
        "sign-in": ("/sign-in", "Sign in"),
        "missing": ("/nothing", "There is no such page."),
    }
    for name, (path, heading) in pages.items():
        person.go(path)
        expect(page.get_by_role("heading", level=1, name=heading, include_hidden=True)).to_be_visible()
        person.picture(f"{name}-phone")
        wide = page.evaluate("() => document.documentElement.scrollWidth")
        assert wide <= 360, f"{name} is {wide} pixels wide"


def test_a_page_that_does_not_exist_says_so(person: Visitor) -> None:
    person.go("/storage/nothing")
    expect(person.page.get_by_text("There is no such page.")).to_be_visible()
