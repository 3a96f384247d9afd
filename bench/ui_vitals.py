#!/usr/bin/env python3
"""What Lighthouse would say of the web UI: performance, accessibility and best practices of each page.

Run it alone: .venv/bin/python bench/ui_vitals.py [--rounds N] [--lighthouse PROGRAM]
Chromium measures each page with an empty cache over a line like the one of Lighthouse's desktop preset (40
ms, 10 Mbit/s), and the metrics become points by Lighthouse's published curves
(https://developer.chrome.com/docs/lighthouse/performance/performance-scoring). Speed Index needs a film; the
largest paint stands in for it. With --lighthouse the program itself (npm package "lighthouse") judges the
same pages besides; it needs a machine that has nothing else to do. Goals: at least 95 points for each;
nothing for axe to find.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect, sync_playwright

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

from tests.browser.conftest import CHROMIUM, FLAGS, UP, axe  # noqa: E402
from tests.browser.measures import OBSERVE, Load, load_of  # noqa: E402
from tests.support.full_library import fill  # noqa: E402
from tests.support.processes import Program, end_processes_of, environment  # noqa: E402

LEAST_POINTS = 95
LATE_MS = 1_000
MOST_IMAGES = 200
PAGES = {
    "catalog": "/storage/images",
    "local images": "/storage/images?tab=local",
    "VMs": "/vms",
    "wizard": "/vms/new",
    "profiles": "/profiles",
    "nodes": "/nodes",
    "jobs": "/jobs",
    "settings": "/settings",
}
# Lighthouse's desktop preset.
LINE = {"offline": False, "latency": 40, "downloadThroughput": 10 * 1024 * 1024 / 8, "uploadThroughput": -1}
# erfc's inverse at a fifth: where a curve gives 90 points.
_TENTH = 0.9061938024368232
FACTS = """() => ({
  doctype: document.doctype?.name === 'html', utf8: document.characterSet === 'UTF-8',
  viewport: document.querySelector('meta[name=viewport]') !== null,
  lang: document.documentElement.lang !== '',
  title: document.title !== '', secure: isSecureContext, quirks: document.compatMode === 'CSS1Compat',
})"""


@dataclass(frozen=True, kw_only=True)
class Curve:
    """``good`` gives 90 points, ``median`` 50; ``weight`` is its part of the performance's points."""

    good: float
    median: float
    weight: float

    def points(self, value: float) -> float:
        if value <= 0:
            return 100
        place = math.log(value / self.median) * _TENTH / -math.log(self.good / self.median)
        return min(100.0, 50 * math.erfc(place))


PAINT = Curve(good=934, median=1600, weight=0.10)
SPEED = Curve(good=1311, median=2300, weight=0.10)
LARGEST = Curve(good=1200, median=2400, weight=0.25)
BLOCKED = Curve(good=150, median=350, weight=0.30)
SHIFTED = Curve(good=0.1, median=0.25, weight=0.25)


def performance(load: Load) -> float:
    measured = (
        (PAINT, load.first_paint),
        (SPEED, load.largest_paint),
        (LARGEST, load.largest_paint),
        (BLOCKED, load.blocked),
        (SHIFTED, load.shifted),
    )
    return sum(curve.weight * curve.points(value) for curve, value in measured)


def signed_in(browser: Browser, program: Program) -> Page:
    page = browser.new_context(viewport={"width": 1350, "height": 940}).new_page()
    page.add_init_script(OBSERVE)
    page.goto(program.url)
    page.get_by_label("Token").fill(program.token)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1, name="Image Library")).to_be_visible()
    return page


def measured(page: Page, url: str, rounds: int) -> Load:
    """The load with the middle number of points."""
    client: Any = page.context.new_cdp_session(page)
    client.send("Network.enable")
    client.send("Network.setCacheDisabled", {"cacheDisabled": True})
    client.send("Network.emulateNetworkConditions", LINE)
    loads: list[Load] = []
    for _ in range(rounds):
        page.goto(url)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        expect(page.locator("[aria-busy=true]")).to_have_count(0)
        # What comes late, as a shift or a long task, is a part of it.
        page.wait_for_timeout(LATE_MS)
        loads.append(load_of(page))
    client.detach()
    return sorted(loads, key=performance)[len(loads) // 2]


def practices(page: Page, complaints: list[str]) -> float:
    facts: dict[str, bool] = page.evaluate(FACTS)
    for name, true in facts.items():
        if not true:
            print(f"  not so: {name}")
    for complaint in complaints:
        print(f"  console: {complaint[:160]}")
    marks = [*facts.values(), not complaints]
    return 100 * statistics.mean(marks)


def by_ourselves(browser: Browser, program: Program, rounds: int) -> bool:
    page = signed_in(browser, program)
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    met = True
    for name, path in PAGES.items():
        complaints.clear()
        load = measured(page, program.url + path, rounds)
        speed, manners, broken = performance(load), practices(page, complaints), axe(page)
        met = met and min(speed, manners) >= LEAST_POINTS and not broken
        print(
            f"{name:13} performance {speed:3.0f}: first paint {load.first_paint:4.0f} ms, largest"
            f" {load.largest_paint:4.0f} ms, blocked {load.blocked:3.0f} ms, shifts {load.shifted:.3f};"
            f" best practices {manners:3.0f}; {len(broken)} for axe"
        )
    return met


def by_lighthouse(lighthouse: str, url: str) -> bool:
    """The program's own points; the server asks nobody to sign in."""
    met = True
    flags = [
        "--preset=desktop",
        "--quiet",
        "--output=json",
        "--only-categories=performance,accessibility,best-practices",
    ]
    for name, path in PAGES.items():
        chromium = f"--chrome-flags={' '.join(FLAGS)}"
        done = subprocess.run(
            [lighthouse, url + path, *flags, chromium],
            check=True,
            capture_output=True,
            text=True,
            env={
                "CHROME_PATH": CHROMIUM,
                "PATH": "/usr/local/bin:/usr/bin:/bin",
                "HOME": tempfile.gettempdir(),
            },
        )
        found: dict[str, Any] = json.loads(done.stdout)["categories"]
        points = {title: round(100 * (each["score"] or 0)) for title, each in found.items()}
        print(f"{name:13} Lighthouse:", ", ".join(f"{title} {number}" for title, number in points.items()))
        met = met and min(points.values()) >= LEAST_POINTS
    return met


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--lighthouse", metavar="PROGRAM", default="")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lq-web-") as folder, sync_playwright() as playwright:
        data_dir = Path(folder) / "data"
        data_dir.mkdir(mode=0o700)
        fill(data_dir / "controlplane.db", MOST_IMAGES)
        env = environment(data_dir)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            with Program.start(UP, env, timeout=60) as program:
                met = by_ourselves(browser, program, given.rounds)
            if given.lighthouse:
                with Program.start((*UP, "--no-auth"), env, timeout=60) as program:
                    met = by_lighthouse(given.lighthouse, program.url) and met
        finally:
            browser.close()
            end_processes_of(data_dir)
    print(f"goal: {LEAST_POINTS} points each, nothing for axe: {'met' if met else 'MISSED'}")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
