"""Two actors, one step at a time, in every order there is: what a race would have to be lucky to find."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import AbstractContextManager, asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from image_library.controlplane.ports.records import Database, Records
from image_library.domain.changes import Changed

_ME: ContextVar[str] = ContextVar("actor", default="")
# An actor that neither ends nor comes to its next step within this many seconds waits for another.
_BLOCKED_AFTER = 5.0


@dataclass
class Turns:
    """Who may go on next, as the schedule says; beyond its end the first who can."""

    schedule: tuple[int, ...] = ()
    # For each decision: what was chosen, and among how many.
    taken: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    # An actor's own tasks may stand at a step too.
    _waiting: dict[str, list[asyncio.Future[None]]] = field(
        default_factory=dict[str, list[asyncio.Future[None]]]
    )
    _moved: asyncio.Event = field(default_factory=asyncio.Event)

    async def step(self) -> None:
        """Every actor stops here until it is its turn; whoever is no actor just goes on."""
        me = _ME.get()
        if me:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.setdefault(me, []).append(turn)
            self._moved.set()
            await turn

    async def run(self, *actors: Coroutine[Any, Any, object]) -> list[object]:
        """What each actor came to: its result, or the exception that ended it."""
        names = [f"actor-{n}" for n in range(len(actors))]
        tasks = {n: asyncio.create_task(self._act(n, a)) for n, a in zip(names, actors, strict=True)}
        going = set(names)
        while going:
            await self._all_stopped(tasks, going)
            going = {name for name in going if not tasks[name].done()}
            ready = sorted(name for name in going if self._waiting.get(name))
            if ready:
                self._waiting[ready[self._choose(len(ready))]].pop(0).set_result(None)
        return [await tasks[name] for name in names]

    def _choose(self, options: int) -> int:
        at = len(self.taken)
        chosen = self.schedule[at] % options if at < len(self.schedule) else 0
        self.taken.append((chosen, options))
        return chosen

    async def _act(self, name: str, actor: Coroutine[Any, Any, object]) -> object:
        _ME.set(name)
        try:
            await self.step()
            return await actor
        except Exception as error:
            return error
        finally:
            self._moved.set()

    async def _all_stopped(self, tasks: dict[str, asyncio.Task[object]], going: set[str]) -> None:
        """Until each actor has ended or stands at a step."""
        async with asyncio.timeout(_BLOCKED_AFTER):
            while any(not tasks[n].done() and not self._waiting.get(n) for n in going):
                self._moved.clear()
                waiting = [asyncio.ensure_future(self._moved.wait()), *(tasks[n] for n in going)]
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                waiting[0].cancel()


async def every_order(play: Callable[[Turns], Awaitable[None]]) -> int:
    """Play again and again, each time in another order, until there is none left; how often that was."""
    schedule: tuple[int, ...] | None = ()
    plays = 0
    while schedule is not None:
        turns = Turns(schedule=schedule)
        await play(turns)
        plays += 1
        schedule = _following(turns.taken)
    return plays


async def some_orders(play: Callable[[Turns], Awaitable[None]], *, plays: int, seed: int = 1) -> int:
    """Play as often, each time in an order drawn by lot, where playing all of them takes too long."""
    lot = random.Random(seed)
    for _ in range(plays):
        await play(Turns(schedule=tuple(lot.randrange(2) for _ in range(64))))
    return plays


def _following(taken: list[tuple[int, int]]) -> tuple[int, ...] | None:
    """The next schedule after what was just played, as one counts; None at the end."""
    while taken and taken[-1][0] + 1 >= taken[-1][1]:
        taken.pop()
    if not taken:
        return None
    *before, (chosen, _) = taken
    return (*(choice for choice, _ in before), chosen + 1)


class SteppedDatabase:
    """A database before whose every transaction an actor waits for its turn."""

    def __init__(self, database: Database, turns: Turns) -> None:
        self._database = database
        self._turns = turns

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[Records]:
        await self._turns.step()
        async with self._database.read() as records:
            yield records

    @asynccontextmanager
    async def write(self) -> AsyncGenerator[Records]:
        await self._turns.step()
        async with self._database.write() as records:
            yield records

    def follow(self) -> AbstractContextManager[Changed]:
        return self._database.follow()

    async def sequence(self) -> int:
        return await self._database.sequence()

    async def images_sequence(self) -> int:
        return await self._database.images_sequence()

    async def secret(self, name: str) -> str:
        return await self._database.secret(name)
