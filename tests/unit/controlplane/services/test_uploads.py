"""Uploads over in-memory records and a node that keeps bytes in a bytearray."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from image_library.controlplane.services.download_log import DownloadLog
from image_library.controlplane.services.upload_plan import Limits, UploadPlanner, UploadWish
from image_library.controlplane.services.uploads import Uploads
from image_library.domain.errors import (
    NameTaken,
    NodeUnreachable,
    NoNodeReady,
    StorageFull,
    UnknownUpload,
    UploadBusy,
    UploadOffset,
    UploadTooLarge,
)
from image_library.domain.image import Failure, ImageFormat, ImagePhase, PlacementState
from image_library.domain.job import JobKind, JobState
from image_library.domain.node import Node
from image_library.domain.progress import Progress
from image_library.domain.trust import TrustLevel
from tests.fakes.control_clock import settle
from tests.fakes.control_plane import Plane
from tests.fakes.control_values import (
    DIGEST,
    a_catalog,
    a_copy,
    a_node,
    a_published_image,
    a_ready_image,
    an_evidence,
)

GIB = 1 << 30


class FakeUploads:
    """Fulfils ``NodeUploads``."""

    def __init__(self) -> None:
        self.kept: dict[str, bytearray] = {}
        self.full = False
        self.away = False

    async def open(self, node: Node, job_id: str, *, size: int, algorithm: str) -> int:
        if self.away:
            raise NodeUnreachable("Away.")
        if self.full:
            raise StorageFull("Full.")
        return len(self.kept.setdefault(job_id, bytearray()))

    async def write(self, node: Node, job_id: str, *, offset: int, blocks: AsyncIterator[bytes]) -> int:
        async for block in blocks:
            self.kept[job_id] += block
        return len(self.kept[job_id])


class UploadPlane(Plane):
    def __init__(self, limits: Limits | None = None) -> None:
        super().__init__()
        self.node_uploads = FakeUploads()
        log = DownloadLog(database=self.database, clock=self.clock, new_id=self.new_id)
        self.uploads = Uploads(
            database=self.database,
            planner=UploadPlanner(
                catalog=a_catalog(), clock=self.clock, new_id=self.new_id, limits=limits or Limits()
            ),
            nodes=self.node_uploads,
            records=log,
            runs=self.runs,
            changes=self.changes,
            clock=self.clock,
            expiry=timedelta(hours=24),
        )


@pytest.fixture
async def plane() -> UploadPlane:
    plane = UploadPlane()
    await plane.know(a_node())
    return plane


async def sent(*blocks: bytes) -> AsyncIterator[bytes]:
    for block in blocks:
        yield block


async def test_the_last_byte_makes_it_the_nodes_work(plane: UploadPlane) -> None:
    upload = await plane.uploads.create(UploadWish(size=6, filename="golden.img"))
    assert (await plane.image(upload.image_id)).phase is ImagePhase.DOWNLOADING
    half = await plane.uploads.write(upload.id, offset=0, blocks=sent(b"ab", b"c"))
    job = await plane.stored_job(upload.id)
    assert (half.offset, half.whole, job.kind, job.progress.done) == (3, False, JobKind.UPLOAD, 3)
    whole = await plane.uploads.write(upload.id, offset=3, blocks=sent(b"def"))
    assert whole.whole
    await plane.downloads.resume()
    assert bytes(plane.node_uploads.kept[upload.id]) == b"abcdef"
    await plane.runs.close()


@pytest.mark.parametrize(
    ("filename", "comes", "becomes"),
    [
        ("win.VHDX", ImageFormat.VHDX, ImageFormat.QCOW2),
        ("virtio-win.iso.xz", ImageFormat.ISO, ImageFormat.ISO),
        ("disk.img.zst", ImageFormat.RAW, ImageFormat.QCOW2),
        ("golden", ImageFormat.QCOW2, ImageFormat.QCOW2),
    ],
)
async def test_what_comes_in_is_read_off_the_files_name(
    plane: UploadPlane, filename: str, comes: ImageFormat, becomes: ImageFormat
) -> None:
    upload = await plane.uploads.create(UploadWish(size=6, filename=filename, name="golden"))
    assert (await plane.image(upload.image_id)).format is becomes
    async with plane.database.read() as records:
        order = await records.jobs.order(upload.id)
    assert order
    assert order.format is comes


async def test_a_whole_upload_stays_whole_while_the_node_measures_it(plane: UploadPlane) -> None:
    upload = await plane.uploads.create(UploadWish(size=6, name="golden"))
    await plane.uploads.write(upload.id, offset=0, blocks=sent(b"abcdef"))
    await settle()
    plane.nodes.say(upload.id, state=JobState.FETCHING, progress=Progress())
    await settle()
    assert (await plane.stored_job(upload.id)).state is JobState.FETCHING
    found = await plane.uploads.find(upload.id)
    assert (found.offset, found.size) == (6, 6)
    await plane.runs.close()


async def test_the_same_bytes_once_more_make_a_damaged_image_whole(plane: UploadPlane) -> None:
    rotten = replace(a_copy("node-1"), state=PlacementState.DAMAGED)
    lost = Failure(code="image.damaged", message="Its bytes have changed.")
    before = a_ready_image(
        name="golden",
        origin="upload",
        phase=ImagePhase.ERROR,
        failure=lost,
        evidence=an_evidence(),
        placements=(rotten,),
    )
    await plane.know(before)
    upload = await plane.uploads.create(UploadWish(size=6, name="golden-again"))
    await plane.uploads.write(upload.id, offset=0, blocks=sent(b"abcdef"))
    await settle()
    proof = an_evidence(level=TrustLevel.UNVERIFIED, algorithm="sha256", expected="", actual=DIGEST[7:])
    plane.nodes.say(upload.id, state=JobState.READY, published=a_published_image(evidence=proof))
    await settle()
    for image_id in ("image-1", upload.image_id):
        image = await plane.image(image_id)
        assert (image.digest, image.phase, image.failure) == (DIGEST, ImagePhase.READY, None)
        assert [copy.state for copy in image.placements] == [PlacementState.READY]
    await plane.runs.close()


async def test_a_restart_leaves_half_uploads_to_their_uploaders(plane: UploadPlane) -> None:
    upload = await plane.uploads.create(UploadWish(size=6, name="golden"))
    await plane.uploads.write(upload.id, offset=0, blocks=sent(b"abc"))
    await plane.downloads.resume()
    assert plane.nodes.streams_begun == 0
    assert (await plane.uploads.find(upload.id)).offset == 3


async def test_a_node_without_space_refuses_before_the_first_byte_and_nothing_is_left(
    plane: UploadPlane,
) -> None:
    plane.node_uploads.full = True
    with pytest.raises(StorageFull):
        await plane.uploads.create(UploadWish(size=6, name="golden"))
    async with plane.database.read() as records:
        assert await records.images.named("golden") == ()
        assert await records.jobs.live() == ()


async def test_a_quota_is_held_over_images_and_uploads_together() -> None:
    plane = UploadPlane(Limits(project_quota_gib=10))
    await plane.know(a_node(), a_ready_image(size_bytes=4 * GIB))
    await plane.uploads.create(UploadWish(size=5 * GIB, name="first"))
    with pytest.raises(UploadTooLarge, match="1073741824 of"):
        await plane.uploads.create(UploadWish(size=GIB + 1, name="second"))
    await plane.uploads.create(UploadWish(size=GIB, name="second"))
    await plane.uploads.create(UploadWish(size=9 * GIB, name="elsewhere", project_id="other"))


@pytest.mark.parametrize(("size", "taken"), [(GIB - 1, True), (GIB, True), (GIB + 1, False)])
async def test_one_upload_has_a_largest_size(size: int, *, taken: bool) -> None:
    plane = UploadPlane(Limits(largest_gib=1))
    await plane.know(a_node())
    if taken:
        assert (await plane.uploads.create(UploadWish(size=size, name="x"))).size == size
        return
    with pytest.raises(UploadTooLarge):
        await plane.uploads.create(UploadWish(size=size, name="x"))


async def test_without_a_node_there_is_no_upload() -> None:
    with pytest.raises(NoNodeReady):
        await UploadPlane().uploads.create(UploadWish(size=1, name="x"))


async def test_a_catalog_id_names_no_other_image(plane: UploadPlane) -> None:
    with pytest.raises(NameTaken):
        await plane.uploads.create(UploadWish(size=6, name="debian-12"))
    upload = await plane.uploads.create(UploadWish(size=6, filename="debian-12.qcow2"))
    async with plane.database.read() as records:
        made = await records.images.get(upload.image_id)
    assert made is not None
    assert made.name == "debian-12-own"


async def test_two_senders_do_not_mix(plane: UploadPlane) -> None:
    upload = await plane.uploads.create(UploadWish(size=6, name="golden"))

    async def second_while_first_sends() -> AsyncIterator[bytes]:
        yield b"abc"
        with pytest.raises(UploadBusy):
            await plane.uploads.write(upload.id, offset=0, blocks=sent(b"xyz"))

    assert (await plane.uploads.write(upload.id, offset=0, blocks=second_while_first_sends())).offset == 3
    with pytest.raises(UploadOffset):
        await plane.uploads.write(upload.id, offset=0, blocks=sent(b"xyz"))
    assert bytes(plane.node_uploads.kept[upload.id]) == b"abc"


async def test_what_nobody_goes_on_with_expires(plane: UploadPlane) -> None:
    idle = await plane.uploads.create(UploadWish(size=6, name="idle"))
    await plane.clock.advance(timedelta(hours=23).total_seconds())
    busy = await plane.uploads.create(UploadWish(size=6, name="busy"))
    await plane.clock.advance(timedelta(hours=2).total_seconds())
    await plane.uploads.expire()
    ended = await plane.stored_job(idle.id)
    assert ended.state is JobState.FAILED
    assert ended.failure is not None
    assert ended.failure.code == "upload.expired"
    assert set(plane.nodes.cancelled) == {idle.id}
    assert (await plane.uploads.find(busy.id)).offset == 0
    with pytest.raises(UnknownUpload):
        await plane.uploads.find(idle.id)


async def test_an_upload_can_be_cancelled_as_a_job(plane: UploadPlane) -> None:
    upload = await plane.uploads.create(UploadWish(size=6, name="golden"))
    assert (await plane.downloads.cancel(upload.id)).state is JobState.CANCELLED
    with pytest.raises(UnknownUpload):
        await plane.uploads.write(upload.id, offset=0, blocks=sent(b"abc"))
