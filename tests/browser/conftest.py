"""A person's browser: Debian's Chromium on the real programs, with a mirror of publishers on loopback."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.support import publisher
from tests.support.mirror import Mirror
from tests.support.processes import ROOT, Program, end_processes_of, environment
from tests.support.publisher import Publication

SECONDS = 120
# As root, without a display, and asking nobody outside.
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
CHROMIUM = "/usr/bin/chromium"
PICTURES = ROOT / "tests" / "output" / "screenshots"
AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"
UP = ("up", "--json", "--listen", "127.0.0.1:0")
MIB = 1 << 20

expect.set_options(timeout=20_000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent) and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(SECONDS))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    assert (ROOT / "src/image_library/web/index.html").is_file(), "the web UI is not built: ./test builds it"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small but whole qcow2 image, of bytes that do not compress."""
    return a_disk(tmp_path_factory.mktemp("disk") / "disk.qcow2", MIB * 24)


def a_disk(path: Path, size: int) -> Path:
    raw = path.with_suffix(".raw")
    raw.write_bytes(os.urandom(size))
    command = ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(raw), str(path)]
    subprocess.run(command, check=True, capture_output=True)
    raw.unlink()
    return path


@pytest.fixture
def debian(disk: Path) -> Publication:
    return publisher.publication(disk)


@pytest.fixture
def mirror(tmp_path: Path, debian: Publication) -> Iterator[Mirror]:
    with Mirror(tmp_path / "mirror") as mirror:
        debian.put_on(mirror)
        yield mirror


@pytest.fixture
def data_dir() -> Iterator[Path]:
    # Not pytest's own folder: its long names leave no room for a UNIX socket's path.
    with tempfile.TemporaryDirectory(prefix="lq-") as folder:
        data_dir = Path(folder) / "data"
        try:
            yield data_dir
        finally:
            end_processes_of(data_dir)


@pytest.fixture
def env(data_dir: Path, mirror: Mirror) -> dict[str, str]:
    return environment(data_dir, mirror=mirror.base_url, LIMIQUANTIX_ALLOW_SOURCES="127.0.0.0/8")


@pytest.fixture
def program(env: dict[str, str]) -> Iterator[Program]:
    with Program.start(UP, env) as program:
        yield program


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser profile of its own, wide enough for every column."""
    with browser.new_context(viewport={"width": 1360, "height": 860}) as context:
        yield context


@dataclass(frozen=True)
class Visitor:
    """A person who is signed in, on one page of the UI."""

    page: Page
    url: str
    # What the page complained of: script errors, and whatever its policy kept from loading.
    complaints: list[str]

    def go(self, path: str) -> Page:
        self.page.goto(self.url + path)
        return self.page

    def picture(self, name: str) -> None:
        PICTURES.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=PICTURES / f"{name}.png")


def visitor(context: BrowserContext, program: Program) -> Visitor:
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "console",
        lambda said: complaints.append(said.text) if "Content Security Policy" in said.text else None,
    )
    page.goto(program.url)
    page.get_by_label("Token").fill(program.token)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1, name="Image Library")).to_be_visible()
    return Visitor(page, program.url, complaints)


@pytest.fixture
def person(context: BrowserContext, program: Program) -> Iterator[Visitor]:
    visiting = visitor(context, program)
    yield visiting
    assert visiting.complaints == []


# Everything that WCAG 2.2 AA asks for, and what of it depends on the colour scheme.
EVERYTHING = {
    "type": "tag",
    "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
}
COLOURS = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}


def axe(page: Page, rules: dict[str, Any] = EVERYTHING) -> list[str]:
    """What axe finds: one line for each element that breaks a rule."""
    page.evaluate(AXE.read_text())
    found: dict[str, Any] = page.evaluate(
        "rules => axe.run({runOnly: rules, resultTypes: ['violations']})", rules
    )
    return [
        f"{broken['id']}: {node['html'][:160]} {node.get('failureSummary', '')[:200]}"
        for broken in found["violations"]
        for node in broken["nodes"]
    ]


@pytest.fixture
def slow_person(context: BrowserContext, person: Visitor) -> Visitor:
    """A person whose uploads take some seconds, so that something is left to break off."""
    client: Any = context.new_cdp_session(person.page)
    client.send("Network.enable")
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 3 * MIB}
    client.send("Network.emulateNetworkConditions", slow)
    return person
