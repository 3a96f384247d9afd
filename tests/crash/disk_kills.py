"""Work on a VM's disk that is killed before each change that it makes, and what the next start finds.

    python -m tests.crash.disk_kills FOLDER COUNT SEED

Every fourth kill comes at any instant, also while programs work that the node has started. Prints one line
of JSON: how long it took, the sites with their kills, and the failures.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import structlog

from tests.crash.calls import Calls
from tests.crash.disk_walks import WALKS, Walk, prepare, recovered, walked
from tests.crash.kills import in_child
from tests.crash.protocols import copy
from tests.support.sizes import size

# One in so many of a walk's sites is taken each time round.
SLOWLY = size(6, 1)


class Kills:
    def __init__(self, folder: Path, seed: int) -> None:
        self._data, self._template = folder / "data", folder / "template"
        self._random = random.Random(seed)
        self._seed = seed
        self._known: dict[str, str] = {}
        self._sites: dict[str, list[str]] = {}
        self._took: dict[str, float] = {}
        self.hit: Counter[str] = Counter()
        self.tried: Counter[str] = Counter()
        self.failures: list[str] = []

    def prepare(self) -> None:
        self._known = self._in_child(lambda: prepare(self._data))
        # Always at the same place: disks name the files below them.
        copy(self._data, self._template)
        for walk in WALKS:
            calls = Calls()

            async def whole(walk: Walk = walk, calls: Calls = calls) -> tuple[float, list[str]]:
                begun = time.monotonic()
                await walked(walk, self._data, calls, self._known)
                return time.monotonic() - begun, calls.seen

            self._anew()
            self._took[walk.name], self._sites[walk.name] = self._in_child(whole)

    def _anew(self) -> None:
        shutil.rmtree(self._data)
        copy(self._template, self._data)

    def _in_child(self, work: Callable[[], Awaitable[Any]]) -> Any:
        async def awaited() -> Any:
            return await work()

        status, said = in_child(lambda pipe: _tell(pipe, json.dumps(asyncio.run(awaited()))))
        if status:
            raise RuntimeError(said)
        return json.loads(said)

    def run(self, count: int) -> None:
        order: list[tuple[Walk, int]] = []
        # Those who begin with other seeds begin with other sites.
        rounds = self._seed
        for number in range(count):
            if number % 4 == 3:
                self._one(self._random.choice(WALKS), 0, anywhere=True)
                continue
            if not order:
                order = self._turns(rounds)
                self._random.shuffle(order)
                rounds += 1
            self._one(*order.pop(), anywhere=False)

    def _turns(self, rounds: int) -> list[tuple[Walk, int]]:
        return [
            (walk, site)
            for walk in WALKS
            # The last one is after all of them.
            for site in range(len(self._sites[walk.name]) + 1)
            if site % SLOWLY == rounds % SLOWLY
        ]

    def _one(self, walk: Walk, number: int, *, anywhere: bool) -> None:
        self._anew()
        sites = [*self._sites[walk.name], "end"]
        site = f"{walk.name} anywhere" if anywhere else f"{walk.name} {number} {sites[number]}"
        self.tried[site] += 1
        calls = Calls(-1 if anywhere else number)

        def work(pipe: int) -> None:
            asyncio.run(walked(walk, self._data, calls, self._known))
            os.write(pipe, b"done")

        instant = self._random.uniform(0.02, 1.1 * self._took[walk.name]) if anywhere else 0.0
        status, said = in_child(work, kill_after=instant)
        if status == signal.SIGKILL:
            self.hit[site] += 1
        elif status:
            self.failures.append(f"{site}: the work failed: {said}")
        finished = said.endswith("done")
        checked = recovered(walk, self._data, self._known, finished=finished)
        status, said = in_child(lambda _: asyncio.run(checked))
        checked.close()
        if status:
            self.failures.append(f"{site} (at {instant}): {said}")


def _tell(pipe: int, said: str) -> None:
    os.write(pipe, said.encode())


def main(folder: str, count: str, seed: str) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    kills = Kills(Path(folder), int(seed))
    kills.prepare()
    begun = time.monotonic()
    kills.run(int(count))
    answer = {
        "seconds": time.monotonic() - begun,
        "hit": kills.hit,
        "tried": kills.tried,
        "failures": kills.failures[:20],
    }
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
