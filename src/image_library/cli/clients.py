"""The clients of one server's services, and asking for lists page by page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from image_library.cli.servers import Server

if TYPE_CHECKING:
    from limiquantix.compute.v1.node_connect import NodeServiceClientSync
    from limiquantix.compute.v1.profile_connect import ProfileServiceClientSync
    from limiquantix.compute.v1.vm_connect import VMServiceClientSync
    from limiquantix.storage.v1.image_connect import ImageServiceClientSync

PAGE = 500
# Calls that only read or record answer at once; what takes long is watched instead.
UNARY_SECONDS = 120.0


class Page(Protocol):
    @property
    def next_page_token(self) -> str: ...


P = TypeVar("P", bound=Page)


@dataclass(frozen=True)
class Library:
    """One server's services. Every call raises LibraryError only."""

    server: Server

    @cached_property
    def images(self) -> ImageServiceClientSync:
        return self.patient_images(UNARY_SECONDS)

    def patient_images(self, seconds: float) -> ImageServiceClientSync:
        """For calls that may be silent for that long while they work."""
        from limiquantix.storage.v1.image_connect import ImageServiceClientSync

        return ImageServiceClientSync(self.server.url, **self._options(seconds))

    @cached_property
    def publishers(self) -> ImageServiceClientSync:
        """The images' service for calls that wait for answers of publishers."""
        from limiquantix.storage.v1.image_connect import ImageServiceClientSync

        return ImageServiceClientSync(self.server.url, **self._options(900.0))

    @cached_property
    def vms(self) -> VMServiceClientSync:
        from limiquantix.compute.v1.vm_connect import VMServiceClientSync

        # Stopping a VM waits for its guest.
        return VMServiceClientSync(self.server.url, **self._options(900.0))

    @cached_property
    def nodes(self) -> NodeServiceClientSync:
        from limiquantix.compute.v1.node_connect import NodeServiceClientSync

        return NodeServiceClientSync(self.server.url, **self._options(UNARY_SECONDS))

    @cached_property
    def profiles(self) -> ProfileServiceClientSync:
        from limiquantix.compute.v1.profile_connect import ProfileServiceClientSync

        return ProfileServiceClientSync(self.server.url, **self._options(UNARY_SECONDS))

    def _options(self, patience: float) -> dict[str, Any]:
        from pyqwest import SyncClient

        from image_library.cli.answers import OurErrors
        from image_library.cli.repeating import Repeating
        from image_library.cli.transport import HttpTransport

        transport = HttpTransport(
            token=self.server.token, patience=min(patience, self.server.patience), ca_file=self.server.ca_file
        )
        return {
            "http_client": SyncClient(transport),
            "interceptors": (Repeating(), OurErrors(self.server.url)),
            "accept_compression": (),
            "send_compression": None,
        }


def pages(ask: Callable[[str], P]) -> Iterator[P]:
    """Every page of a list, from the empty token on."""
    token = ""
    while True:
        page = ask(token)
        yield page
        token = page.next_page_token
        if not token:
            return
