"""Imports: judged, named, recorded, proved as far as they can be, and registered images without bytes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from image_library.controlplane.services.import_wish import Description, ImportWish
from image_library.domain.errors import (
    InvalidCharacter,
    InvalidDigest,
    InvalidName,
    InvalidRequest,
    InvalidUser,
    LibraryError,
    NameTaken,
    NoNodeReady,
    UnknownNode,
    UnknownPool,
    UrlNotAllowed,
)
from image_library.domain.image import Failure, Image, ImageFormat, ImagePhase, Requirements, Visibility
from image_library.domain.job import Job, JobKind, JobState
from image_library.domain.os_info import OsFamily, OsInfo
from image_library.domain.trust import TrustLevel
from tests.fakes.control_clock import settle
from tests.fakes.control_plane import Plane
from tests.fakes.control_values import (
    DIGEST,
    OTHER_DIGEST,
    SHA512,
    a_node,
    a_published_image,
    an_evidence,
)

URL = "https://example.org/images/debian-12-generic-amd64.qcow2"
SHA256 = DIGEST.removeprefix("sha256:")
MEASURED = an_evidence(level=TrustLevel.UNVERIFIED, algorithm="sha256", expected="", actual=SHA256, source="")


def a_wish(url: str = URL, *, image: Description | None = None, **changes: Any) -> ImportWish:
    return ImportWish(url=url, image=image or Description(), **changes)


async def begun(plane: Plane, wish: ImportWish) -> tuple[Job, Image]:
    await plane.know(a_node())
    job, image = await plane.imports.start(wish)
    await settle()
    return job, image


async def landed(plane: Plane, job: Job, **published: Any) -> tuple[Job, Image]:
    plane.nodes.say(job.id, state=JobState.READY, published=a_published_image(**published))
    await settle()
    return await plane.stored_job(job.id), await plane.image(job.image_id)


async def test_an_import_is_a_job_of_its_own_kind_and_an_image_named_by_its_file(plane: Plane) -> None:
    job, image = await begun(plane, a_wish(f"{URL}?token=secret"))
    assert (job.kind, job.node_id, job.image_name) == (
        JobKind.IMPORT,
        "node-1",
        "debian-12-generic-amd64",
    )
    assert (image.phase, image.visibility, image.project_id) == (
        ImagePhase.PENDING,
        Visibility.PRIVATE,
        "default",
    )
    assert (image.os.distribution, image.os.version, image.os.architecture) == ("debian", "12", "x86_64")
    assert image.origin == URL
    order = plane.nodes.journal[job.id].order
    assert (order.url, order.filename) == (f"{URL}?token=secret", "debian-12-generic-amd64.qcow2")
    assert order.unverified
    assert order.unproved


async def test_what_is_said_of_the_image_is_kept(plane: Plane) -> None:
    said = Description(
        name="web",
        description="Golden.\nReally.",
        project_id="shop",
        labels={"tier": "front"},
        visibility=Visibility.PROJECT,
        os=OsInfo(default_user="admin"),
    )
    _, image = await begun(plane, a_wish(image=said))
    assert (image.name, image.description, image.project_id) == ("web", "Golden.\nReally.", "shop")
    assert (image.labels, image.visibility, image.revision) == ({"tier": "front"}, Visibility.PROJECT, 1)
    assert (image.os.default_user, image.os.distribution) == ("admin", "debian")


async def test_another_system_than_the_name_says_is_believed_alone(plane: Plane) -> None:
    said = Description(os=OsInfo(family=OsFamily.LINUX, distribution="devuan", version="5"))
    _, image = await begun(plane, a_wish(image=said))
    assert image.os == OsInfo(
        family=OsFamily.LINUX, distribution="devuan", version="5", architecture="x86_64"
    )


async def test_a_name_that_says_nothing_leaves_the_system_unknown(plane: Plane) -> None:
    _, image = await begun(plane, a_wish("https://example.org/disk1.img"))
    assert (image.name, image.os, image.format) == ("disk1", OsInfo(), ImageFormat.QCOW2)


async def test_without_a_checksum_it_is_measured_and_unverified(plane: Plane) -> None:
    job, _ = await begun(plane, a_wish())
    done, image = await landed(
        plane, job, evidence=replace(MEASURED, source="the source announces no length")
    )
    assert (done.state, image.phase, image.trust) == (
        JobState.READY,
        ImagePhase.READY,
        TrustLevel.UNVERIFIED,
    )
    assert image.evidence is not None
    proof = image.evidence
    assert (proof.algorithm, proof.expected, proof.actual) == ("sha256", "", SHA256)
    assert (proof.source, proof.node_id) == ("the source announces no length", "node-1")


@pytest.mark.parametrize(
    "lie",
    [
        pytest.param(replace(MEASURED, level=TrustLevel.CHECKSUM), id="more trust"),
        pytest.param(replace(MEASURED, actual="ef" * 32), id="another digest"),
        pytest.param(replace(MEASURED, expected=SHA256), id="something expected"),
        pytest.param(replace(MEASURED, algorithm="sha512", actual=SHA512), id="another algorithm"),
        pytest.param(replace(MEASURED, actual=""), id="nothing measured"),
        pytest.param(an_evidence(), id="another image's proof"),
    ],
)
async def test_a_node_that_says_anything_else_of_an_unverified_image_is_not_believed(
    plane: Plane, lie: Any
) -> None:
    job, _ = await begun(plane, a_wish())
    done, image = await landed(plane, job, evidence=lie)
    assert done.failure is not None
    assert (done.failure.code, image.phase) == ("verify.digest_mismatch", ImagePhase.ERROR)


async def test_an_image_that_must_be_proved_is_not_taken_measured(plane: Plane) -> None:
    job, _ = await begun(plane, a_wish(checksum=DIGEST))
    done, _ = await landed(plane, job, digest=OTHER_DIGEST, evidence=replace(MEASURED, actual="cd" * 32))
    assert done.failure is not None
    assert done.failure.code == "verify.digest_mismatch"


@pytest.mark.parametrize(
    ("checksum", "kind", "algorithm", "digits"),
    [
        (DIGEST, "", "sha256", SHA256),
        (DIGEST.upper(), "sha256", "sha256", SHA256),
        (f" {SHA256.upper()} ", "SHA-256", "sha256", SHA256),
        (SHA512, "", "sha512", SHA512),
        (f"sha512:{SHA512}", "sha512", "sha512", SHA512),
    ],
)
async def test_a_checksum_is_read_in_every_spelling(
    plane: Plane, checksum: str, kind: str, algorithm: str, digits: str
) -> None:
    job, _ = await begun(plane, a_wish(checksum=checksum, checksum_type=kind))
    order = plane.nodes.journal[job.id].order
    assert (order.checksum_algorithm, order.digest, order.unverified) == (algorithm, digits, False)


async def test_a_given_checksum_proves_what_it_proves(plane: Plane) -> None:
    job, _ = await begun(plane, a_wish(checksum=DIGEST))
    proof = an_evidence(
        level=TrustLevel.PINNED, algorithm="sha256", expected=SHA256, actual=SHA256, source="catalog"
    )
    _, image = await landed(plane, job, evidence=proof)
    assert image.evidence is not None
    assert (image.trust, image.evidence.source) == (TrustLevel.CHECKSUM, "import")


async def test_a_checksum_file_needs_no_kind(plane: Plane) -> None:
    job, _ = await begun(plane, a_wish(checksum_url="https://example.org/images/SUMS"))
    order = plane.nodes.journal[job.id].order
    assert (order.checksum_algorithm, order.checksum_url, order.unverified) == (
        "",
        "https://example.org/images/SUMS",
        False,
    )


@pytest.mark.parametrize(
    ("changes", "error", "field"),
    [
        ({"url": ""}, UrlNotAllowed, "url"),
        ({"url": "ftp://example.org/x.qcow2"}, UrlNotAllowed, "url"),
        ({"url": "file:///etc/passwd"}, UrlNotAllowed, "url"),
        ({"url": "//example.org/x.qcow2"}, UrlNotAllowed, "url"),
        ({"url": "https://u:p@example.org/x.qcow2"}, UrlNotAllowed, "url"),
        ({"url": "https://example.org/x\n.qcow2"}, UrlNotAllowed, "url"),
        ({"url": "http://example.org/x.qcow2"}, UrlNotAllowed, "url"),
        ({"checksum_url": "http://example.org/SUMS"}, UrlNotAllowed, "checksum_url"),
        ({"checksum": "abc"}, InvalidDigest, "checksum"),
        ({"checksum": SHA256[1:]}, InvalidDigest, "checksum"),
        ({"checksum": f"sha512:{SHA256}"}, InvalidDigest, "checksum"),
        ({"checksum": DIGEST, "checksum_type": "sha512"}, InvalidDigest, "checksum"),
        ({"checksum": "0" * 32, "checksum_type": "md5"}, InvalidDigest, "checksum_type"),
        ({"checksum_type": "crc32"}, InvalidDigest, "checksum_type"),
        ({"checksum": DIGEST, "checksum_url": "https://example.org/S"}, InvalidRequest, "checksum_url"),
        ({"format": "qed"}, InvalidRequest, "format"),
        ({"target_format": "iso"}, InvalidRequest, "target_format"),
        ({"target_format": "raw", "target_compression": "zstd"}, InvalidRequest, "target_format"),
        ({"target_compression": "lz4"}, InvalidRequest, "target_format"),
        ({"url": "https://example.org/x.qcow2.zip"}, InvalidRequest, "format"),
        ({"url": "https://example.org/x.tar.xz"}, InvalidRequest, "format"),
        ({"url": "https://example.org/"}, InvalidName, "name"),
        ({"node": "nowhere"}, UnknownNode, "node_id"),
        ({"pool_id": "nowhere"}, UnknownPool, "storage_pool_id"),
        ({"image": Description(name="../x")}, InvalidName, "name"),
        ({"image": Description(description="a\u202eb")}, InvalidCharacter, "description"),
        ({"image": Description(labels={"": "x"})}, InvalidRequest, "labels"),
        ({"image": Description(project_id="p\n")}, InvalidCharacter, "project_id"),
        ({"image": Description(os=OsInfo(default_user="Root!"))}, InvalidUser, "default_user"),
    ],
)
async def test_what_cannot_be_imported_is_refused_and_leaves_nothing(
    plane: Plane, changes: dict[str, Any], error: type[LibraryError], field: str
) -> None:
    await plane.know(a_node())
    with pytest.raises(error) as refused:
        await plane.imports.start(a_wish(**changes))
    assert refused.value.field == field
    async with plane.database.read() as records:
        assert (await records.images.names(), await records.jobs.live()) == ((), ())


@pytest.mark.parametrize("proof", [{"checksum": DIGEST}, {"checksum_url": "https://example.org/SUMS"}])
async def test_plain_http_will_do_where_a_digest_is_known(plane: Plane, proof: dict[str, Any]) -> None:
    job, _ = await begun(plane, a_wish("http://example.org/x.qcow2", **proof))
    assert job.id in plane.nodes.journal


async def test_a_name_is_taken_in_its_project_only(plane: Plane) -> None:
    await begun(plane, a_wish())
    with pytest.raises(NameTaken):
        await plane.imports.start(a_wish(image=Description(name="DEBIAN-12-generic-AMD64")))
    _, other = await plane.imports.start(a_wish(image=Description(project_id="other")))
    assert other.name == "debian-12-generic-amd64"


async def test_a_catalog_id_names_no_other_image(plane: Plane) -> None:
    await plane.know(a_node())
    with pytest.raises(NameTaken):
        await plane.imports.start(a_wish(image=Description(name="debian-12")))
    of_entry = Description(name="debian-12", catalog_id="debian-12")
    assert (await plane.imports.start(a_wish(image=of_entry)))[1].catalog_id == "debian-12"


async def test_a_name_that_a_failed_import_holds_comes_with_the_way_out(plane: Plane) -> None:
    job, _ = await begun(plane, a_wish())
    plane.nodes.say(job.id, state=JobState.FAILED, failure=Failure(code="import.not_found", message="No."))
    await settle()
    with pytest.raises(NameTaken) as refused:
        await plane.imports.start(a_wish())
    assert f"jobs retry {job.id}" in refused.value.remedy


async def test_the_pool_is_the_store_of_its_node(plane: Plane) -> None:
    await plane.know(a_node("node-1"), a_node("node-2"))
    job, _ = await plane.imports.start(a_wish(pool_id="store-of-node-2"))
    assert (job.node_id, job.pool_id) == ("node-2", "store-of-node-2")
    with pytest.raises(InvalidRequest) as refused:
        await plane.imports.start(
            a_wish(image=Description(name="b"), pool_id="store-of-node-2", node="node-1")
        )
    assert refused.value.field == "storage_pool_id"


async def test_the_least_busy_node_gets_it(plane: Plane) -> None:
    await plane.know(a_node("node-1"), a_node("node-2"))
    first, _ = await plane.imports.start(a_wish())
    second, _ = await plane.imports.start(a_wish(image=Description(name="b")))
    assert {first.node_id, second.node_id} == {"node-1", "node-2"}


async def test_without_a_node_nothing_is_recorded(plane: Plane) -> None:
    with pytest.raises(NoNodeReady):
        await plane.imports.start(a_wish())
    assert await plane.names() == ()


async def test_a_registered_image_waits_for_its_bytes(plane: Plane) -> None:
    said = Description(
        name="golden",
        catalog_id="debian-12",
        requirements=Requirements(min_disk_gib=4),
        format=ImageFormat.RAW,
    )
    image = await plane.imports.register(said)
    assert (image.phase, image.placements, image.digest) == (ImagePhase.PENDING, (), "")
    assert (image.catalog_id, image.format, image.requirements.min_disk_gib) == (
        "debian-12",
        ImageFormat.RAW,
        4,
    )
    with pytest.raises(NameTaken):
        await plane.imports.register(Description(name="golden"))
    unknown = await plane.imports.register(Description(name="b", catalog_id="windows-95"))
    assert unknown.catalog_id == ""
