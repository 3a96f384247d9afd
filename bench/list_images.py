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
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

from bench.cores import described, hold_load  # noqa: E402
from bench.load import Measured, load, request  # noqa: E402
from bench.peers import glance  # noqa: E402
from bench.server import Server, an_image, filled, serving  # noqa: E402

IMAGES, PEER_IMAGES, PAGE = 100_000, 10_000, 100
CONNECTIONS = 8
GOAL_RATIO, GOAL_P99_MS, GOAL_PAGES = 25.0, 20.0, 1.25
FAR_PAGE = 500
_PAGE_TURNS = 30
_SERVICE = "/limiquantix.storage.v1.ImageService/"


class Library:
    """Our control plane as a client sees it."""

    def __init__(self, server: Server) -> None:
        self.port = server.port
        self._headers = {"authorization": f"Bearer {server.token}"}

    def call(self, rpc: str, message: dict[str, Any]) -> dict[str, Any]:
        headers = self._headers | {"content-type": "application/json"}
        with closing(http.client.HTTPConnection("127.0.0.1", self.port)) as connection:
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

    def change(self, text: str) -> None:
        """Something in the library is another from now on: no page that was read before counts."""
        self.call("UpdateImage", {"id": an_image(IMAGES // 2).id, "description": text})


def _page(token: str) -> dict[str, Any]:
    return {"pageSize": PAGE, "pageToken": token} if token else {"pageSize": PAGE}


def peer_pages(peer: glance.Glance) -> list[bytes]:
    """Glance's marker is the last image of the page before; the newest come first."""
    markers = [peer.id_of(number) for number in range(peer.images - PAGE, 0, -PAGE)]
    paths = ["", *(f"&marker={marker}" for marker in markers)]
    return [request("GET", f"/v2/images?limit={PAGE}{more}") for more in paths]


def take_turns(
    ways: dict[str, tuple[int, list[bytes]]], rounds: int, seconds: float
) -> dict[str, list[Measured]]:
    measured: dict[str, list[Measured]] = {way: [] for way in ways}
    for _, (way, (port, requests)) in itertools.product(range(rounds), ways.items()):
        measured[way].append(load(port, itertools.cycle(requests), connections=CONNECTIONS, seconds=seconds))
    return measured


def cost_of_pages(library: Library, pages: list[bytes], before: Callable[[int], object]) -> list[float]:
    """Median milliseconds of each page, asked for in turns by one connection, after ``before`` each time."""
    times: list[list[float]] = [[] for _ in pages]
    for turn in range(_PAGE_TURNS):
        for page, took in zip(pages, times, strict=True):
            before(turn)
            took += load(library.port, iter((page,)), connections=1).latencies
    return [statistics.median(each) * 1000 for each in times]


def measure(peer_port: int, peer: glance.Glance, library: Library, options: argparse.Namespace) -> bool:
    tokens = library.tokens()
    first, far = library.page(""), library.page(tokens[FAR_PAGE - 1])
    others = peer_pages(peer)
    hold_load()
    print(described())
    ways = {
        "Glance, first page": (peer_port, others[:1]),
        "ours, first page": (library.port, [first]),
        "Glance, every page": (peer_port, others),
        "ours, every page": (library.port, [library.page(token) for token in tokens]),
    }
    measured = take_turns(ways, options.rounds, options.seconds)
    for way, rounds in measured.items():
        show(way, rounds)
    held = cost_of_pages(library, [first, far], lambda _: None)
    fresh = cost_of_pages(library, [first, far], lambda turn: library.change(f"turn {turn}"))
    print(f"page 1, page {FAR_PAGE}: {held[0]:.2f} ms, {held[1]:.2f} ms while nothing changes")
    print(f"page 1, page {FAR_PAGE}: {fresh[0]:.2f} ms, {fresh[1]:.2f} ms right after a change")
    return verdict(measured, fresh)


def show(way: str, rounds: list[Measured]) -> None:
    rate = middle(rounds, lambda each: each.per_second)
    p50 = middle(rounds, lambda each: each.percentile(0.50)) * 1000
    p99 = middle(rounds, lambda each: each.percentile(0.99)) * 1000
    print(f"{way:20} {rate:8.1f} requests/s   p50 {p50:7.2f} ms   p99 {p99:7.2f} ms")


def middle(rounds: list[Measured], of: Callable[[Measured], float]) -> float:
    return statistics.median(of(each) for each in rounds)


def verdict(measured: dict[str, list[Measured]], fresh: list[float]) -> bool:
    rates = {way: middle(rounds, lambda each: each.per_second) for way, rounds in measured.items()}
    ratio = rates["ours, first page"] / rates["Glance, first page"]
    every = rates["ours, every page"] / rates["Glance, every page"]
    p99 = middle(measured["ours, first page"], lambda each: each.percentile(0.99)) * 1000
    pages = fresh[1] / fresh[0]
    print(f"every page: {every:.1f} x Glance")
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
        with serving(data_dir) as server, glance.serving(peer) as port:
            return 0 if measure(port, peer, Library(server), options) else 1


if __name__ == "__main__":
    sys.exit(main())
