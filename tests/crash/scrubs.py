"""A scrub of three images that is killed at each block that it reads, and what the next start does.

    python -m tests.crash.scrubs FOLDER

Once with whole images, once with one that has rotted. Prints one line of JSON: the kills, and the failures.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from image_library.domain.inventory import DamagedImage
from image_library.domain.store_health import Damage
from image_library.node.ports.scrubbing import BlobTurn, RawBlob, ScrubbedStore
from image_library.node.services.scrub_images import ImageScrub
from tests.crash.bench import Bench, QuickClock, open_bench, order, ready
from tests.crash.kills import in_child
from tests.crash.material import PUBLISHED, sha256_of
from tests.crash.protocols import copy, rot
from tests.fakes.node_images import raw_disk

# Three blocks each, the last one short.
IMAGES = [raw_disk(512) + random.Random(seed).randbytes((5 << 19) - 512) for seed in range(3, 6)]
DIGESTS = [f"sha256:{sha256_of(image)}" for image in IMAGES]
URLS = [f"https://cloud.example.org/{number}.img" for number in range(len(IMAGES))]
PUBLISHED.update(zip(URLS, IMAGES, strict=True))
ROTTEN = 1


@dataclass
class Readings:
    """Which image was read at which offset; ends the process before the one of that number."""

    killed_at: int = -1
    seen: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])

    def read(self, digest: str, offset: int) -> None:
        if len(self.seen) == self.killed_at:
            os.kill(os.getpid(), signal.SIGKILL)
        self.seen.append((digest, offset))


class WatchedBlob:
    def __init__(self, real: RawBlob, digest: str, readings: Readings) -> None:
        self._real = real
        self._digest = digest
        self._readings = readings
        self.size = real.size
        self.mark = real.mark

    async def read(self, offset: int) -> bytes:
        self._readings.read(self._digest, offset)
        return await self._real.read(offset)

    async def close(self) -> None:
        await self._real.close()


class WatchedStore:
    """Fulfils ``ScrubbedStore``: the real one, whose blobs are watched."""

    def __init__(self, real: ScrubbedStore, readings: Readings) -> None:
        self._real = real
        self._readings = readings

    async def turns(self) -> tuple[BlobTurn, ...]:
        return await self._real.turns()

    async def open(self, digest: str) -> RawBlob:
        return WatchedBlob(await self._real.open(digest), digest, self._readings)

    async def passed(self, digest: str, blob: RawBlob) -> bool:
        return await self._real.passed(digest, blob)

    async def missed(self, digest: str) -> None:
        await self._real.missed(digest)

    async def condemn(self, digest: str, blob: RawBlob, actual: str) -> bool:
        return await self._real.condemn(digest, blob, actual)

    async def damaged(self) -> tuple[DamagedImage, ...]:
        return await self._real.damaged()

    async def last_damage(self) -> Damage | None:
        return await self._real.last_damage()

    async def tidy(self) -> None:
        await self._real.tidy()


@asynccontextmanager
async def scrubbing(data: Path, readings: Readings) -> AsyncGenerator[tuple[Bench, ImageScrub]]:
    async with open_bench(data) as bench:
        store = WatchedStore(bench.store.scrub, readings)
        yield (
            bench,
            ImageScrub(
                store=store,
                clock=QuickClock(),
                rate=1 << 40,
                interval=timedelta(0),
                changed=lambda: None,
                others_move=lambda: False,
            ),
        )


async def prepare(data: Path, *, rotten: bool) -> None:
    async with open_bench(data) as bench:
        for number, image in enumerate(IMAGES):
            job = order(f"job-{number}", url=URLS[number], filename=f"{number}.img", digest=sha256_of(image))
            await ready(bench, job)
        if rotten:
            rot(bench.layout.blob(sha256_of(IMAGES[ROTTEN])))


async def scrub(data: Path, readings: Readings) -> None:
    async with scrubbing(data, readings) as (_, scrub):
        for _ in IMAGES:
            await scrub.step()


async def verified(bench: Bench) -> dict[str, datetime]:
    return {turn.digest: turn.verified_at for turn in await bench.store.scrub.turns()}


async def check(
    data: Path, before: dict[str, datetime], done: list[tuple[str, int]], *, rotten: bool
) -> None:
    """``done``: what was read before the kill, the last one being the image that it came in."""
    killed = done[-1][0]
    read = list(dict.fromkeys(digest for digest, _ in done))[:-1]
    bad = {DIGESTS[ROTTEN]} if rotten else set[str]()
    readings = Readings()
    async with scrubbing(data, readings) as (bench, scrub):
        images, problems = await bench.store.published()
        condemned = bad & set(read)
        assert {image.digest for image in images} == set(DIGESTS) - condemned, "an image is lost"
        assert problems == ()
        assert {found.checksum for found in await bench.store.scrub.damaged()} == condemned
        times = await verified(bench)
        later = {digest for digest, time in times.items() if time > before[digest]}
        assert later == set(read) - bad, "called whole without having been read"
        for _ in times:
            await scrub.step()
        assert readings.seen[0] == (killed, 0), f"it goes on with {readings.seen[0]}"
        times = await verified(bench)
        assert {digest for digest, time in times.items() if time > before[digest]} == set(DIGESTS) - bad
        assert {found.checksum for found in await bench.store.scrub.damaged()} == bad
        aside = bench.layout.quarantine
        assert {f"sha256:{path.name}" for path in aside.glob("*")} == bad


class Scrubs:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._data = folder / "data"
        self.kills = 0
        self.failures: list[str] = []

    def run(self, *, rotten: bool) -> None:
        template = self._folder / f"template-{rotten}"
        whole = self._whole(template, rotten=rotten)
        status, said = in_child(lambda pipe: _tell(pipe, asyncio.run(whole)))
        whole.close()
        if status:
            raise RuntimeError(said)
        seen = json.loads(said)
        before = {digest: datetime.fromisoformat(time) for digest, time in seen["times"].items()}
        done = [(digest, offset) for digest, offset in seen["read"]]
        for number in range(len(done)):
            copy(template, self._data)
            status, said = in_child(lambda _, n=number: asyncio.run(scrub(self._data, Readings(n))))
            if status != signal.SIGKILL:
                self.failures.append(f"{number}: it was not killed: {status} {said}")
            self.kills += 1
            checked = check(self._data, before, done[: number + 1], rotten=rotten)
            status, said = in_child(lambda _, work=checked: asyncio.run(work))
            checked.close()
            if status:
                self.failures.append(f"{number} {done[number]}: {said}")
            shutil.rmtree(self._data)

    async def _whole(self, template: Path, *, rotten: bool) -> str:
        """What a scrub that nobody kills reads, and when each image was found whole before."""
        await prepare(template, rotten=rotten)
        copy(template, self._data)
        readings = Readings()
        async with scrubbing(self._data, readings) as (bench, scrub):
            times = {digest: time.isoformat() for digest, time in (await verified(bench)).items()}
            for _ in IMAGES:
                await scrub.step()
        shutil.rmtree(self._data)
        return json.dumps({"times": times, "read": readings.seen})


def _tell(pipe: int, said: str) -> None:
    os.write(pipe, said.encode())


def main(folder: str) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    scrubs = Scrubs(Path(folder))
    for rotten in (False, True):
        scrubs.run(rotten=rotten)
    sys.stdout.write(json.dumps({"kills": scrubs.kills, "failures": scrubs.failures[:20]}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
