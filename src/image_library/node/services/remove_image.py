"""Removing a published image, unless a VM's disk is built on it."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from image_library.domain.errors import ImageInUse
from image_library.node.ports.storage import ImageStore
from image_library.node.ports.upkeep import ImageUsers
from image_library.node.services.image_holds import ImageHolds

log = structlog.get_logger()


class ImageRemoval:
    def __init__(
        self, *, store: ImageStore, users: ImageUsers, holds: ImageHolds, removed: Callable[[], None]
    ) -> None:
        """``removed`` is called after each removal: the inventory has changed."""
        self._store = store
        self._users = users
        self._holds = holds
        self._removed = removed

    async def remove(self, digest: str) -> None:
        """Remove the image "sha256:HEX"; removing what is not there succeeds.

        Raises:
            ImageInUse: VMs of this node are built on it.
        """
        with self._holds.removing(digest):
            users = await self._users.users_of(digest)
            if users:
                raise ImageInUse(f"The image is the base of the VM {', '.join(users)}.", field="digest")
            await self._store.remove(digest)
        self._removed()
        log.info("image_removed", digest=digest)
