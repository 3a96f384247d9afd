"""Walks of the real code that are killed, each in a process of its own, and what the next start finds.

    python -m tests.crash.kills FOLDER COUNT SEED

Most kills come just before or just after one operation of the seam, in turn; every fourth at any instant.
Prints one line of JSON: how many walks, the sites with their kills, and the failures.
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
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog

from tests.crash.bench import open_bench
from tests.crash.protocols import PROTOCOLS, Protocol, copy, prepare, recovered
from tests.crash.seams import Hook
from tests.support.sizes import size

# Of a slow walk's sites one in so many is taken each time round.
SLOWLY = size(4, 1)


class Kill(Hook):
    """Ends this process before or after the operation of that number, or counts the operations."""

    def __init__(self, number: int = -1) -> None:
        self._number = number
        self.count = 0
        self.seen: list[str] = []

    def before(self, operation: str, args: tuple[Any, ...]) -> None:
        self._step(f"before {operation}")

    def after(self, operation: str, args: tuple[Any, ...], result: object) -> None:
        self._step(f"after {operation}")

    def _step(self, what: str) -> None:
        if self.count == self._number:
            os.kill(os.getpid(), signal.SIGKILL)
        self.count += 1
        self.seen.append(what)


async def walked(protocol: Protocol, data: Path, hook: Hook, promise: Callable[[str], None]) -> None:
    async with open_bench(data, hook) as bench:
        await protocol.walk(bench, promise)


def in_child(work: Callable[[int], None], *, kill_after: float = 0.0) -> tuple[int, str]:
    """The status of a child that does ``work``, and what it wrote to the descriptor that it got."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(reading)
            work(writing)
            status = 0
        except BaseException as error:
            os.write(writing, f"{type(error).__name__}: {error}\n".encode()[:4000])
        finally:
            os._exit(status)
    os.close(writing)
    if kill_after:
        time.sleep(kill_after)
        os.kill(child, signal.SIGKILL)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    return os.waitpid(child, 0)[1], said


class Kills:
    def __init__(self, folder: Path, seed: int) -> None:
        self._folder = folder
        self._random = random.Random(seed)
        self._seed = seed
        self._data = folder / "data"
        self._sites: dict[str, list[str]] = {}
        self._took: dict[str, float] = {}
        self.hit: Counter[str] = Counter()
        self.tried: Counter[str] = Counter()
        self.failures: list[str] = []

    def prepare(self) -> None:
        """Make each protocol's beginning, and find out how many operations its walk has."""
        for protocol in PROTOCOLS:
            template = self._folder / protocol.name

            def count(pipe: int, protocol: Protocol = protocol, template: Path = template) -> None:
                asyncio.run(prepare(protocol, template))
                copy(template, self._data)
                hook = Kill()
                begun = time.monotonic()
                asyncio.run(walked(protocol, self._data, hook, lambda _: None))
                took = time.monotonic() - begun
                os.write(pipe, json.dumps([took, hook.seen]).encode())

            status, said = in_child(count)
            if status:
                raise RuntimeError(f"{protocol.name}: {said}")
            self._took[protocol.name], self._sites[protocol.name] = json.loads(said)
            shutil.rmtree(self._data)

    def run(self, count: int) -> None:
        order: list[tuple[Protocol, int]] = []
        # Those who begin with other seeds begin with other sites.
        rounds = self._seed
        for number in range(count):
            if number % 4 == 3:
                self._one(*self._random.choice(self._turns(rounds)), anywhere=True)
                continue
            if not order:
                turns = self._turns(rounds)
                order = self._random.sample(turns, len(turns))
                rounds += 1
            self._one(*order.pop(), anywhere=False)

    def _turns(self, rounds: int) -> list[tuple[Protocol, int]]:
        """Every site, of the slow protocols those whose turn it is."""
        return [
            (protocol, site)
            for protocol in PROTOCOLS
            for site in range(len(self._sites[protocol.name]))
            if not protocol.slow or site % SLOWLY == rounds % SLOWLY
        ]

    def _one(self, protocol: Protocol, number: int, *, anywhere: bool) -> None:
        copy(self._folder / protocol.name, self._data)
        site = f"{protocol.name} {number} {self._sites[protocol.name][number]}"
        hook = Kill(-1 if anywhere else number)
        self.tried[f"{protocol.name} anywhere" if anywhere else site] += 1

        def walk(pipe: int) -> None:
            asyncio.run(walked(protocol, self._data, hook, lambda name: told(pipe, name)))

        instant = self._random.uniform(0.001, 1.2 * self._took[protocol.name]) if anywhere else 0.0
        status, said = in_child(walk, kill_after=instant)
        promised = frozenset(said.split())
        if status not in (0, signal.SIGKILL):
            self.failures.append(f"{site}: the walk failed: {said}")
        if status == signal.SIGKILL:
            self.hit[f"{protocol.name} anywhere" if anywhere else site] += 1

        def check(_pipe: int) -> None:
            asyncio.run(recovered(protocol, self._data, promised))

        status, said = in_child(check)
        if status:
            self.failures.append(f"{site} (at {instant}): {sorted(promised)}: {said}")
        shutil.rmtree(self._data)


def told(pipe: int, name: str) -> None:
    os.write(pipe, f"{name} ".encode())


def main(folder: str, count: str, seed: str) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    kills = Kills(Path(folder), int(seed))
    kills.prepare()
    begun = time.monotonic()
    kills.run(int(count))
    took = time.monotonic() - begun
    answer = {
        "count": int(count),
        "seconds": took,
        "hit": kills.hit,
        "tried": kills.tried,
        "failures": kills.failures[:20],
    }
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
