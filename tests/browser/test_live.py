"""How soon a page shows what the server knows, by the clock that both share."""

from __future__ import annotations

from datetime import datetime

from playwright.sync_api import expect

from tests.browser.conftest import MIB, Visitor
from tests.browser.measures import noted, seconds_shown
from tests.browser.test_pages import IMAGES
from tests.support.mirror import Mirror
from tests.support.mirror_faults import HoldAt
from tests.support.processes import Program
from tests.support.publisher import Publication
from tests.support.rpc import rpc

# The goal is 300 ms on a machine that has nothing else to do.
MOST_SECONDS = 3.0


def test_the_end_of_a_job_is_shown_at_once(
    person: Visitor, program: Program, mirror: Mirror, debian: Publication
) -> None:
    hold = HoldAt(8 * MIB)
    mirror.fault(debian.url, hold)
    page = person.page
    card = page.get_by_role("article", name="Debian 12")
    card.get_by_role("button", name="Download Debian 12 (Bookworm)").click()
    expect(card.get_by_text("Downloading", exact=True)).to_be_visible()
    noted(page, "On 1 of 1 node")
    hold.release()
    expect(card.get_by_text("On 1 of 1 node")).to_be_visible()
    shown = seconds_shown(page)
    [job] = rpc(program.url, f"{IMAGES}/ListJobs", {}, token=program.token)["jobs"]
    ended = datetime.fromisoformat(job["updatedAt"]).timestamp()
    print(f"shown {(shown - ended) * 1000:.0f} ms after it ended")
    assert shown - ended < MOST_SECONDS
