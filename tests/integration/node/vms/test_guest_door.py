"""A VM's door with a hostile guest behind it: real HTTP on the one stream that its connections become."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from image_library.domain.guest_door import DoorLock
from image_library.domain.guest_requests import LARGEST_BODY
from image_library.domain.secret import Secret
from image_library.node.services.guest_door import MOST_ANSWERS_A_MINUTE
from tests.integration.node.vms.doors import KEY, MINE, OTHERS, PATIENCE, REPORT, Scene, Stream, post


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    scene = Scene(tmp_path)
    yield scene
    await scene.close()


async def test_a_guest_reports_once_and_it_is_written_down_before_the_answer(scene: Scene) -> None:
    guest = await scene.opened("vm-1", MINE)
    assert await guest.says(post()) == 200
    told = scene.journal.records["vm-1"].report.guest
    assert told is not None
    assert (told.instance_id, told.hostname, told.host_keys) == ("i-1", "web", (KEY,))
    assert told.reported_at is not None


async def test_a_token_is_used_up_by_the_first_report(scene: Scene) -> None:
    guest = await scene.opened("vm-1", MINE)
    assert await guest.says(post()) == 200
    first = scene.report("vm-1")
    assert await guest.says(post(REPORT.replace(b"web", b"bad"))) == 410
    # The same again is a guest that did not hear the answer: cloud-init must not fail for it.
    assert await guest.says(post()) == 200
    assert scene.report("vm-1") == first


async def test_another_vms_token_opens_nothing(scene: Scene) -> None:
    one = await scene.opened("vm-1", MINE)
    await scene.opened("vm-2", OTHERS)
    assert await one.says(post(token=OTHERS)) == 403
    assert await one.says(post(token=Secret(""))) == 403
    assert await one.says(post(token=Secret("x" * 128))) == 403
    assert scene.report("vm-1").guest is None
    assert scene.report("vm-2").guest is None
    assert await one.says(post()) == 200


async def test_what_is_no_report_does_not_use_the_token_up(scene: Scene) -> None:
    guest = await scene.opened("vm-1", MINE)
    assert await guest.says(post(b"instance_id=i&root=1")) == 400
    assert await guest.says(post()) == 200


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 405),
        (post(length=LARGEST_BODY + 1) + b"x" * (4 * LARGEST_BODY), 413),
        (b"POST /a HTTP/1.1\r\n" + b"A: b\r\n" * 5000, 431),
        (b"\xff" * 300_000, 405),
    ],
)
async def test_a_guest_that_writes_anything_else_gets_one_answer_and_is_heard_once_it_was_quiet(
    scene: Scene, data: bytes, status: int
) -> None:
    guest = await scene.opened("vm-1", MINE)
    assert await guest.says(data) == status
    await guest.writer.drain()
    while (answered := await _patiently(guest, post())) is None:
        pass
    assert answered == 200


async def _patiently(guest: Stream, data: bytes) -> int | None:
    """As cloud-init does: again, a while after there was no answer."""
    guest.writer.write(data)
    with suppress(TimeoutError):
        async with asyncio.timeout(4 * PATIENCE.quiet):
            return await guest.answer()
    return None


async def test_a_request_that_does_not_come_to_its_end_is_given_up(scene: Scene) -> None:
    guest = await scene.opened("vm-1", MINE)
    assert await guest.says(post(length=len(REPORT) + 1)) == 408
    assert await guest.says(post()) == 200


async def test_a_request_that_drips_is_given_up_too(scene: Scene) -> None:
    guest = await scene.opened("vm-1", MINE)
    answer = asyncio.create_task(guest.answer())
    for byte in post(b"x" * 9000):
        guest.writer.write(bytes((byte,)))
        await guest.writer.drain()
        await asyncio.wait({answer}, timeout=PATIENCE.quiet / 4)
        if answer.done():
            break
    assert answer.result() == 408


async def test_a_flood_of_requests_is_not_answered_for_ever(scene: Scene) -> None:
    guest = await scene.opened("vm-1", MINE)
    guest.writer.write(post(token=OTHERS) * (4 * MOST_ANSWERS_A_MINUTE))
    answers = [await guest.answer() for _ in range(MOST_ANSWERS_A_MINUTE + 1)]
    assert answers == [403] * MOST_ANSWERS_A_MINUTE + [429]
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(2 * PATIENCE.quiet):
            await guest.answer()


async def test_a_daemon_that_comes_back_frees_a_guest_that_waits_for_an_answer(scene: Scene) -> None:
    guest = await scene.opened("vm-1", MINE, again=True)
    assert await guest.answer() == 503
    assert await guest.says(post()) == 200


async def test_when_the_stream_breaks_off_the_door_is_opened_again(scene: Scene) -> None:
    guest = await scene.opened("vm-1", MINE)
    guest.writer.write(post()[:50])
    guest.writer.close()
    guest = await scene.stream("vm-1")
    assert await guest.answer() == 503
    assert await guest.says(post()) == 200


async def test_a_vm_without_a_lock_takes_no_token(scene: Scene) -> None:
    guest = await scene.opened("vm-1", MINE)
    scene.records.adopt(replace(scene.records.get("vm-1"), lock=DoorLock()))
    assert await guest.says(post()) == 403
