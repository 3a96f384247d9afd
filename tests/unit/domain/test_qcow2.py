"""Reading qcow2 headers strictly."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from image_library.domain import errors, qcow2
from tests.fakes.node_images import CLUSTER, Qcow2

SIZE = 4 * CLUSTER
GOOD = Qcow2()


def judge(image: Qcow2, file_size: int = SIZE) -> qcow2.Qcow2Header:
    header = qcow2.read_header(image.file()[: qcow2.HEADER_BYTES], name="it")
    qcow2.check(header, name="it", file_size=file_size)
    return header


def test_a_plain_image_passes() -> None:
    header = judge(GOOD)
    assert (header.version, header.virtual_size, header.cluster_bits) == (3, 1 << 30, 16)


def test_an_old_image_passes() -> None:
    old = replace(GOOD, version=2)
    header = qcow2.read_header(old.header()[:72] + bytes(CLUSTER - 72), name="it")
    qcow2.check(header, name="it", file_size=SIZE)
    assert header.version == 2


def test_one_that_was_not_closed_passes_and_is_called_so() -> None:
    unclosed = replace(GOOD, incompatible=1)
    judge(unclosed)
    said = [qcow2.is_unclosed(image.file()) for image in (unclosed, GOOD, replace(GOOD, incompatible=2))]
    assert said == [True, False, False]
    content = unclosed.file()
    assert not qcow2.is_unclosed(content[:4] + (2).to_bytes(4, "big") + content[8:])
    assert not qcow2.is_unclosed(content[:100])
    assert not qcow2.is_unclosed(b"\0" + content)


@pytest.mark.parametrize(
    ("image", "error"),
    [
        (replace(GOOD, backing_file=b"/etc/shadow"), errors.UnsafeBackingFile),
        (replace(GOOD, backing_file=b'json:{"file":{}}'), errors.UnsafeBackingFile),
        (replace(GOOD, extensions=((0xE2792ACA, b"raw"),)), errors.UnsafeBackingFile),
        (replace(GOOD, incompatible=4), errors.UnsafeDataFile),
        (replace(GOOD, extensions=((0x44415441, b"/etc/shadow"),)), errors.UnsafeDataFile),
        (replace(GOOD, incompatible=3), errors.UnsupportedFeature),
        (replace(GOOD, incompatible=2), errors.UnsupportedFeature),
        (replace(GOOD, incompatible=1 << 40), errors.UnsupportedFeature),
        (replace(GOOD, encryption=2), errors.UnsupportedFeature),
        (replace(GOOD, version=1), errors.UnsupportedFeature),
        (replace(GOOD, version=4), errors.UnsupportedFeature),
        (replace(GOOD, cluster_bits=8), errors.UnsafeMetadata),
        (replace(GOOD, cluster_bits=22), errors.UnsafeMetadata),
        (replace(GOOD, cluster_bits=1 << 30), errors.UnsafeMetadata),
        (replace(GOOD, l1_entries=1 << 31), errors.UnsafeMetadata),
        (replace(GOOD, l1_entries=1), errors.UnsafeMetadata),
        (replace(GOOD, refcount_clusters=1 << 31), errors.UnsafeMetadata),
        (replace(GOOD, refcount_offset=0), errors.UnsafeMetadata),
        (replace(GOOD, l1_offset=CLUSTER + 512), errors.UnsafeMetadata),
        (replace(GOOD, snapshots=65), errors.UnsafeMetadata),
        (replace(GOOD, header_length=8), errors.UnsafeMetadata),
        (replace(GOOD, header_length=105), errors.UnsafeMetadata),
        (replace(GOOD, extensions=((1, bytes(60_000)), (2, bytes(6000)))), errors.UnsafeMetadata),
        (replace(GOOD, virtual_size=(2 << 40) + 512, l1_entries=1 << 20), errors.VirtualSizeTooLarge),
        (replace(GOOD, virtual_size=63 << 50), errors.VirtualSizeTooLarge),
        (replace(GOOD, l1_offset=8 * CLUSTER), errors.ImageTruncated),
        (replace(GOOD, refcount_offset=4 * CLUSTER), errors.ImageTruncated),
    ],
)
def test_what_is_not_plain_safe_and_whole_is_refused_by_name(
    image: Qcow2, error: type[errors.LibraryError]
) -> None:
    with pytest.raises(error):
        judge(image)


def aligned(bits: int, *, incompatible: int = 0) -> qcow2.Qcow2Header:
    """An image of such clusters that is sound in everything else."""
    cluster = 1 << bits
    fake = replace(
        GOOD,
        cluster_bits=bits,
        virtual_size=1 << 20,
        l1_entries=1 << 14,
        l1_offset=2 * cluster,
        refcount_offset=cluster,
        # One cluster of them would be more than all reference counts may take.
        refcount_clusters=1 if bits <= 21 else 0,
        incompatible=incompatible,
    )
    return qcow2.read_header(fake.header(), name="it")


@pytest.mark.parametrize(
    ("least", "most", "incompatible"),
    [pytest.param(9, 21, 0, id="plain"), pytest.param(14, 21, 16, id="with subclusters")],
)
def test_clusters_have_their_bounds_whatever_else_is_right(least: int, most: int, incompatible: int) -> None:
    for bits in (least, most):
        qcow2.check(aligned(bits, incompatible=incompatible), name="it", file_size=1 << 40)
    for bits in (least - 1, most + 1, 31):
        with pytest.raises(errors.UnsafeMetadata, match=r"clusters of 2\^"):
            qcow2.check(aligned(bits, incompatible=incompatible), name="it", file_size=1 << 40)


def test_the_limits_themselves_are_allowed() -> None:
    judge(replace(GOOD, virtual_size=2 << 40, l1_entries=4096))
    judge(replace(GOOD, snapshots=64))
    judge(GOOD, file_size=2 * CLUSTER + 64)
    with pytest.raises(errors.ImageTruncated):
        judge(GOOD, file_size=2 * CLUSTER + 63)


def test_a_size_is_told_in_words() -> None:
    with pytest.raises(
        errors.VirtualSizeTooLarge, match=r"claims a disk of 63\.0 PiB; the limit is 2\.0 TiB"
    ):
        judge(replace(GOOD, virtual_size=63 << 50))


def test_a_backing_files_name_is_shown_escaped() -> None:
    with pytest.raises(errors.UnsafeBackingFile, match=r"evil\\u001b"):
        judge(replace(GOOD, backing_file=b"evil\x1b[31m"))


@pytest.mark.parametrize("length", [0, 4, 71, 80, 103, 107])
def test_a_file_that_ends_in_its_header_is_truncated(length: int) -> None:
    with pytest.raises(errors.ImageTruncated):
        qcow2.read_header(GOOD.header()[:length], name="it")


def test_noise_in_a_header_never_raises_anything_else() -> None:
    generator = random.Random(7)
    good = bytearray(GOOD.header().ljust(4096, b"\0"))
    for _ in range(3000):
        mutant = bytearray(good)
        for _ in range(generator.randrange(1, 6)):
            mutant[generator.randrange(4, 140)] = generator.randrange(256)
        try:
            qcow2.check(qcow2.read_header(bytes(mutant), name="it"), name="it", file_size=SIZE)
        except errors.LibraryError:
            continue
