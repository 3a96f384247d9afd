"""The last part of a download's way: what came becomes an image, which is published with its evidence."""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Protocol

import structlog

from image_library.domain.errors import (
    ConvertKilled,
    ConvertNeedless,
    HypervisorMissing,
    JailMissing,
    LibraryError,
    StorageFull,
    StoreChanged,
    StoreNotWritable,
)
from image_library.domain.image import ImageFormat
from image_library.domain.job import JobState
from image_library.domain.store import Download, DownloadOrder, PublishedImage
from image_library.domain.trust import Evidence, TrustLevel
from image_library.node.ports.clock import Clock
from image_library.node.ports.storage import ImageStore, Part, PartDigests, Publication
from image_library.node.services.fetch_verified import Verified
from image_library.node.services.image_holds import ImageHolds
from image_library.node.services.make_image import Given, ImageMaking, Made
from image_library.node.services.make_image import Watch as MakingWatch

log = structlog.get_logger()

# The job records that end with an image, which is proved so.
Complete = Callable[[PublishedImage, Evidence], tuple[Download, ...]]
# The bytes that came are good: a later try begins with them.
_KEEPS = (
    StorageFull,
    StoreNotWritable,
    StoreChanged,
    JailMissing,
    HypervisorMissing,
    ConvertKilled,
    CancelledError,
)


class Watch(MakingWatch, Protocol):
    def publishing(self) -> None:
        """From here on it cannot be stopped any more."""
        ...


class Capturing(Protocol):
    def making(
        self, order: DownloadOrder, *, key: str, watch: MakingWatch
    ) -> AbstractAsyncContextManager[Made]:
        """The image that a VM's disk becomes, for as long as the block lasts. See ``CaptureVm.making``."""
        ...


class Finishing:
    def __init__(
        self,
        *,
        store: ImageStore,
        making: ImageMaking,
        capturing: Capturing,
        holds: ImageHolds,
        clock: Clock,
        node_id: str,
    ) -> None:
        self._capturing = capturing
        self._store = store
        self._making = making
        self._holds = holds
        self._clock = clock
        self._node_id = node_id

    async def fetched(
        self, order: DownloadOrder, verified: Verified, *, key: str, watch: Watch, complete: Complete
    ) -> PublishedImage:
        """The image that the verified part becomes, published. A part that is none is removed.

        Raises:
            The errors of ``ImageMaking.making`` and of publishing.
        """
        part = verified.part
        given = Given(source=part, digests=verified.digests, name=order.filename, declared=order.format)
        try:
            async with self._making.making(given, order.wanted, key=key, watch=watch) as made:
                proof = verified.expected.evidence(now=self._clock.now(), node_id=self._node_id)
                spent = key if made.output else ""
                image = await self._publish(
                    order, part, made, proof, watch=watch, complete=complete, spent=spent
                )
        except _KEEPS:
            raise
        except BaseException:
            await part.discard()
            raise
        if made.output is not None:
            await _drop(part)
        return image

    async def of_here(
        self, order: DownloadOrder, *, key: str, watch: Watch, complete: Complete
    ) -> PublishedImage:
        """An image that is made of what this node has: of a VM's disk, or of another image.

        Raises:
            The errors of ``of_vm`` and ``of_another``.
        """
        make = self.of_vm if order.capture_vm else self.of_another
        return await make(order, key=key, watch=watch, complete=complete)

    async def of_vm(
        self, order: DownloadOrder, *, key: str, watch: Watch, complete: Complete
    ) -> PublishedImage:
        """A VM's disk as a template, published as an image that nobody vouches for.

        Raises:
            The errors of ``CaptureVm.making`` and of publishing.
        """
        async with self._capturing.making(order, key=key, watch=watch) as made:
            assert made.converted_from is not None
            assert made.converted_from.captured is not None
            proof = Evidence(
                level=TrustLevel.UNVERIFIED,
                algorithm="sha256",
                actual=made.digests.sha256,
                source=f"captured from VM {made.converted_from.captured.vm_name}",
                verified_at=self._clock.now(),
                node_id=self._node_id,
            )
            return await self._publish(order, None, made, proof, watch=watch, complete=complete)

    async def of_another(
        self, order: DownloadOrder, *, key: str, watch: Watch, complete: Complete
    ) -> PublishedImage:
        """An image of this node in another shape, published as one that nobody vouches for.

        Raises:
            ImageNotReady, ImageFileMissing: the other one is not here.
            The errors of ``ImageMaking.making`` and of publishing.
        """
        digest = order.convert_digest
        with self._holds.hold(digest):
            known = await self._store.find(digest)
            blob = await self._store.open(digest)
            try:
                given = Given(
                    source=blob,
                    digests=PartDigests(size_bytes=blob.size, sha256=digest.removeprefix("sha256:")),
                    name=order.filename,
                    declared=known.facts.format,
                    facts=known.facts,
                    trust=known.evidence.level,
                )
                async with self._making.making(given, order.wanted, key=key, watch=watch) as made:
                    if made.output is None:
                        raise ConvertNeedless(f"The image is {known.facts.format.value} already.")
                    proof = self._derived(given, digest)
                    return await self._publish(order, None, made, proof, watch=watch, complete=complete)
            finally:
                await blob.close()

    def _derived(self, given: Given, digest: str) -> Evidence:
        """Nobody vouches for what we made; what it was made of is known all the same."""
        return Evidence(
            level=TrustLevel.UNVERIFIED,
            algorithm="sha256",
            actual=given.digests.sha256,
            source=f"converted from {digest}",
            verified_at=self._clock.now(),
            node_id=self._node_id,
        )

    async def _publish(
        self,
        order: DownloadOrder,
        part: Part | None,
        made: Made,
        proof: Evidence,
        *,
        watch: Watch,
        complete: Complete,
        spent: str = "",
    ) -> PublishedImage:
        watch.publishing()
        await watch.entered(JobState.PUBLISHING)
        publication = Publication(
            digests=made.digests,
            facts=made.facts,
            filename=_renamed(order.filename, made.facts.format),
            evidence=proof,
            converted_from=made.converted_from,
            spent=spent,
            complete=lambda image: complete(replace(image, converted_from=made.converted_from), proof),
        )
        file = made.output or part
        assert file is not None
        return await self._store.publish(file, publication)


async def _drop(part: Part) -> None:
    """Remove what an image was made of; where that fails, the next start does it."""
    try:
        await part.discard()
    except LibraryError as error:
        log.warning("part_not_removed", file=part.path.name, code=error.code)


def _renamed(filename: str, image_format: ImageFormat) -> str:
    """The readable name, with the ending that the image's format has."""
    stem, dot, ending = filename.rpartition(".")
    known = {f.value for f in ImageFormat} | {"img"}
    ours = "img" if image_format is ImageFormat.RAW else image_format.value
    if not dot or ending not in known or ending == image_format.value:
        return filename
    return f"{stem}.{ours}"
