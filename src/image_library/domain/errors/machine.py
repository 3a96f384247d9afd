"""What a node's disk and hypervisor can refuse."""

from __future__ import annotations

from image_library.domain.errors.tree import Kind, LibraryError


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


class StoreDegraded(LibraryError):
    """A node reads its store and begins no work that writes to it: its disk failed, or is read-only."""

    code = "storage.degraded"
    kind = Kind.PRECONDITION
    remedy_default = "Name another node, or check the disk and then 'limiquantix nodes resume NODE'."


class StoreChanged(LibraryError):
    """The data directory is another one than the node knew: swapped or not mounted."""

    code = "storage.changed"
    kind = Kind.PRECONDITION
    remedy_default = (
        "Mount the right one; where it is lost for good, start the node once with --accept-store."
    )


class ImageFileMissing(LibraryError):
    """A published image file is gone behind our back."""

    code = "image.missing"
    kind = Kind.DATA_LOSS
    remedy_default = "Download the image again."


class ImageDamaged(LibraryError):
    """A published image's bytes have changed on the disk; the copy was put aside."""

    code = "image.damaged"
    kind = Kind.DATA_LOSS
    remedy_default = "It is fetched again by itself where somebody has it; else download or place it again."


class DataDirBusy(LibraryError):
    """Another process already uses this data directory."""

    code = "storage.busy"
    kind = Kind.PRECONDITION
    remedy_default = "Stop the other one, or choose another directory with --data-dir."


class HypervisorMissing(LibraryError):
    """A program that runs VMs or handles images is not installed."""

    code = "hypervisor.missing"
    kind = Kind.PRECONDITION
    remedy_default = "Install it: apt-get install qemu-system-x86 qemu-utils."


class FirmwareMissing(LibraryError):
    """The VM needs UEFI, or Secure Boot, and no such firmware is installed."""

    code = "hypervisor.firmware_missing"
    kind = Kind.PRECONDITION
    remedy_default = "Install it: apt-get install ovmf."


class TpmMissing(LibraryError):
    """The VM has a TPM, and the program that is one is not installed."""

    code = "hypervisor.tpm_missing"
    kind = Kind.PRECONDITION
    remedy_default = "Install it: apt-get install swtpm."


class BridgeDenied(LibraryError):
    """The VM's network card is to be on a bridge that the node's operator lets no VM onto."""

    code = "hypervisor.bridge_denied"
    kind = Kind.PRECONDITION
    remedy_default = "Add it to 'bridges' in the node's settings.toml and start the node again."


class BridgeMissing(LibraryError):
    """The node has no such bridge, or may put nothing on it."""

    code = "hypervisor.bridge_missing"
    kind = Kind.PRECONDITION
    remedy_default = "Make it on the node: 'ip link add br0 type bridge', 'ip link set br0 up'."


class ProcessorUnfit(LibraryError):
    """The node cannot show a guest the processor that the VM is to have."""

    code = "hypervisor.processor_unfit"
    kind = Kind.PRECONDITION
    remedy_default = "Leave the processor's model out, or name another node."


class HypervisorFailed(LibraryError):
    """The hypervisor refused to make or run the VM."""

    code = "hypervisor.failed"
    kind = Kind.INTERNAL
    remedy_default = "The reason is qemu's own; see the VM's qemu.log on the node."


class BootTimeout(LibraryError):
    """The guest did not reach the wanted stage in time."""

    code = "vm.boot_timeout"
    kind = Kind.UNAVAILABLE
    remedy_default = "Look at its serial console: 'limiquantix vms logs NAME'."


class CloudInitFailed(LibraryError):
    """The guest came up, but cloud-init reports errors."""

    code = "vm.cloud_init_failed"
    kind = Kind.PRECONDITION
    remedy_default = "Log in and read /var/log/cloud-init.log, or 'limiquantix vms logs NAME'."


class JailedProgramDied(LibraryError):
    """A program that reads foreign bytes crashed, hung or went beyond its limits; it was ended."""

    code = "jail.program_died"
    kind = Kind.PRECONDITION
    remedy_default = (
        "The image is broken or made to exhaust its reader: do not use it unless you trust its source."
    )
    # Whether it was killed, rather than ended by us for what it did.
    by_signal: bool = False


class JailMissing(LibraryError):
    """This machine cannot shut a program in, so nothing that reads foreign bytes is started."""

    code = "jail.missing"
    kind = Kind.PRECONDITION
    remedy_default = (
        "Use a kernel with Landlock (5.13 or newer), or install bubblewrap: apt-get install bubblewrap."
    )
