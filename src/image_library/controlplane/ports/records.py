"""All that the control plane remembers, read and changed in transactions."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Protocol

from image_library.controlplane.ports.calls import Calls
from image_library.controlplane.ports.changes import LibraryChanges
from image_library.controlplane.ports.copies import Copies
from image_library.controlplane.ports.images import Images
from image_library.controlplane.ports.jobs import Jobs
from image_library.controlplane.ports.nodes import Nodes
from image_library.controlplane.ports.profiles import Profiles
from image_library.controlplane.ports.refreshes import Refreshes
from image_library.controlplane.ports.sessions import Sessions
from image_library.controlplane.ports.tombstones import Tombstones
from image_library.controlplane.ports.vms import Vms
from image_library.domain.changes import Changed

# The key under which a database tells its own followers that something was committed.
LIBRARY = "library"


class Records(Protocol):
    """What one transaction sees and changes."""

    @property
    def images(self) -> Images: ...

    @property
    def copies(self) -> Copies: ...

    @property
    def jobs(self) -> Jobs: ...

    @property
    def nodes(self) -> Nodes: ...

    @property
    def vms(self) -> Vms: ...

    @property
    def changes(self) -> LibraryChanges: ...

    @property
    def tombstones(self) -> Tombstones: ...

    @property
    def refreshes(self) -> Refreshes: ...

    @property
    def calls(self) -> Calls: ...

    @property
    def sessions(self) -> Sessions: ...

    @property
    def profiles(self) -> Profiles: ...


class Database(Protocol):
    """Use as ``async with database.write() as records``."""

    def read(self) -> AbstractAsyncContextManager[Records]:
        """One consistent view; changes made in it are refused or lost."""
        ...

    def write(self) -> AbstractAsyncContextManager[Records]:
        """All of its changes or none: on disk when the block ends without an exception. One at a time."""
        ...

    async def sequence(self) -> int:
        """The number of the last committed change of an image, a job, a node or a VM."""
        ...

    async def images_sequence(self) -> int:
        """The number of the last committed change that lists of images show: of an image or a VM."""
        ...

    def follow(self) -> AbstractContextManager[Changed]:
        """A bell that rings after every commit that changed an image, a job, a node or a VM."""
        ...

    async def secret(self, name: str) -> str:
        """A random value of 256 bits in hexadecimal, made at first use and kept for ever."""
        ...
