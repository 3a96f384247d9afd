"""One image's page: its copies are read again, and another format is made of it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from playwright.sync_api import Page, expect

from tests.browser.conftest import COLOURS, Visitor, axe
from tests.browser.test_pages import AT_REST, IMAGES, an_image_with_a_vm
from tests.support.processes import Program
from tests.support.rpc import rpc

SCHEMES: tuple[Literal["light", "dark"], ...] = ("dark", "light")


def test_a_copy_is_checked_and_another_format_made(person: Visitor, program: Program) -> None:
    image, _ = an_image_with_a_vm(program)
    page = person.page
    expect(page.get_by_role("article", name="Debian 12").get_by_text("Verified")).to_be_visible()
    person.go(f"/storage/images/{image}")
    page.get_by_role("button", name="Check now").click()
    expect(page.get_by_text("Checked just now: every byte is right.")).to_be_visible()
    page.get_by_role("button", name="Convert").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Format").select_option("raw")
    looked_at(person, "convert")
    dialog.get_by_role("button", name="Convert").click()
    expect(dialog.get_by_text("Done")).to_be_visible()
    dialog.get_by_role("button", name="Close").last.click()
    person.go("/storage/images?tab=local")
    page.get_by_role("link", name="debian-12-raw", exact=True).click()
    made = page.get_by_role("region", name="Made from")
    expect(made.get_by_text("Digest of what came")).to_be_visible()
    expect(made.get_by_text("sha256:")).to_have_count(2)
    looked_at(person, "converted")


def test_a_damaged_copy_is_called_that(person: Visitor, program: Program) -> None:
    image, _ = an_image_with_a_vm(program)
    page = person.page
    expect(page.get_by_role("article", name="Debian 12").get_by_text("Verified")).to_be_visible()
    status = rpc(program.url, f"{IMAGES}/GetImage", {"id": image}, token=program.token)["status"]
    turn_a_bit(Path(status["placements"][0]["path"]))
    person.go(f"/storage/images/{image}")
    page.get_by_role("button", name="Check now").click()
    copies = page.get_by_role("region", name="Placements")
    expect(copies.get_by_role("alert")).to_contain_text("have changed on the disk")
    looked_at(person, "damaged")


def turn_a_bit(file: Path) -> None:
    file.chmod(0o600)
    with file.open("r+b") as opened:
        opened.seek(-1, 2)
        last = opened.read(1)[0]
        opened.seek(-1, 2)
        opened.write(bytes([last ^ 1]))


def looked_at(person: Visitor, name: str) -> None:
    page: Page = person.page
    found: list[str] = []
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        page.evaluate(AT_REST)
        person.picture(f"{name}-{scheme}")
        found += axe(page, COLOURS)
    assert found + axe(page) == []
