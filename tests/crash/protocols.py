"""What the node does to its disk, as walks that can be broken off anywhere, and what must hold afterwards."""

# Nobody else waits for the loop.
# ruff: noqa: ASYNC240
from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from image_library.domain.conversion import Shape
from image_library.domain.errors import ImageNotReady, UnknownJob
from image_library.domain.image import ImageFormat
from image_library.domain.job import JobState
from image_library.domain.store import DownloadOrder, PublishedImage
from image_library.domain.trust import TrustLevel
from image_library.node.services.receive_upload import upload_part
from image_library.node.services.scrub_images import Verdict
from tests.crash.bench import Bench, open_bench, order, pieces, ready
from tests.crash.material import (
    DIGEST,
    DISK,
    EARLY_URL,
    IMAGE,
    PACKED,
    PACKED_URL,
    SHA256,
    VHD,
    VHD_URL,
    guest_bytes,
    sha256_of,
)

# Tells what was promised to somebody: "NAME" once the call that promises it has returned.
Promise = Callable[[str], None]
Walk = Callable[[Bench, Promise], Awaitable[None]]
JOB = "job-1"
_OTHER = "0" * 64


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """``walk`` may be repeated after it was broken off: it then ends as if nothing had happened."""

    name: str
    prepare: Callable[[Bench], Awaitable[None]]
    walk: Walk
    # Whether the image is there in the end, and with which proof.
    kept: bool = True
    level: TrustLevel = TrustLevel.PINNED
    # Whether the image was there, whole and known, before.
    before: bool = False
    # What comes, and what a VM sees of the image that it becomes.
    came: bytes = IMAGE
    shows: bytes = IMAGE
    # Whether other programs work in it, each of which takes longer to start than all the rest.
    slow: bool = False


async def _nothing(bench: Bench) -> None:
    """From an empty store."""


async def _download(bench: Bench, promise: Promise) -> None:
    await _done(bench, order(JOB), promise)


async def _done(bench: Bench, wanted: DownloadOrder, promise: Promise) -> None:
    await bench.downloads.start(wanted)
    promise("started")
    await ready(bench, wanted)
    promise("ready")


async def _download_early(bench: Bench, promise: Promise) -> None:
    await _done(bench, order(JOB, url=EARLY_URL), promise)


async def _convert(bench: Bench, promise: Promise) -> None:
    wanted = order(
        JOB,
        url=VHD_URL,
        filename="disk.vhd",
        format=ImageFormat.VHD,
        digest=sha256_of(VHD),
        wanted=Shape(format=ImageFormat.QCOW2),
    )
    await _done(bench, wanted, promise)


async def _unpack(bench: Bench, promise: Promise) -> None:
    wanted = order(JOB, url=PACKED_URL, filename="disk.img.xz", digest=sha256_of(PACKED))
    await _done(bench, wanted, promise)


async def _upload(bench: Bench, promise: Promise) -> None:
    if (await _state(bench)) is None:
        offset = await bench.uploads.open(JOB, size=len(IMAGE), algorithm="sha256")
        await bench.uploads.write(JOB, pieces(offset))
        await bench.uploads.release(JOB)
    await _done(bench, order(JOB, url="", received=True, unverified=True), promise)


async def _state(bench: Bench) -> JobState | None:
    try:
        return (await bench.downloads.status(JOB)).state
    except UnknownJob:
        return None


async def _put(bench: Bench) -> None:
    path = bench.layout.cloud_images / "golden.img"
    path.write_bytes(IMAGE)
    path.chmod(0o640)


async def _put_twice(bench: Bench) -> None:
    await _put(bench)
    os.link(bench.layout.cloud_images / "golden.img", bench.layout.root / "other-name")


async def _adopt(bench: Bench, promise: Promise) -> None:
    path = bench.layout.cloud_images / "golden.img"
    wanted = order(JOB, url="", filename=path.name, digest="", unverified=True, adopt_path=str(path))
    await _done(bench, wanted, promise)


async def _publish(bench: Bench) -> None:
    await ready(bench, order("job-0"))


async def _publish_unproved(bench: Bench) -> None:
    await ready(bench, order("job-0", digest="", unverified=True))


async def _rot(bench: Bench) -> None:
    await _publish(bench)
    _spoil(bench.layout.blob(SHA256))


def _spoil(blob: Path) -> None:
    blob.chmod(0o600)
    with blob.open("r+b") as file:
        file.seek(9000)
        file.write(b"rot")


async def _rot_unseen(bench: Bench) -> None:
    await _publish(bench)
    rot(bench.layout.blob(SHA256))


def rot(blob: Path) -> None:
    """As a bad disk does it: only who reads the file can know."""
    seen = blob.stat()
    _spoil(blob)
    os.utime(blob, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    blob.chmod(0o444)


async def _quarantine(bench: Bench, promise: Promise) -> None:
    """Read it as a scrub does, and fetch again what has rotted."""
    with suppress(ImageNotReady):
        verdict = [reading async for reading in bench.scrub.verify(DIGEST)][-1].verdict
        assert verdict in (Verdict.DAMAGED, Verdict.WHOLE), verdict
    promise("judged")
    await _download(bench, promise)


async def _delete(bench: Bench, promise: Promise) -> None:
    promise("removing")
    await bench.store.remove(DIGEST)
    promise("removed")


async def _orphan(bench: Bench) -> None:
    await _publish(bench)
    await bench.journal.run(lambda c: c.execute("DELETE FROM published"))
    (bench.layout.cloud_images / "dead.img").symlink_to(bench.layout.link_target(_OTHER))
    bench.layout.part("ab").write_bytes(b"x" * 5000)


async def _collect(bench: Bench, promise: Promise) -> None:
    async def nobody() -> bool:
        return True

    promise("removing")
    sweep = bench.store.sweep
    await sweep.drop_part("ab.part", bench.downloads.live_parts)
    for link in await sweep.dead_links():
        await sweep.drop_link(link.name)
    await sweep.drop_blob(DIGEST, nobody)
    promise("removed")


async def _spare(bench: Bench, promise: Promise) -> None:
    async def somebody() -> bool:
        return False

    await bench.store.sweep.drop_blob(DIGEST, somebody)
    promise("kept")


PROTOCOLS = (
    Protocol(name="download", prepare=_nothing, walk=_download),
    Protocol(name="convert", prepare=_nothing, walk=_convert, came=VHD, shows=DISK, slow=True),
    Protocol(name="unpack", prepare=_nothing, walk=_unpack, came=PACKED, slow=True),
    Protocol(name="download-early", prepare=_nothing, walk=_download_early),
    Protocol(name="upload", prepare=_nothing, walk=_upload, level=TrustLevel.UNVERIFIED),
    Protocol(name="adopt", prepare=_put, walk=_adopt, level=TrustLevel.UNVERIFIED),
    Protocol(name="adopt-copy", prepare=_put_twice, walk=_adopt, level=TrustLevel.UNVERIFIED),
    Protocol(name="improve", prepare=_publish_unproved, walk=_download, before=True),
    Protocol(name="replace", prepare=_rot, walk=_download),
    Protocol(name="quarantine", prepare=_rot_unseen, walk=_quarantine),
    Protocol(name="delete", prepare=_publish, walk=_delete, kept=False, before=True),
    Protocol(name="collect", prepare=_orphan, walk=_collect, kept=False),
    Protocol(name="spare", prepare=_publish, walk=_spare, before=True),
)
NAMED = {protocol.name: protocol for protocol in PROTOCOLS}


async def prepare(protocol: Protocol, data: Path) -> None:
    """The directory from which the walk begins."""
    async with open_bench(data) as bench:
        await protocol.prepare(bench)


def copy(template: Path, data: Path) -> None:
    """The same directory elsewhere: names of one file stay so, and rows tell the new inodes."""
    made: dict[int, Path] = {}
    for folder, folders, files in os.walk(template):
        target = data / Path(folder).relative_to(template)
        target.mkdir(mode=0o700)
        for name in (*files, *folders):
            path = Path(folder, name)
            if path.is_symlink():
                (target / name).symlink_to(path.readlink())
        for name in files:
            path, copied = Path(folder, name), target / name
            if path.is_symlink():
                continue
            inode = path.stat().st_ino
            if inode in made:
                os.link(made[inode], copied)
            else:
                made[inode] = copied
                shutil.copy2(path, copied)
    renumber(data / "journal.db", {inode: path.stat().st_ino for inode, path in made.items()})


def renumber(journal: Path, inodes: Mapping[int, int]) -> None:
    """Let the journal's rows tell where files are that were copied."""
    with closing(sqlite3.connect(journal, isolation_level=None)) as connection:
        for table, key in (("published", "digest"), ("adopted", "filename")):
            for name, inode in connection.execute(f"SELECT {key}, inode FROM {table}").fetchall():
                query = f"UPDATE {table} SET inode = ? WHERE {key} = ?"
                connection.execute(query, (inodes.get(inode, 0), name))


async def recovered(protocol: Protocol, data: Path, promised: frozenset[str]) -> None:
    """Start again: every invariant holds, and the walk, done once more, ends as it should.

    Raises:
        AssertionError: which invariant does not hold.
    """
    async with open_bench(data) as bench:
        await _unfinished_end(bench)
        await bench.scan.adopt_orphans()
        await _invariants(protocol, bench, promised)
        await protocol.walk(bench, lambda _: None)
        await _is_final(protocol, bench)


async def _unfinished_end(bench: Bench) -> None:
    for row in await bench.journal.run(lambda c: c.execute("SELECT job_id FROM downloads").fetchall()):
        done = [download async for download in bench.downloads.follow(row["job_id"])][-1]
        assert done.state is JobState.READY, f"I2: {done.state} {done.failure}"


async def _invariants(protocol: Protocol, bench: Bench, promised: frozenset[str]) -> None:
    images, problems = await bench.store.published()
    # Nobody can know before it was read.
    unread = protocol.walk is _quarantine and "judged" not in promised
    for image in images:
        found = sha256_of(Path(image.blob_path).read_bytes())
        assert image.digest == f"sha256:{found}" or unread, "I1: a listed image has other bytes"
        assert image.evidence.level <= TrustLevel.PINNED, "I5"
    there = {digest for image in images for digest in _sources(image)}
    wanted = f"sha256:{sha256_of(protocol.came)}"
    if "ready" in promised or "kept" in promised or (protocol.before and "removing" not in promised):
        assert wanted in there, f"I2: the image is lost: {problems}"
    if "removed" in promised:
        assert wanted not in there, "I2: what was removed is back"
    if "started" in promised:
        assert await _state(bench) is JobState.READY, "I2: the job is lost"


def _sources(image: PublishedImage) -> tuple[str, ...]:
    """What it is, and what it was made of."""
    return (image.digest, image.converted_from.digest if image.converted_from else image.digest)


async def _is_final(protocol: Protocol, bench: Bench) -> None:
    layout = bench.layout
    images, problems = await bench.store.published()
    assert problems == (), problems
    assert len(images) == protocol.kept, images
    for image in images:
        _is_its_own(protocol, image)
    names = [image.digest.removeprefix("sha256:") for image in images]
    blobs = [path.name for path in layout.blobs.rglob("*") if path.is_file()]
    assert blobs == names, f"I6: {blobs}"
    uploads = {f"{upload_part(JOB, 'sha256').key}.part"}
    left = {path.name for path in layout.parts.iterdir()} - uploads
    assert left == set(), f"I6: {left}"
    trash = list(layout.trash.iterdir()) if layout.trash.is_dir() else []
    assert trash == [], f"I6: {trash}"
    dead = [p.name for p in layout.cloud_images.iterdir() if p.is_symlink() and not p.exists()]
    assert dead == [], f"I6: {dead}"
    aside = list(layout.quarantine.iterdir()) if layout.quarantine.is_dir() else []
    assert [path for path in aside if path.read_bytes() == IMAGE] == [], "what is whole was put aside"


def _is_its_own(protocol: Protocol, image: PublishedImage) -> None:
    """The image is what was asked for, byte by byte, and says where it is from."""
    data = Path(image.blob_path).read_bytes()
    assert image.digest == f"sha256:{sha256_of(data)}", "I1"
    shown = guest_bytes(data) if image.facts.format is ImageFormat.QCOW2 else data
    assert shown == protocol.shows, "I1: a VM sees other bytes"
    assert image.evidence.level is protocol.level, f"I5: {image.evidence.level}"
    came = sha256_of(protocol.came)
    assert f"sha256:{came}" in _sources(image), "I5: nobody knows what it was made of"
    assert image.evidence.actual in ("", came), f"I5: {image.evidence.actual}"
