"""Calls with keys: done once, answered alike, also after a crash between the effect and its answer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from image_library.controlplane.services.import_wish import Description, ImportWish
from image_library.controlplane.services.repeated_calls import RepeatedCalls
from image_library.domain.errors import IdempotencyConflict, InvalidRequest, NameTaken, NoNodeReady
from tests.fakes.control_plane import Plane
from tests.fakes.control_values import a_node

CALL = {"key": "k1", "rpc": "Service/Do", "request_digest": "ab"}


class Work:
    """Counts how often it was done."""

    def __init__(self, *errors: Exception) -> None:
        self.done: list[bool] = []
        self._errors = list(errors)

    async def __call__(self, again: bool) -> str:
        self.done.append(again)
        await asyncio.sleep(0)
        if self._errors:
            raise self._errors.pop(0)
        return f"answer {len(self.done)}"


@pytest.fixture
def calls(plane: Plane) -> RepeatedCalls:
    return RepeatedCalls(database=plane.database, clock=plane.clock)


async def test_a_call_is_done_once_and_answered_alike(calls: RepeatedCalls) -> None:
    work = Work()
    answers = [await calls.once(**CALL, do=work) for _ in range(3)]
    together = await asyncio.gather(*(calls.once(**CALL, do=work) for _ in range(5)))
    assert set(answers) | set(together) == {"answer 1"}
    assert work.done == [False]


async def test_calls_that_come_together_wait_for_the_first(calls: RepeatedCalls) -> None:
    work = Work()
    assert set(await asyncio.gather(*(calls.once(**CALL, do=work) for _ in range(5)))) == {"answer 1"}
    assert work.done == [False]


async def test_an_error_is_an_answer_too(calls: RepeatedCalls) -> None:
    work = Work(NameTaken("It exists.", remedy="Choose.", field="name"))
    said: list[tuple[str, str, str]] = []
    for _ in range(2):
        with pytest.raises(NameTaken) as refused:
            await calls.once(**CALL, do=work)
        said.append((refused.value.message, refused.value.remedy, refused.value.field))
    assert said == [("It exists.", "Choose.", "name")] * 2
    assert work.done == [False]


async def test_what_passes_by_itself_is_no_answer(calls: RepeatedCalls) -> None:
    work = Work(NoNodeReady("None."))
    with pytest.raises(NoNodeReady):
        await calls.once(**CALL, do=work)
    assert await calls.once(**CALL, do=work) == "answer 2"
    assert work.done == [False, True]


@pytest.mark.parametrize("other", [{"rpc": "Service/Undo"}, {"request_digest": "cd"}])
async def test_a_key_is_for_one_request(calls: RepeatedCalls, other: dict[str, Any]) -> None:
    await calls.once(**CALL, do=Work())
    work = Work()
    with pytest.raises(IdempotencyConflict):
        await calls.once(**{**CALL, **other}, do=work)
    assert work.done == []


@pytest.mark.parametrize("key", ["", "x" * 201, "a\nb", "\u200f"])
async def test_a_key_that_is_none_is_refused(calls: RepeatedCalls, key: str) -> None:
    with pytest.raises(InvalidRequest):
        await calls.once(**{**CALL, "key": key}, do=Work())


async def test_a_call_whose_answer_was_lost_is_begun_again(plane: Plane, calls: RepeatedCalls) -> None:
    class Killed(BaseException):
        pass

    async def killed(again: bool) -> str:
        raise Killed

    with pytest.raises(Killed):
        await calls.once(**CALL, do=killed)
    after = RepeatedCalls(database=plane.database, clock=plane.clock)
    work = Work()
    assert await after.once(**CALL, do=work) == "answer 1"
    assert work.done == [True]


async def test_what_a_lost_call_made_is_found_again(plane: Plane) -> None:
    """The crash came after the transaction that made it, and before the answer was kept."""
    await plane.know(a_node())
    calls = RepeatedCalls(database=plane.database, clock=plane.clock)
    wish = ImportWish(url="https://example.org/web.qcow2", image=Description(), key="k1")
    made: list[str] = []

    class Killed(BaseException):
        pass

    async def importing(again: bool) -> str:
        job, image = await plane.imports.start(wish)
        made.append(f"{job.id} {image.id}")
        if not again:
            raise Killed
        return made[-1]

    with pytest.raises(Killed):
        await calls.once(**CALL, do=importing)
    assert await calls.once(**CALL, do=importing) == made[0] == made[1]
    async with plane.database.read() as records:
        assert len(await records.jobs.live()) == 1


async def test_a_lost_registration_is_found_again(plane: Plane) -> None:
    calls = RepeatedCalls(database=plane.database, clock=plane.clock)

    async def nothing(again: bool) -> str:
        raise NoNodeReady("Only to have the key written down.")

    with pytest.raises(NoNodeReady):
        await calls.once(**CALL, do=nothing)
    first = await plane.imports.register(Description(name="web"), key="k1")
    again = await plane.imports.register(Description(name="web"), key="k1")
    assert again == first
    with pytest.raises(NameTaken):
        await plane.imports.register(Description(name="web"))
