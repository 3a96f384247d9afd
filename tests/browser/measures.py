"""What Chromium itself measures of a page: paints, long tasks, shifts of the layout, frames, bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Page

# Before any script of the page: entries of what happens while it loads.
OBSERVE = """
window.measured = {paint: 0, largest: 0, blocked: 0, shifted: 0};
const follow = (type, take) => new PerformanceObserver(list => list.getEntries().forEach(take))
    .observe({type, buffered: true});
follow('paint', one => { if (one.name === 'first-contentful-paint') measured.paint = one.startTime; });
follow('largest-contentful-paint', one => { measured.largest = one.startTime; });
follow('longtask', one => { measured.blocked += Math.max(0, one.duration - 50); });
follow('layout-shift', one => { if (!one.hadRecentInput) measured.shifted += one.value; });
"""
_LOAD = """() => {
  const files = [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]
    .filter(one => one.initiatorType !== 'fetch');
  const sum = of => files.filter(of).reduce((bytes, one) => bytes + one.encodedBodySize, 0);
  const isScript = one => new URL(one.name).pathname.endsWith('.js');
  return {...measured, bytes: sum(() => true), script: sum(isScript)};
}"""
# Scrolls a table by so many pixels in each frame, for so many frames; answers with what each frame took.
_SCROLL = """([selector, step, count]) => new Promise(done => {
  const table = document.querySelector(selector);
  const took = [];
  let before;
  let most = 0;
  const turn = now => {
    if (before !== undefined) took.push(now - before);
    before = now;
    most = Math.max(most, table.querySelectorAll('[data-line]').length);
    if (took.length >= count) return done({took, most});
    table.scrollTop += step;
    requestAnimationFrame(turn);
  };
  requestAnimationFrame(turn);
})"""
# Types into a search field as one paste does, and waits for the frame after the count has changed.
_SEARCH = """([words, wanted]) => new Promise(done => {
  const field = document.querySelector('main input[type=search]');
  const set = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set;
  const began = performance.now();
  set.call(field, words);
  field.dispatchEvent(new Event('input', {bubbles: true}));
  const look = () => document.querySelector('main').innerText.includes(wanted)
    ? requestAnimationFrame(() => done(performance.now() - began)) : setTimeout(look, 1);
  look();
})"""
# Notes when the words first stood on the page, whoever draws them.
_NOTE = """words => {
  window.shownAt = 0;
  const look = () => {
    if (window.shownAt || !document.querySelector('main').innerText.includes(words)) return;
    window.shownAt = Date.now();
  };
  new MutationObserver(look).observe(document.body, {subtree: true, childList: true, characterData: true});
}"""
# Slower than that, a frame is dropped to the eye (issue: no frames over 32 ms).
LONGEST_FRAME_MS = 32.0


@dataclass(frozen=True, kw_only=True)
class Load:
    """Milliseconds since the navigation began, and bytes as they travelled, packed."""

    first_paint: float
    largest_paint: float
    blocked: float
    shifted: float
    bytes: int
    script_bytes: int


@dataclass(frozen=True, kw_only=True)
class Scroll:
    """``took``: milliseconds of each frame."""

    took: list[float]
    most_rows: int

    @property
    def slow_share(self) -> float:
        return sum(each > LONGEST_FRAME_MS for each in self.took) / len(self.took)


def load_of(page: Page) -> Load:
    found: dict[str, Any] = page.evaluate(_LOAD)
    return Load(
        first_paint=found["paint"],
        largest_paint=found["largest"],
        blocked=found["blocked"],
        shifted=found["shifted"],
        bytes=found["bytes"],
        script_bytes=found["script"],
    )


def scrolled(page: Page, *, step: int, frames: int, table: str = ".rows") -> Scroll:
    found: dict[str, Any] = page.evaluate(_SCROLL, [table, step, frames])
    return Scroll(took=found["took"], most_rows=found["most"])


def searched(page: Page, words: str, wanted: str) -> float:
    """Milliseconds from the typing to the frame that shows ``wanted``."""
    return float(page.evaluate(_SEARCH, [words, wanted]))


def noted(page: Page, words: str) -> None:
    """From now on, note when ``words`` first stand in the page's main part."""
    page.evaluate(_NOTE, words)


def seconds_shown(page: Page) -> float:
    """When what was noted last was shown, in seconds since 1970; waits for it."""
    page.wait_for_function("() => window.shownAt > 0")
    return float(page.evaluate("() => window.shownAt")) / 1000
