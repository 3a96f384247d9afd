"""The Image Library page as a person uses it, on real downloads, uploads and imports."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import MIB, UP, Visitor, a_disk, visitor
from tests.browser.test_pages import an_image_with_a_vm
from tests.support.mirror import Mirror
from tests.support.mirror_faults import Corrupt, HoldAt
from tests.support.processes import Program
from tests.support.publisher import Publication

OPEN_PALETTE = """() => {
  const pressed = new KeyboardEvent('keydown', { key: 'k', code: 'KeyK', ctrlKey: true, bubbles: true });
  document.body.dispatchEvent(pressed);
  return document.activeElement.getAttribute('placeholder');
}"""


def test_a_download_is_watched_to_its_end(person: Visitor, mirror: Mirror, debian: Publication) -> None:
    hold = HoldAt(8 * MIB)
    mirror.fault(debian.url, hold)
    card = person.page.get_by_role("article", name="Debian 12")
    card.get_by_role("button", name="Download Debian 12 (Bookworm)").click()
    expect(card.get_by_text("Downloading", exact=True)).to_be_visible()
    expect(card.get_by_text(re.compile(r"[1-9]\d? % · [\d.]+ MiB of 2\d\.\d MiB"))).to_be_visible()
    person.picture("downloading")
    person.page.get_by_role("button", name=re.compile("Jobs: 1 running job")).click()
    expect(person.page.get_by_role("region", name="Jobs").get_by_text("debian-12")).to_be_visible()
    person.page.keyboard.press("Escape")
    hold.release()
    expect(card.get_by_text("On 1 of 1 node")).to_be_visible()
    expect(card.get_by_text("Verified: checksum")).to_be_visible()


def test_a_download_is_cancelled_and_repeated(person: Visitor, mirror: Mirror, debian: Publication) -> None:
    hold = HoldAt(8 * MIB)
    mirror.fault(debian.url, hold)
    page = person.page
    card = page.get_by_role("article", name="Debian 12")
    card.get_by_role("button", name="Download Debian 12 (Bookworm)").click()
    card.get_by_role("button", name="Cancel debian-12").click()
    expect(card.get_by_text("Not downloaded")).to_be_visible()
    mirror.heal()
    hold.release()
    page.get_by_role("tab", name="Jobs").click()
    page.get_by_role("button", name="Retry debian-12").click()
    expect(page.get_by_text("Done", exact=False).first).to_be_visible()
    page.get_by_role("tab", name="Local Images").click()
    expect(
        page.get_by_role("row").filter(has_text="debian-12").get_by_text("Verified: checksum")
    ).to_be_visible()


def test_a_corrupt_download_is_refused_in_words(person: Visitor, mirror: Mirror, debian: Publication) -> None:
    mirror.fault(debian.url, Corrupt(debian.image.stat().st_size - 4096))
    card = person.page.get_by_role("article", name="Debian 12")
    card.get_by_role("button", name="Download Debian 12 (Bookworm)").click()
    expect(card.get_by_role("alert")).to_contain_text("verify.digest_mismatch")
    expect(card.get_by_text("Verified")).to_have_count(0)
    person.picture("corrupt")
    mirror.heal()
    card.get_by_role("button", name="Retry debian-12").click()
    expect(card.get_by_text("Verified: checksum")).to_be_visible()


def test_search_and_filters_live_in_the_address(person: Visitor) -> None:
    page = person.page
    page.keyboard.press("/")
    page.keyboard.type("rocky 9")
    expect(page.get_by_role("article")).to_have_count(1)
    expect(page).to_have_url(re.compile(r"q=rocky"))
    page.reload()
    expect(page.get_by_role("article", name="Rocky Linux 9")).to_be_visible()
    page.get_by_role("searchbox").fill("no such thing")
    expect(page.get_by_text("No image fits.")).to_be_visible()
    page.get_by_role("button", name="Clear search and filters").last.click()
    page.get_by_label("Distribution", exact=True).select_option("debian")
    expect(page.get_by_role("article")).to_have_count(3)
    page.get_by_role("tab", name="Local Images").click()
    page.go_back()
    expect(page.get_by_role("tab", name="Cloud Catalog")).to_have_attribute("aria-selected", "true")


def test_an_image_is_imported_from_a_url(person: Visitor, mirror: Mirror, disk: Path) -> None:
    page = person.page
    mirror.put("http://files.example/own.qcow2", disk)
    page.get_by_role("button", name="Import from URL").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("URL").fill("ftp://files.example/own.qcow2")
    dialog.get_by_label("Name").fill("own")
    dialog.get_by_role("button", name="Import").click()
    expect(dialog.get_by_role("alert")).to_be_visible()
    dialog.get_by_label("URL").fill("https://files.example/own.qcow2")
    dialog.get_by_role("button", name="Import").click()
    expect(page.get_by_role("article", name="Import own: Done")).to_be_visible()
    page.get_by_role("link", name="own", exact=True).click()
    expect(page.get_by_role("heading", level=1, name="own")).to_be_visible()
    expect(page.get_by_text("Unverified").first).to_be_visible()


def test_an_upload_goes_on_after_a_reload(slow_person: Visitor, tmp_path: Path) -> None:
    person = slow_person
    page = person.page
    file = a_disk(tmp_path / "golden.qcow2", 12 * MIB)
    choose(page, file)
    line = page.locator("[data-upload='golden.qcow2']")
    expect(line).to_have_attribute("data-state", "sending")
    expect(line.get_by_text(re.compile(r"Sending · [1-9]\d? %"))).to_be_visible()
    page.reload()
    expect(page.get_by_text("golden.qcow2 was not finished")).to_be_visible()
    person.picture("upload-unfinished")
    page.get_by_label("Drop images here").set_input_files(file)
    expect(line).to_contain_text("goes on")
    expect(line).to_have_attribute("data-state", "done")
    page.get_by_role("button", name="Close").last.click()
    page.get_by_role("tab", name="Local Images").click()
    expect(page.get_by_role("row").filter(has_text="golden").get_by_text("Unverified")).to_be_visible()


def choose(page: Page, file: Path) -> None:
    page.get_by_role("button", name="Upload", exact=True).click()
    page.get_by_label("Drop images here").set_input_files(file)


def test_what_is_in_use_is_not_deleted(person: Visitor, program: Program) -> None:
    image, _ = an_image_with_a_vm(program)
    page = person.page
    expect(page.get_by_role("article", name="Debian 12").get_by_text("Verified")).to_be_visible()
    person.go(f"/storage/images/{image}")
    expect(page.get_by_role("group", name="debian-12 is used by 1 VM")).to_be_visible()
    page.get_by_role("button", name="Delete").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("link", name="web-1")).to_be_visible()
    dialog.get_by_label("Type debian-12 to confirm").fill("debian-12")
    expect(dialog.get_by_role("button", name="Delete for ever")).to_be_disabled()
    person.picture("delete-in-use")
    person.go("/vms")
    page.get_by_role("button", name="Delete web-1").click()
    page.get_by_label("Type web-1 to confirm").fill("web-1")
    page.get_by_role("button", name="Delete for ever").click()
    expect(page.get_by_text("No virtual machines yet")).to_be_visible()
    person.go(f"/storage/images/{image}")
    page.get_by_role("button", name="Delete").click()
    page.get_by_label("Type debian-12 to confirm").fill("debian-12")
    page.get_by_role("button", name="Delete for ever").click()
    expect(page.get_by_text("No local images yet")).to_be_visible()


def test_a_name_is_only_text(person: Visitor, program: Program) -> None:
    """Whatever somebody puts into a description, nothing of it runs or is drawn."""
    from tests.support.rpc import rpc

    evil = "<img src=x onerror=document.title='caught'><script>document.title='caught'</script>"
    request = {"name": "plain", "description": evil}
    made = rpc(program.url, "limiquantix.storage.v1.ImageService/CreateImage", request, token=program.token)
    person.go(f"/storage/images/{made['id']}")
    expect(person.page.get_by_text(evil)).to_be_visible()
    assert person.page.title() != "caught"
    assert person.page.locator("main img").count() == 0


def test_the_page_recovers_by_itself(env: dict[str, str], context: BrowserContext) -> None:
    with Program.start(UP, env) as program:
        person = visitor(context, program)
        where = program.url.removeprefix("http://")
        page = person.page
        program.kill9()
    expect(page.get_by_text("The server cannot be reached. What you see")).to_be_visible()
    person.picture("server-away")
    with Program.start(("up", "--json", "--listen", where), env):
        expect(page.get_by_text("The server cannot be reached")).to_have_count(0)
        page.get_by_role("article", name="Debian 12").get_by_role("button", name="Download Debian").click()
        expect(page.get_by_role("article", name="Debian 12").get_by_text("Verified")).to_be_visible()


def test_a_part_that_the_server_does_not_have_is_told_of(person: Visitor) -> None:
    """As after an update of the server: the page has to be loaded again, and says so."""
    page = person.page
    page.route("**/assets/JobsTab-*.js", lambda route: route.fulfill(status=404))
    page.get_by_role("tab", name="Jobs").click()
    expect(page.get_by_role("heading", level=1, name="This page could not be shown.")).to_be_visible()
    person.picture("part-missing")
    page.unroute_all()
    page.get_by_role("button", name="Load it again").click()
    expect(page.get_by_role("heading", level=1, name="Image Library")).to_be_visible()


def test_the_built_in_catalog_is_shown_while_no_server_answers(
    person: Visitor, program: Program, env: dict[str, str]
) -> None:
    page = person.go("/nodes")
    expect(page.get_by_role("heading", level=1, name="Nodes")).to_be_visible()
    # Its code is there, its data was never asked for.
    page.get_by_role("link", name="Image Library").last.hover()
    page.evaluate("() => document.fonts.ready")
    page.route("**/GetImageCatalog", lambda route: route.abort())
    page.get_by_role("link", name="Image Library").last.click()
    expect(page.get_by_test_id("built-in-catalog")).to_be_visible()
    expect(page.get_by_role("article", name="Debian 12")).to_be_visible()
    person.picture("built-in-catalog")
    page.unroute_all()
    expect(page.get_by_test_id("built-in-catalog")).to_have_count(0)


def test_everything_is_reached_by_keyboard_alone(
    person: Visitor, mirror: Mirror, debian: Publication
) -> None:
    page = person.page
    page.reload()
    expect(page.get_by_role("article", name="Debian 12")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    page.keyboard.press("Control+k")
    expect(page.get_by_placeholder("Search images, VMs and actions…")).to_be_focused()
    page.keyboard.type("download debian 12")
    expect(page.get_by_text("Download Debian 12 (Bookworm)")).to_be_visible()
    person.picture("palette")
    page.keyboard.press("Enter")
    card = page.get_by_role("article", name="Debian 12")
    expect(card.get_by_text("Verified: checksum")).to_be_visible()
    # What is typed after it is the palette's, however fast: its field has the focus before the event is over.
    assert page.evaluate(OPEN_PALETTE) == "Search images, VMs and actions…"
    page.keyboard.type("nodes")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1, name="Nodes")).to_be_visible()


def test_the_scheme_is_kept(person: Visitor) -> None:
    page = person.page
    for _ in range(3):
        button = page.get_by_role("button", name="Colour scheme")
        if button.get_attribute("aria-label") == "Colour scheme: Dark":
            break
        button.click()
    expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", "dark")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", "dark")
