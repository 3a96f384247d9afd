#!/usr/bin/env python3
"""ListImages, 100 of 100,000 images, against OpenStack Glance listing 100 of 10,000.

Run it alone: .venv/bin/python bench/list_images.py [--rounds N] [--seconds N] [--cache DIR]
Ours is the real process: Connect JSON over loopback, SQLite, one worker, with its token. Glance is its newest
release from PyPI under uwsgi with SQLite, one worker, without authentication (see bench/peers/glance.py).
Both are held to one core and asked by the same load from another; they take turns. The first page is asked
for again and again, and then every page in turn, which nobody can hold ready.
Goals: 25 times Glance's requests per second; p99 below 20 ms at 8 connections; page 500 costs as page 1.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import statistics
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

from bench.cores import Running, described, hold_load  # noqa: E402
from bench.load import Measured, load, request  # noqa: E402
from bench.peers import glance  # noqa: E402
from bench.server import Server, filled, serving  # noqa: E402
from tests.support.full_library import an_image  # noqa: E402

IMAGES, PEER_IMAGES, PAGE = 100_000, 10_000, 100
CONNECTIONS = 8
GOAL_RATIO, GOAL_P99_MS, GOAL_PAGES = 25.0, 20.0, 1.25
FAR_PAGE = 500
_PAGE_TURNS = 30
_SERVICE = "/limiquantix.storage.v1.ImageService/"


class Library:
    """Our control plane as a client sees it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._changes = 0
        self._headers = {"authorization": f"Bearer {server.token}"}

    def call(self, rpc: str, message: dict[str, Any]) -> dict[str, Any]:
        headers = self._headers | {"content-type": "application/json"}
        with closing(http.client.HTTPConnection("127.0.0.1", self.server.port)) as connection:
            connection.request("POST", _SERVICE + rpc, json.dumps(message), headers)
            answer = connection.getresponse()
            text = answer.read()
        if answer.status != 200:
            sys.exit(f"{rpc} answered {answer.status}: {text[:500].decode()}")
        return json.loads(text)

    def page(self, token: str) -> bytes:
        """The request for a page."""
        return request("POST", _SERVICE + "ListImages", json.dumps(_page(token)).encode(), **self._headers)

    def tokens(self) -> list[str]:
        """Of every page, found by walking through them all."""
        found, seen = [""], 0
        while True:
            answer = self.call("ListImages", _page(found[-1]))
            seen += len(answer["images"])
            if not answer.get("nextPageToken"):
                break
            found.append(answer["nextPageToken"])
        if seen != IMAGES or answer["totalCount"] != IMAGES:
            sys.exit(f"{seen} images were listed, {answer['totalCount']} counted: not {IMAGES}.")
        return found

    def change(self) -> None:
        """Something in the library is another from now on: no page that was read before counts."""
        self._changes += 1
        said = f"changed {self._changes} times"
        self.call("UpdateImage", {"id": an_image(IMAGES // 4).id, "description": said})


def _page(token: str) -> dict[str, Any]:
    return {"pageSize": PAGE, "pageToken": token} if token else {"pageSize": PAGE}


def peer_pages(peer: glance.Glance) -> list[bytes]:
    """Glance's marker is the last image of the page before; the newest come first."""
    markers = [peer.id_of(number) for number in range(peer.images - PAGE, 0, -PAGE)]
    paths = ["", *(f"&marker={marker}" for marker in markers)]
    return [request("GET", f"/v2/images?limit={PAGE}{more}") for more in paths]


@dataclass
class Way:
    """Requests for a server, one after the other and from the beginning again, and how that went."""

    server: Running
    requests: list[bytes]
    rounds: list[Measured] = field(default_factory=list[Measured])
    cpu_seconds: float = 0.0

    def run(self, seconds: float) -> None:
        before = self.server.cpu_seconds()
        asking = itertools.cycle(self.requests)
        self.rounds.append(load(self.server.port, asking, connections=CONNECTIONS, seconds=seconds))
        self.cpu_seconds += self.server.cpu_seconds() - before

    @property
    def per_second(self) -> float:
        return statistics.median(each.per_second for each in self.rounds)

    @property
    def cpu_ms(self) -> float:
        """Of the server, for one request."""
        return self.cpu_seconds / sum(len(each.latencies) for each in self.rounds) * 1000

    def percentile_ms(self, share: float) -> float:
        return statistics.median(each.percentile(share) for each in self.rounds) * 1000

    def __str__(self) -> str:
        times = f"p50 {self.percentile_ms(0.5):7.2f} ms   p99 {self.percentile_ms(0.99):7.2f} ms"
        return f"{self.per_second:8.1f} requests/s   {times}   CPU {self.cpu_ms:6.2f} ms"


def cost_of_pages(library: Library, pages: list[bytes], before: Callable[[], object]) -> list[float]:
    """Median milliseconds of each page, asked for in turns by one connection, after ``before`` each time."""
    times: list[list[float]] = [[] for _ in pages]
    for _ in range(_PAGE_TURNS):
        for page, took in zip(pages, times, strict=True):
            before()
            took += load(library.server.port, iter((page,)), connections=1).latencies
    return [statistics.median(each) * 1000 for each in times]


def measure(running: Running, peer: glance.Glance, library: Library, options: argparse.Namespace) -> bool:
    tokens = library.tokens()
    pages, peers = [library.page(token) for token in tokens], peer_pages(peer)
    hold_load()
    print(described())
    ways = {
        "Glance, first page": Way(running, peers[:1]),
        "ours, first page": Way(library.server, pages[:1]),
        "Glance, every page": Way(running, peers),
        "ours, every page": Way(library.server, pages),
    }
    for _, way in itertools.product(range(options.rounds), ways.values()):
        way.run(options.seconds)
    for name, way in ways.items():
        print(f"{name:20} {way}")
    near_and_far = [pages[0], pages[FAR_PAGE - 1]]
    fresh = cost_of_pages(library, near_and_far, library.change)
    held = cost_of_pages(library, near_and_far, lambda: None)
    for when, cost in (("right after a change", fresh), ("while nothing changes", held)):
        print(f"page 1 {cost[0]:.2f} ms, page {FAR_PAGE} {cost[1]:.2f} ms {when}")
    return verdict(ways, fresh)


def verdict(ways: dict[str, Way], fresh: list[float]) -> bool:
    first, every = ways["ours, first page"], ways["ours, every page"]
    peer, peer_every = ways["Glance, first page"], ways["Glance, every page"]
    ratio, p99, pages = first.per_second / peer.per_second, first.percentile_ms(0.99), fresh[1] / fresh[0]
    print(f"first page: {peer.cpu_ms / first.cpu_ms:.1f} x less CPU than Glance")
    print(f"every page: {every.per_second / peer_every.per_second:.1f} x Glance")
    goals = {
        f"first page {ratio:.1f} x Glance, at least {GOAL_RATIO:g} x": ratio >= GOAL_RATIO,
        f"p99 {p99:.2f} ms, below {GOAL_P99_MS:g} ms": p99 < GOAL_P99_MS,
        f"page {FAR_PAGE} {pages:.2f} x page 1, at most {GOAL_PAGES:g} x": pages <= GOAL_PAGES,
    }
    for goal, met in goals.items():
        print(f"goal: {goal}: {'met' if met else 'MISSED'}")
    return all(goals.values())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each way in each round")
    parser.add_argument(
        "--cache", type=Path, default=glance.CACHE, help="where Glance and the filled library are kept"
    )
    options = parser.parse_args()
    peer = glance.prepared(PEER_IMAGES, options.cache)
    with tempfile.TemporaryDirectory(prefix="list-images-") as folder:
        data_dir = Path(folder, "data")
        filled(data_dir, IMAGES, options.cache)
        with serving(data_dir) as server, glance.serving(peer) as running:
            return 0 if measure(running, peer, Library(server), options) else 1


if __name__ == "__main__":
    sys.exit(main())
