"""Every error a user can meet, named by its cause.

    LibraryError
    ├── bad input          InvalidRequest, InvalidName, InvalidSshKey, DiskTooSmall, ...
    ├── not there          UnknownImage, UnknownVm, UnknownNode, UnknownJob
    ├── wrong state        NameTaken, ImageInUse, ImageNotReady, VmRunning, ...
    ├── fetching           AddressDenied, SourceUnreachable, SourceRefused, ...
    ├── trust              DigestMismatch, ChecksumMissing, ...
    ├── image content      NotAnImage, FormatMismatch, UnsafeBackingFile, ...
    ├── storage            StorageFull, StoreNotWritable, StoreChanged, ...
    ├── hypervisor         HypervisorMissing, HypervisorFailed, ...
    └── service            Unauthenticated, NodeUnreachable, PortTaken, ...

A class carries a stable ``code``, a ``kind`` (which the wire maps to one RPC code) and the usual
remedy; an instance carries one sentence that names the thing. Class docstrings are printed in
``docs/errors.md``.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from enum import Enum
from typing import ClassVar


class Kind(Enum):
    """What a caller may do about an error; one RPC code each (see ``wire.errors``)."""

    INVALID = "invalid"
    NOT_FOUND = "not_found"
    EXISTS = "exists"
    PRECONDITION = "precondition"
    EXHAUSTED = "exhausted"
    UNAUTHENTICATED = "unauthenticated"
    DENIED = "denied"
    UNAVAILABLE = "unavailable"
    DATA_LOSS = "data_loss"
    CANCELLED = "cancelled"
    UNIMPLEMENTED = "unimplemented"
    INTERNAL = "internal"


class LibraryError(Exception):
    """The base of every error that reaches a user."""

    code: ClassVar[str] = "internal"
    kind: ClassVar[Kind] = Kind.INTERNAL
    remedy_default: ClassVar[str] = "Look into the server's log; please report this."

    def __init__(self, message: str, *, remedy: str = "", field: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy or self.remedy_default
        self.field = field

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()


class Internal(LibraryError):
    """Something that should not happen; the details are in the server's log only."""


# --- bad input ---------------------------------------------------------------------------------


class InvalidRequest(LibraryError):
    """A field of the request has a value that cannot be used."""

    code = "request.invalid"
    kind = Kind.INVALID
    remedy_default = "Correct the field and try again."


class InvalidPageToken(InvalidRequest):
    """A page token that this server did not give out for this query."""

    code = "request.page_token"
    remedy_default = "Start again without a page token."


class InvalidName(LibraryError):
    """A display name with characters or a length that are not allowed."""

    code = "name.invalid"
    kind = Kind.INVALID
    remedy_default = "Use at most 63 letters, digits, '.', '_' and '-', starting with a letter or digit."


class InvalidHostname(LibraryError):
    """A host name that is not a valid RFC 1123 name."""

    code = "cloud_init.hostname"
    kind = Kind.INVALID
    remedy_default = "Use lower-case letters, digits and '-', at most 63 of them, neither first nor last '-'."


class InvalidUser(LibraryError):
    """A guest user name that Linux would refuse."""

    code = "cloud_init.user"
    kind = Kind.INVALID
    remedy_default = "Use at most 32 lower-case letters, digits, '_' or '-', starting with a letter or '_'."


class InvalidSshKey(LibraryError):
    """Text that is not one OpenSSH public key."""

    code = "cloud_init.ssh_key"
    kind = Kind.INVALID
    remedy_default = "Give the one line of a .pub file, such as ~/.ssh/id_ed25519.pub."


class InvalidUserData(LibraryError):
    """User-data, a package or a command that cannot be put on a seed."""

    code = "cloud_init.user_data"
    kind = Kind.INVALID
    remedy_default = "Check it with 'cloud-init schema -c FILE'."


class DiskTooSmall(LibraryError):
    """A requested disk is smaller than the image's virtual size."""

    code = "disk.too_small"
    kind = Kind.INVALID
    remedy_default = "Ask for a larger disk, or leave the size out to take the image's own."


class PathOutside(LibraryError):
    """A path in a request names something outside the node's own directories."""

    code = "path.outside"
    kind = Kind.INVALID
    remedy_default = "Name an image by its id, catalog id or unique name instead of a path."


class InvalidSettings(LibraryError):
    """A setting, option or environment variable that cannot be used."""

    code = "settings.invalid"
    kind = Kind.INVALID
    remedy_default = "See docs/settings.md for every setting and its form."


class InvalidCatalog(LibraryError):
    """A catalog file that is not valid; nothing of it is used."""

    code = "catalog.invalid"
    kind = Kind.INVALID
    remedy_default = "Correct the entry; docs/catalog.md describes each field."


# --- not there ---------------------------------------------------------------------------------


class UnknownImage(LibraryError):
    """No catalog entry, image id or image name like this."""

    code = "image.unknown"
    kind = Kind.NOT_FOUND
    remedy_default = "See 'limiquantix images catalog' and 'limiquantix images list'."

    @classmethod
    def named(cls, name: str, known: Iterable[str]) -> UnknownImage:
        """The error for ``name``, with the closest known names in its remedy."""
        close = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
        remedy = f"Did you mean {' or '.join(close)}?" if close else ""
        return cls(f"There is no image '{printable(name)}'.", remedy=remedy, field="image")


class AmbiguousImage(LibraryError):
    """A name that several images have."""

    code = "image.ambiguous"
    kind = Kind.INVALID
    remedy_default = "Use the image's id; 'limiquantix images list' shows it."


class UnknownNode(LibraryError):
    """No node with this id or host name is registered."""

    code = "node.unknown"
    kind = Kind.NOT_FOUND
    remedy_default = "See 'limiquantix nodes list'."


class UnknownVm(LibraryError):
    """No VM with this id or name."""

    code = "vm.unknown"
    kind = Kind.NOT_FOUND
    remedy_default = "See 'limiquantix vms list'."


class UnknownJob(LibraryError):
    """No job with this id."""

    code = "job.unknown"
    kind = Kind.NOT_FOUND
    remedy_default = "See 'limiquantix jobs list'."


# --- wrong state -------------------------------------------------------------------------------


class NameTaken(LibraryError):
    """Another image or VM of the project has this name."""

    code = "name.taken"
    kind = Kind.EXISTS
    remedy_default = "Choose another name, or delete the one that has it."


class ImageInUse(LibraryError):
    """VM disks are built on this image."""

    code = "image.in_use"
    kind = Kind.PRECONDITION
    remedy_default = "Delete the VMs that use it first."


class ImageNotReady(LibraryError):
    """The image is not whole on any node that could be used."""

    code = "image.not_ready"
    kind = Kind.PRECONDITION
    remedy_default = "Download it first: 'limiquantix images download ID'."


class VmRunning(LibraryError):
    """The operation needs a stopped VM."""

    code = "vm.running"
    kind = Kind.PRECONDITION
    remedy_default = "Stop it first: 'limiquantix vms stop NAME'."


class VmNotRunning(LibraryError):
    """The operation needs a running VM."""

    code = "vm.not_running"
    kind = Kind.PRECONDITION
    remedy_default = "Start it first: 'limiquantix vms start NAME'."


class JobCancelled(LibraryError):
    """The job was cancelled by somebody; what it had fetched is kept for the next try."""

    code = "job.cancelled"
    kind = Kind.CANCELLED
    remedy_default = "Start it again when you want it."


# --- fetching ----------------------------------------------------------------------------------


class UrlNotAllowed(LibraryError):
    """Only https, or http where a strong digest is known, is fetched."""

    code = "import.url_scheme"
    kind = Kind.INVALID
    remedy_default = "Use an https URL."


class AddressDenied(LibraryError):
    """The source's address is private, loopback, link-local or otherwise not for fetching from."""

    code = "import.address_denied"
    kind = Kind.DENIED
    remedy_default = "An operator can allow it with LIMIQUANTIX_ALLOW_SOURCES or serve it through a mirror."


class RedirectDenied(LibraryError):
    """The source redirected too often, to http, or to where it may not."""

    code = "import.redirect_denied"
    kind = Kind.DENIED
    remedy_default = "Use the final URL of the image, or a mirror."


class SourceUnreachable(LibraryError):
    """The source did not answer, not even after several tries."""

    code = "import.unreachable"
    kind = Kind.UNAVAILABLE
    remedy_default = "Check the network and the proxy; in a closed network set a mirror (docs/mirrors.md)."


class SourceTls(LibraryError):
    """The source's certificate or TLS version is not acceptable."""

    code = "import.tls"
    kind = Kind.UNAVAILABLE
    remedy_default = "Check the machine's clock and certificate authorities, or use a mirror."


class SourceNotFound(LibraryError):
    """The source says that the file is not there."""

    code = "import.not_found"
    kind = Kind.UNAVAILABLE
    remedy_default = "Check the URL; a mirror must hold the file under HOST/PATH."


class SourceRefused(LibraryError):
    """The source answered with an error that a retry will not cure."""

    code = "import.refused"
    kind = Kind.UNAVAILABLE
    remedy_default = "Check the URL and whether the source needs credentials."


class SourceStalled(LibraryError):
    """The source sent too little for too long, again and again."""

    code = "import.stalled"
    kind = Kind.UNAVAILABLE
    remedy_default = "Start the download again later; it goes on from the bytes it has."


class BadLength(LibraryError):
    """The source's Content-Length or Content-Range contradicts itself or what it sent."""

    code = "import.bad_length"
    kind = Kind.UNAVAILABLE
    remedy_default = "Try again, or use another mirror."


class SizeExceeded(LibraryError):
    """The source sends more bytes than announced or allowed."""

    code = "import.size_exceeded"
    kind = Kind.EXHAUSTED
    remedy_default = "Check the URL; raise the limit if the image is really that large."


# --- trust -------------------------------------------------------------------------------------


class DigestMismatch(LibraryError):
    """The bytes are not the ones that the publisher's checksum names; they were thrown away."""

    code = "verify.digest_mismatch"
    kind = Kind.DATA_LOSS
    remedy_default = "Try again; if it stays, the mirror or the checksum file is wrong: do not use the image."


class ChecksumMissing(LibraryError):
    """The checksum file has no row for exactly this file name."""

    code = "verify.checksum_missing"
    kind = Kind.PRECONDITION
    remedy_default = "Nothing is published without a checksum; check the checksum file at the source."


class InvalidChecksumFile(LibraryError):
    """What should be a checksum file cannot be read as one."""

    code = "verify.checksum_file"
    kind = Kind.PRECONDITION
    remedy_default = "Check the checksum file at the source or mirror."


class InvalidDigest(LibraryError):
    """A digest that is not sha256 or sha512 in hexadecimal of the right length."""

    code = "verify.digest_invalid"
    kind = Kind.INVALID
    remedy_default = "Give sha256 (64 hexadecimal digits) or sha512 (128)."


# --- image content -----------------------------------------------------------------------------


class NotAnImage(LibraryError):
    """The bytes are no disk image: empty, HTML, or of no known format."""

    code = "image.not_an_image"
    kind = Kind.PRECONDITION
    remedy_default = "Check the URL in a browser; a login page or an error page often hides behind it."


class FormatMismatch(LibraryError):
    """The bytes are of another format than declared."""

    code = "image.format_mismatch"
    kind = Kind.PRECONDITION
    remedy_default = "Declare the format that the file has."


class ImageTruncated(LibraryError):
    """The image refers to bytes beyond its end."""

    code = "image.truncated"
    kind = Kind.DATA_LOSS
    remedy_default = "Fetch it again."


class UnsafeBackingFile(LibraryError):
    """The image names a backing file, which would open another file of the host."""

    code = "image.unsafe.backing_file"
    kind = Kind.PRECONDITION
    remedy_default = "Flatten it first: 'qemu-img convert -O qcow2 IN OUT'."


class UnsafeDataFile(LibraryError):
    """The image names an external data file, which would open another file of the host."""

    code = "image.unsafe.data_file"
    kind = Kind.PRECONDITION
    remedy_default = "Convert it to a plain qcow2 first."


class UnsafeMetadata(LibraryError):
    """The image's tables are absurdly large: made to exhaust whoever opens it."""

    code = "image.unsafe.metadata_bomb"
    kind = Kind.PRECONDITION
    remedy_default = "Do not use this image."


class UnsupportedFeature(LibraryError):
    """The image uses a feature that is not supported."""

    code = "image.unsupported.feature"
    kind = Kind.PRECONDITION
    remedy_default = "Convert it to a plain qcow2 first."


class VirtualSizeTooLarge(LibraryError):
    """The image claims a virtual size beyond the limit."""

    code = "image.too_large.virtual"
    kind = Kind.PRECONDITION
    remedy_default = "Raise max_virtual_size if the image is really that large."


# --- storage -----------------------------------------------------------------------------------


class StorageFull(LibraryError):
    """There is not enough space, or there are no inodes left."""

    code = "storage.full"
    kind = Kind.EXHAUSTED
    remedy_default = "Free some space, or use another data directory with --data-dir."


class StorageIo(LibraryError):
    """The disk answered with an error; the bytes are not trusted."""

    code = "storage.io_error"
    kind = Kind.UNAVAILABLE
    remedy_default = "Check the disk and the kernel's log before trying again."


class StoreNotWritable(LibraryError):
    """The data directory cannot be written."""

    code = "storage.not_writable"
    kind = Kind.PRECONDITION
    remedy_default = "Give the user who runs limiquantix that directory, or choose another with --data-dir."


class StoreChanged(LibraryError):
    """The data directory is another one than the node knew: swapped or not mounted."""

    code = "storage.changed"
    kind = Kind.PRECONDITION
    remedy_default = "Mount the right directory."


class ImageFileMissing(LibraryError):
    """A published image file is gone or changed behind our back."""

    code = "image.missing"
    kind = Kind.DATA_LOSS
    remedy_default = "Download the image again."


class DataDirBusy(LibraryError):
    """Another process already uses this data directory."""

    code = "storage.busy"
    kind = Kind.PRECONDITION
    remedy_default = "Stop the other one, or choose another directory with --data-dir."


# --- hypervisor --------------------------------------------------------------------------------


class HypervisorMissing(LibraryError):
    """A program that runs VMs or handles images is not installed."""

    code = "hypervisor.missing"
    kind = Kind.PRECONDITION
    remedy_default = "Install it: apt-get install qemu-system-x86 qemu-utils."


class FirmwareMissing(LibraryError):
    """The image needs UEFI and no UEFI firmware is installed."""

    code = "hypervisor.firmware_missing"
    kind = Kind.PRECONDITION
    remedy_default = "Install it: apt-get install ovmf."


class HypervisorFailed(LibraryError):
    """The hypervisor refused to make or run the VM."""

    code = "hypervisor.failed"
    kind = Kind.INTERNAL
    remedy_default = "The reason is qemu's own; see the VM's qemu.log on the node."


class BootTimeout(LibraryError):
    """The guest did not reach the wanted stage in time."""

    code = "vm.boot_timeout"
    kind = Kind.UNAVAILABLE
    remedy_default = "Look at its serial console: 'limiquantix vms console NAME'."


class CloudInitFailed(LibraryError):
    """The guest came up, but cloud-init reports errors."""

    code = "vm.cloud_init_failed"
    kind = Kind.PRECONDITION
    remedy_default = "Log in and read /var/log/cloud-init.log, or 'limiquantix vms console NAME'."


# --- service -----------------------------------------------------------------------------------


class Unauthenticated(LibraryError):
    """The request carries no token, or one that is not known."""

    code = "auth.missing"
    kind = Kind.UNAUTHENTICATED
    remedy_default = "Send 'Authorization: Bearer TOKEN'; the token is in <data-dir>/token."


class PermissionDenied(LibraryError):
    """The token is known but may not call this."""

    code = "auth.denied"
    kind = Kind.DENIED
    remedy_default = "Use the operator's token."


class HostDenied(LibraryError):
    """The Host header names a host that this server does not answer for."""

    code = "auth.host"
    kind = Kind.DENIED
    remedy_default = "Add the name to allowed_hosts (docs/settings.md)."


class NodeUnreachable(LibraryError):
    """The node does not answer; what it was doing goes on there."""

    code = "node.unreachable"
    kind = Kind.UNAVAILABLE
    remedy_default = "Check that 'limiquantix node' runs there; it comes back by itself."


class NoNodeReady(LibraryError):
    """No node is ready to take the work."""

    code = "node.none_ready"
    kind = Kind.UNAVAILABLE
    remedy_default = "Start one: 'limiquantix node --control-plane URL'."


class NodeDuplicate(LibraryError):
    """Another running node already uses this identity."""

    code = "node.duplicate"
    kind = Kind.EXISTS
    remedy_default = "A copied data directory needs its own identity: remove 'store-id' in the copy."


class ServerUnreachable(LibraryError):
    """The control plane does not answer."""

    code = "server.unreachable"
    kind = Kind.UNAVAILABLE
    remedy_default = "Start it: 'limiquantix up'."


class PortTaken(LibraryError):
    """Another program listens on the wanted address."""

    code = "server.port_taken"
    kind = Kind.PRECONDITION
    remedy_default = "Choose another with --listen HOST:PORT; port 0 picks a free one."


class ListenDenied(LibraryError):
    """This address may not be served this way."""

    code = "server.listen_denied"
    kind = Kind.INVALID
    remedy_default = "Serve on 127.0.0.1, or give --tls-cert and --tls-key."


class SchemaTooNew(LibraryError):
    """The database was written by a newer limiquantix."""

    code = "server.schema_too_new"
    kind = Kind.PRECONDITION
    remedy_default = "Install the newer version again."


class NotImplementedYet(LibraryError):
    """An RPC of the contract that this version does not answer."""

    code = "rpc.unimplemented"
    kind = Kind.UNIMPLEMENTED
    remedy_default = "A later version will have it."


def printable(text: str, limit: int = 120) -> str:
    """``text`` with control characters escaped and cut to ``limit`` characters, for messages."""
    cleaned = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)
    return cleaned if len(cleaned) <= limit else cleaned[: limit - 1] + "…"


def all_errors() -> Iterator[type[LibraryError]]:
    """Every concrete error class, in the order of this file."""
    waiting = [LibraryError]
    while waiting:
        for child in waiting.pop(0).__subclasses__():
            yield child
            waiting.append(child)


def rebuild(code: str, message: str, *, remedy: str = "", field: str = "") -> LibraryError:
    """The error that another process described by its code; an unknown code becomes ``Internal``."""
    known = {cls.code: cls for cls in all_errors()}
    return known.get(code, Internal)(message, remedy=remedy, field=field)
