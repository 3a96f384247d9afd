"""When which blob is read, and how fast."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from image_library.domain.errors import ImageFileMissing, ImageNotReady
from image_library.domain.inventory import DamagedImage
from image_library.domain.store_health import Damage, ScrubState
from image_library.node.ports.scrubbing import BlobTurn, RawBlob
from image_library.node.services.scrub_images import LOOK_SECONDS, ImageScrub, Verdict
from image_library.node.services.scrub_manners import MIB, Manners
from tests.fakes.hypervisor import NOON, QuickClock

WEEK = timedelta(days=7)


@dataclass
class Bytes:
    data: bytes
    # What the first reading gives instead.
    at_first: bytes = b""
    mark: tuple[int, int, int] = (1, 1, 1)
    closed: bool = False
    # Is told where it is read.
    told: Callable[[int], object] = lambda _: None

    @property
    def size(self) -> int:
        return len(self.data)

    async def read(self, offset: int) -> bytes:
        self.told(offset)
        block = (self.at_first or self.data)[offset : offset + MIB]
        if not block:
            self.at_first = b""
        return block

    async def close(self) -> None:
        self.closed = True


@dataclass
class Blobs:
    """Fulfils ``ScrubbedStore``."""

    clock: QuickClock
    blobs: dict[str, Bytes] = field(default_factory=dict[str, Bytes])
    looked: dict[str, float] = field(default_factory=dict[str, float])
    sizes: dict[str, int] = field(default_factory=dict[str, int])
    damage: Damage | None = None
    done: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    def add(self, data: bytes, *, age: timedelta, at_first: bytes = b"") -> str:
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        self.blobs[digest], self.sizes[digest] = Bytes(data, at_first=at_first), len(data)
        self.looked[digest] = -age.total_seconds()
        return digest

    async def turns(self) -> tuple[BlobTurn, ...]:
        at = {digest: NOON + timedelta(seconds=seconds) for digest, seconds in self.looked.items()}
        found = [
            BlobTurn(digest=d, looked_at=moment, verified_at=moment, name=d[:19], size_bytes=self.sizes[d])
            for d, moment in at.items()
        ]
        return tuple(sorted(found, key=lambda turn: turn.looked_at))

    async def open(self, digest: str) -> RawBlob:
        if digest not in self.blobs:
            raise ImageFileMissing("It is gone.")
        return self.blobs[digest]

    async def passed(self, digest: str, blob: RawBlob) -> bool:
        return self._note(digest, "passed")

    async def missed(self, digest: str) -> None:
        self._note(digest, "missed")

    async def condemn(self, digest: str, blob: RawBlob, actual: str) -> bool:
        self.damage = Damage(digest=digest, name=digest[:19], found_at=self.clock.now())
        return self._note(digest, "condemned")

    async def damaged(self) -> tuple[DamagedImage, ...]:
        return ()

    async def last_damage(self) -> Damage | None:
        return self.damage

    async def tidy(self) -> None:
        return

    def _note(self, digest: str, what: str) -> bool:
        self.looked[digest] = self.clock.monotonic()
        self.done.append((digest, what))
        return True


class Bench:
    def __init__(self) -> None:
        self.clock = QuickClock()
        self.store = Blobs(self.clock)
        self.told = 0
        self.others_move = False
        self.scrub = ImageScrub(
            store=self.store,
            clock=self.clock,
            rate=20 * MIB,
            interval=WEEK,
            changed=self._tell,
            others_move=lambda: self.others_move,
        )

    def _tell(self) -> None:
        self.told += 1


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_a_blob_is_read_at_the_rate_that_is_set(bench: Bench) -> None:
    bench.store.add(bytes(50 * MIB), age=WEEK)
    assert await bench.scrub.step() == 0
    assert bench.clock.monotonic() == pytest.approx(50 / 20)


async def test_whoever_was_not_read_for_longest_is_first_and_nobody_before_his_time(bench: Bench) -> None:
    young = bench.store.add(b"young", age=WEEK - timedelta(seconds=300))
    older = bench.store.add(b"older", age=WEEK)
    oldest = bench.store.add(b"oldest", age=2 * WEEK)
    assert [await bench.scrub.step() for _ in range(2)] == [0, 0]
    assert bench.store.done == [(oldest, "passed"), (older, "passed")]
    pause = await bench.scrub.step()
    assert pause == pytest.approx(300, abs=1)
    assert young not in dict(bench.store.done)
    # What was found whole is told when all are through.
    assert bench.told == 1


async def test_with_nothing_to_read_it_looks_again_later(bench: Bench) -> None:
    assert await bench.scrub.step() == LOOK_SECONDS


async def test_wrong_bytes_are_read_twice_before_they_are_believed(bench: Bench) -> None:
    unlucky = bench.store.add(b"right", age=WEEK, at_first=b"wrong")
    await bench.scrub.step()
    rotten = bench.store.add(b"before", age=2 * WEEK)
    bench.store.blobs[rotten].data = b"rotten"
    await bench.scrub.step()
    assert bench.store.done == [(unlucky, "passed"), (rotten, "condemned")]
    assert bench.told == 1


async def test_damage_that_somebody_else_had_looked_for_is_told_at_once(bench: Bench) -> None:
    rotten = bench.store.add(b"before", age=timedelta(days=1))
    bench.store.blobs[rotten].data = b"rotten"
    assert [reading.verdict async for reading in bench.scrub.verify(rotten)][-1] is Verdict.DAMAGED
    last = bench.scrub.state().last_damage
    assert last is not None
    assert last.digest == rotten


async def test_one_that_cannot_be_read_lets_the_others_go_first(bench: Bench) -> None:
    gone = bench.store.add(b"gone", age=2 * WEEK)
    there = bench.store.add(b"there", age=WEEK)
    del bench.store.blobs[gone]
    await bench.scrub.step()
    await bench.scrub.step()
    assert bench.store.done == [(gone, "missed"), (there, "passed")]
    assert bench.store.blobs[there].closed


async def test_who_asks_is_told_how_far_it_is_at_once(bench: Bench) -> None:
    digest = bench.store.add(bytes(2 * MIB), age=timedelta())
    readings = [reading async for reading in bench.scrub.verify(digest)]
    assert [(r.done, r.verdict) for r in readings] == [
        (MIB, Verdict.READING),
        (2 * MIB, Verdict.READING),
        (2 * MIB, Verdict.WHOLE),
    ]
    assert (bench.told, bench.clock.monotonic()) == (1, 0)


async def test_who_asks_for_what_is_not_there_is_refused(bench: Bench) -> None:
    with pytest.raises((ImageNotReady, ImageFileMissing)):
        _ = [reading async for reading in bench.scrub.verify("sha256:" + "0" * 64)]


async def test_beside_transfers_it_reads_slowly_and_never_stands_still(bench: Bench) -> None:
    bench.store.add(bytes(10 * MIB), age=WEEK)
    bench.others_move = True
    await bench.scrub.step()
    assert bench.clock.monotonic() == pytest.approx(10 / 2)


async def test_it_is_quick_again_when_the_transfers_end(bench: Bench) -> None:
    digest = bench.store.add(bytes(24 * MIB), age=WEEK)
    bench.others_move = True
    bench.store.blobs[digest].told = lambda offset: setattr(bench, "others_move", offset < 4 * MIB)
    await bench.scrub.step()
    assert bench.clock.monotonic() == pytest.approx(4 / 2 + 20 / 20, abs=0.6)


async def test_what_waits_for_a_day_beyond_its_turn_gives_way_no_more(bench: Bench) -> None:
    bench.store.add(bytes(20 * MIB), age=WEEK + timedelta(days=1))
    bench.others_move = True
    await bench.scrub.step()
    assert bench.clock.monotonic() == pytest.approx(20 / 20)


async def test_a_rate_below_that_is_kept(bench: Bench) -> None:
    assert Manners().rate(MIB, others_move=True, late=timedelta()) == MIB


async def test_it_tells_what_it_reads_and_when_all_is_read(bench: Bench) -> None:
    first = bench.store.add(bytes(40 * MIB), age=WEEK + timedelta(seconds=60))
    bench.store.add(bytes(20 * MIB) + b"!", age=WEEK)
    bench.store.add(b"young", age=timedelta(days=1))
    bench.store.damage = Damage(digest="sha256:ab", name="old.qcow2", found_at=NOON)
    seen: list[ScrubState] = []
    bench.store.blobs[first].told = lambda offset: seen.append(bench.scrub.state())
    await bench.scrub.step()
    half = next(state for state in seen if state.done == 20 * MIB)
    assert (half.reading, half.digest, half.percent, half.due) == (first[:19], first, 50, 2)
    assert half.done_at is not None
    left = (half.done_at - bench.clock.now()).total_seconds() + bench.clock.monotonic()
    assert left == pytest.approx(60 / 20, abs=0.1)
    assert half.last_damage == bench.store.damage
    assert (half.gives_way, half.next_at) == (False, None)


async def test_with_nothing_due_it_tells_whose_turn_is_next(bench: Bench) -> None:
    bench.store.add(b"young", age=timedelta(days=1))
    await bench.scrub.step()
    state = bench.scrub.state()
    assert (state.reading, state.due, state.done_at) == ("", 0, None)
    assert state.next_at == NOON + timedelta(days=6)
