"""Whether what Windows Setup is told reaches a guest, and lets somebody in."""

from __future__ import annotations

from collections.abc import Iterator

from image_library.domain.os_info import OsFamily, ProvisioningMethod
from image_library.domain.preflight.finding import Finding, amber, green, red
from image_library.domain.preflight.subject import Subject

# What Windows itself needs at the least.
_LEAST_MEMORY_MIB = 2048


def lacks_memory(subject: Subject) -> bool:
    """Whether it is for Windows, and less than that takes."""
    return subject.windows is not None and subject.memory_mib < _LEAST_MEMORY_MIB


def windows(subject: Subject) -> Iterator[Finding]:
    asked = subject.windows
    if asked is None:
        return
    if subject.os.family not in (OsFamily.WINDOWS, OsFamily.UNKNOWN):
        yield red(
            "windows.image",
            f"'{subject.image_name}' is no Windows: nothing in it reads an answer file.",
            "Use cloud-init's fields, or an image of Windows.",
            "spec.disks.image",
        )
        return
    yield from _method(subject)
    if lacks_memory(subject):
        yield amber(
            "windows.memory",
            f"Windows hardly runs in {subject.memory_mib} MiB.",
            f"Give it {_LEAST_MEMORY_MIB} MiB or more.",
            "spec.memory.size_mib",
        )
    if asked.unattend_xml:
        yield amber(
            "login.unknown",
            "Whether anybody can log on cannot be told.",
            "See that your answer file sets the administrator's password.",
            "unattend_xml",
        )
    elif asked.administrator_password:
        yield green("login.administrator", "The administrator can log on with a password.")
    else:
        yield amber(
            "login.nobody",
            "The first boot stops at a question for the administrator's password.",
            "Give one: administrator_password.",
            "administrator_password",
        )


def _method(subject: Subject) -> Iterator[Finding]:
    method = subject.os.provisioning_method
    if method is ProvisioningMethod.SYSPREP:
        yield green("windows.setup", "Windows Setup reads the answer file on the first boot.")
    elif method is ProvisioningMethod.CLOUD_INIT:
        yield red(
            "windows.method",
            f"'{subject.image_name}' is told by Cloudbase-Init, which reads no answer file.",
            "Use cloud-init's fields.",
            "spec.provisioning",
        )
    else:
        yield amber(
            "windows.method",
            f"Whether '{subject.image_name}' was generalised with Sysprep is not known.",
            "Say so when importing it: --os-provisioning sysprep.",
            "spec.disks.image",
        )
