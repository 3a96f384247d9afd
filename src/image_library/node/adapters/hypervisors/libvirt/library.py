"""libvirt's Python binding as far as it is used here: an optional package, loaded when it is first needed.

Source: https://libvirt.org/html/index.html. The package brings no types, so they are stated here.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, Protocol, cast

from image_library.domain.errors import HypervisorMissing

# virErrorNumber.
NO_DOMAIN = 42
NO_DOMAIN_METADATA = 80
OPERATION_INVALID = 55
# virDomainState.
RUNNING, BLOCKED, PAUSED, SHUTDOWN, SHUTOFF, CRASHED, SUSPENDED = 1, 2, 3, 4, 5, 6, 7
# virDomainPausedReason and virDomainShutoffReason.
PAUSED_IO_ERROR = 5
SHUTOFF_BY_GUEST = 1
# virDomainMetadataType, virDomainModificationImpact.
METADATA_ELEMENT = 2
AFFECT_CURRENT = 0
# virDomainUndefineFlagsValues: with saved memory, notes of snapshots and the variable store.
UNDEFINE = 1 | 2 | 4
# virDomainShutdownFlagValues.
BY_ACPI, BY_AGENT = 1, 2
# virDomainBlockResizeFlags: sizes in bytes.
RESIZE_BYTES = 1
# virDomainModificationImpact, virDomainOpenGraphicsFlags: the password is asked for.
AFFECT_LIVE = 1
ASK_PASSWORD = 0
# virDomainEventID.
LIFECYCLE = 0


class Stream(Protocol):
    def recv(self, most: int) -> bytes: ...
    def finish(self) -> int: ...
    def abort(self) -> int: ...


class Domain(Protocol):
    def name(self) -> str: ...
    def state(self) -> list[int]: ...
    def isActive(self) -> int: ...
    def create(self) -> int: ...
    def destroy(self) -> int: ...
    def shutdownFlags(self, flags: int) -> int: ...
    def XMLDesc(self, flags: int) -> str: ...
    def blockInfo(self, path: str) -> list[int]: ...
    def blockResize(self, disk: str, size: int, flags: int) -> int: ...
    def undefineFlags(self, flags: int) -> int: ...
    def updateDeviceFlags(self, xml: str, flags: int) -> int: ...
    def openGraphicsFD(self, index: int, flags: int) -> int: ...
    def screenshot(self, stream: Stream, screen: int, flags: int) -> str: ...
    def metadata(self, kind: int, uri: str | None, flags: int) -> str: ...


class Connection(Protocol):
    def isAlive(self) -> int: ...
    def close(self) -> int: ...
    def getCapabilities(self) -> str: ...
    def setKeepAlive(self, interval: int, count: int) -> int: ...
    def lookupByUUIDString(self, uuid: str) -> Domain: ...
    def newStream(self, flags: int) -> Stream: ...
    def defineXML(self, xml: str) -> Domain: ...
    def domainEventRegisterAny(
        self, domain: Domain | None, event: int, call: Callable[..., None], opaque: Any
    ) -> int: ...
    def domainEventDeregisterAny(self, callback: int) -> int: ...


class Binding(Protocol):
    """The module itself."""

    libvirtError: type[Exception]

    def open(self, uri: str) -> Connection: ...
    def virEventRegisterDefaultImpl(self) -> int: ...
    def virEventRunDefaultImpl(self) -> int: ...
    def registerErrorHandler(self, handler: Callable[..., None], context: Any) -> None: ...


class QemuBinding(Protocol):
    def qemuAgentCommand(self, domain: Domain, command: str, timeout: int, flags: int) -> str: ...


def load() -> tuple[Binding, QemuBinding]:
    """Raises: HypervisorMissing: it is not installed."""
    try:
        return cast("Binding", import_module("libvirt")), cast("QemuBinding", import_module("libvirt_qemu"))
    except ImportError:
        raise HypervisorMissing(
            "libvirt's Python binding is not installed on this node.",
            remedy="Install it: pip install 'limiquantix[libvirt]' (needs libvirt-dev and pkg-config).",
        ) from None


def number_of(error: Exception) -> int:
    """The virErrorNumber of a libvirtError."""
    return cast("Any", error).get_error_code() or 0
