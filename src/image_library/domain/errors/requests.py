"""What callers get wrong: bad input, things that are not there, and things in the wrong state."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from image_library.domain.errors.tree import Kind, LibraryError, printable


class InvalidRequest(LibraryError):
    """A field of the request has a value that cannot be used."""

    code = "request.invalid"
    kind = Kind.INVALID
    remedy_default = "Correct the field and try again."


class InvalidPageToken(InvalidRequest):
    """A page token that this server did not give out for this query."""

    code = "request.page_token"
    remedy_default = "Start again without a page token."


class RequestTooLarge(LibraryError):
    """The request's body is larger than the server reads, or came too slowly."""

    code = "request.too_large"
    kind = Kind.EXHAUSTED
    remedy_default = "Send at most 4 MiB, in at most 30 seconds."


class InvalidName(LibraryError):
    """A display name with characters or a length that are not allowed."""

    code = "name.invalid"
    kind = Kind.INVALID
    remedy_default = "Use at most 63 letters, digits, '.', '_' and '-', starting with a letter or digit."


class InvalidCharacter(LibraryError):
    """A name or text with a character that cannot be seen, or that changes how the others are read."""

    code = "name.invalid_char"
    kind = Kind.INVALID
    remedy_default = "Remove it; copied text often carries one along."


class OutputOnlyField(LibraryError):
    """A field that the server alone fills in was to be set."""

    code = "field.output_only"
    kind = Kind.INVALID
    remedy_default = "Leave it out of the update mask."


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


class InvalidPassword(LibraryError):
    """A password, or the hash of one, that a guest cannot be given."""

    code = "cloud_init.password"
    kind = Kind.INVALID
    remedy_default = "Give a password that can be typed, or its sha512crypt or yescrypt hash."


class InvalidGuestSetting(LibraryError):
    """A locale, time zone, file, mount, repository or other setting of a guest that cannot be used."""

    code = "cloud_init.setting"
    kind = Kind.INVALID
    remedy_default = "docs/cloud-init.md says what each setting takes."


class PreflightFailed(LibraryError):
    """The VM would not come up, or not as it was asked for; nothing was made."""

    code = "vm.preflight_failed"
    kind = Kind.PRECONDITION
    remedy_default = "See all of it with 'limiquantix vms preflight', or go on with --force."


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


class UnknownImage(LibraryError):
    """No catalog entry, image id or image name like this."""

    code = "image.unknown"
    kind = Kind.NOT_FOUND
    remedy_default = "See 'limiquantix images catalog' and 'limiquantix images list'."

    @classmethod
    def named(cls, name: str, known: Iterable[str]) -> UnknownImage:
        """The error for ``name``, with the closest known names in its remedy."""
        close = difflib.get_close_matches(name, list(dict.fromkeys(known)), n=3, cutoff=0.5)
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


class UnknownPool(LibraryError):
    """No storage pool with this id."""

    code = "pool.unknown"
    kind = Kind.NOT_FOUND
    remedy_default = "Every node's store is a pool; 'limiquantix nodes show NODE' names it."


class LastCopy(LibraryError):
    """No other node has the image."""

    code = "image.last_copy"
    kind = Kind.PRECONDITION
    remedy_default = "Place it elsewhere first, or let the last copy go too: 'images evict --last-copy-too'."


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


class UnknownUpload(LibraryError):
    """No upload with this id, or one that has ended."""

    code = "upload.unknown"
    kind = Kind.NOT_FOUND
    remedy_default = "Begin a new upload."


class UploadOffset(LibraryError):
    """The bytes sent do not go on where the stored ones end."""

    code = "upload.offset"
    kind = Kind.PRECONDITION
    remedy_default = "Ask for the offset with HEAD and go on from there."


class UploadBusy(LibraryError):
    """Somebody else sends bytes for this upload right now."""

    code = "upload.busy"
    kind = Kind.PRECONDITION
    remedy_default = "Wait until the other one has ended."


class UploadRefused(LibraryError):
    """The upload's description cannot be used."""

    code = "upload.invalid"
    kind = Kind.INVALID
    remedy_default = "See docs/uploads.md for the headers and metadata of an upload."


class UploadTooLarge(LibraryError):
    """The upload is larger than this server takes, or than the project has left."""

    code = "upload.too_large"
    kind = Kind.EXHAUSTED
    remedy_default = "Delete images that are not needed, or raise max_upload_gib or project_quota_gib."


class UploadDamaged(LibraryError):
    """A piece of an upload does not have the checksum that was sent with it; it is not kept."""

    code = "upload.checksum"
    kind = Kind.DATA_LOSS
    remedy_default = "Send the piece again."


class UploadExpired(LibraryError):
    """Nothing came for an upload for too long."""

    code = "upload.expired"
    kind = Kind.PRECONDITION
    remedy_default = "Begin a new upload; upload_expiry_hours says how long one waits."


class NameTaken(LibraryError):
    """Another image or VM of the project has this name."""

    code = "name.taken"
    kind = Kind.EXISTS
    remedy_default = "Choose another name, or delete the one that has it."


class ImageInUse(LibraryError):
    """VM disks are built on this image, or a job is bringing it."""

    code = "image.in_use"
    kind = Kind.PRECONDITION
    remedy_default = "Delete the VMs that use it first, or give them disks of their own: '--cascade flatten'."


class ImageProtected(LibraryError):
    """The image is protected: it is neither deleted, nor pruned, nor taken from a node."""

    code = "image.protected"
    kind = Kind.PRECONDITION
    remedy_default = "Take the protection back first: 'limiquantix images unprotect IMAGE'."


class ImageDeleting(LibraryError):
    """The image is being deleted; nothing new is built on it."""

    code = "image.deleting"
    kind = Kind.PRECONDITION
    remedy_default = "Use another image, or download it again once it is gone."


class ImageChanged(LibraryError):
    """The image, or its file, was changed by somebody else meanwhile."""

    code = "image.changed"
    kind = Kind.ABORTED
    remedy_default = "Look at it again, and repeat the change if it is still wanted."


class ImageIsLocal(LibraryError):
    """The image is a file that an operator put on a node; only an operator removes it."""

    code = "image.local"
    kind = Kind.PRECONDITION
    remedy_default = "Remove the file on the node, then run 'limiquantix images scan'."


class ImageNotReady(LibraryError):
    """The image is not whole on any node that could be used."""

    code = "image.not_ready"
    kind = Kind.PRECONDITION
    remedy_default = "Download it first: 'limiquantix images download ID'."


class ImageTrustTooLow(LibraryError):
    """The image is not proved as far as the project demands of what its VMs are made from."""

    code = "image.trust_too_low"
    kind = Kind.PRECONDITION
    remedy_default = (
        "Take an image that is proved so far ('limiquantix images catalog' shows it), "
        "or let the operator change min_trust (docs/trust.md)."
    )


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


class JobNotFailed(LibraryError):
    """Only a job that failed or was cancelled can be tried again."""

    code = "job.not_failed"
    kind = Kind.PRECONDITION
    remedy_default = "Follow it with 'limiquantix jobs watch JOB', or cancel it first."


class JobNotRepeatable(LibraryError):
    """What the job worked on is no longer there, so that it cannot be done again from its record."""

    code = "job.not_repeatable"
    kind = Kind.PRECONDITION
    remedy_default = "Begin anew, such as with a new upload."


class IdempotencyConflict(LibraryError):
    """The idempotency key was used before, for another RPC or another request."""

    code = "idempotency.conflict"
    kind = Kind.INVALID
    remedy_default = "Use a new key for every new request; keep it only to repeat the very same one."
