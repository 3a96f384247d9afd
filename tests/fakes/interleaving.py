"""Two actors, one step at a time, in every order there is: what a race would have to be lucky to find."""

from __future__ import annotations

import asyncio
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


@dataclass(frozen=True)
class Choice:
    """Who went on, among how many; the first is whoever went on last, if it can."""

    chosen: int
    options: int
    # Choosing another takes the turn from one that could have gone on.
    interrupts: bool

    @property
    def is_switch(self) -> bool:
        return self.interrupts and self.chosen > 0


@dataclass
class Turns:
    """Who may go on next, as the schedule says; beyond its end whoever went on last, if it can."""

    schedule: tuple[int, ...] = ()
    taken: list[Choice] = field(default_factory=list[Choice])
    _last: str = ""
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
            ready = [name for name in going if self._waiting.get(name)]
            if ready:
                self._last = self._choose(sorted(ready, key=lambda name: (name != self._last, name)))
                self._waiting[self._last].pop(0).set_result(None)
        return [await tasks[name] for name in names]

    def _choose(self, ready: list[str]) -> str:
        at = len(self.taken)
        chosen = self.schedule[at] % len(ready) if at < len(self.schedule) else 0
        self.taken.append(Choice(chosen, len(ready), interrupts=ready[0] == self._last))
        return ready[chosen]

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


async def every_order(play: Callable[[Turns], Awaitable[None]], *, switches: int | None = None) -> int:
    """Play again and again, each time in another order, until there is none left; how often that was.

    With `switches`, only the orders in which so many times at most the turn is taken from an actor that
    could have gone on: all orders are as many as a power of the steps, and nearly every race needs two
    (Musuvathi and Qadeer, "Iterative context bounding for systematic testing", 2007).
    """
    schedule: tuple[int, ...] | None = ()
    plays = 0
    while schedule is not None:
        turns = Turns(schedule=schedule)
        await play(turns)
        plays += 1
        schedule = _following(turns.taken, switches)
    return plays


def _following(taken: list[Choice], switches: int | None) -> tuple[int, ...] | None:
    """The next schedule after what was just played, as one counts; None at the end."""
    while taken:
        last = taken.pop()
        spent = sum(choice.is_switch for choice in taken) + last.interrupts
        if last.chosen + 1 < last.options and (switches is None or spent <= switches):
            return (*(choice.chosen for choice in taken), last.chosen + 1)
    return None


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
