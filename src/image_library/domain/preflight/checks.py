"""What is looked at, one function a question; each answers with at least one finding where it applies."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from image_library.domain.errors import printable
from image_library.domain.machine import GIB
from image_library.domain.os_info import ProvisioningMethod
from image_library.domain.preflight.equipment import bridged, drivers, equipment, firmware, processor
from image_library.domain.preflight.finding import Finding, Severity, amber, green, red
from image_library.domain.preflight.login import imports, login, plain_passwords
from image_library.domain.preflight.network import network
from image_library.domain.preflight.served import served
from image_library.domain.preflight.subject import Subject
from image_library.domain.preflight.windows import lacks_memory, windows
from image_library.domain.trust import TrustLevel
from image_library.domain.user_data import is_known_kind
from image_library.domain.vm import Datasource

Check = Callable[[Subject], Iterator[Finding]]

_ORDER = (Severity.RED, Severity.AMBER, Severity.GREEN)
MOST_PROBLEMS = 20


def look(subject: Subject) -> tuple[Finding, ...]:
    """Every finding, the gravest first."""
    told = _OF_CLOUD_INIT if subject.windows is None else (windows,)
    found = [finding for check in (*told, *_OF_ALL) for finding in check(subject)]
    return tuple(sorted(found, key=lambda finding: _ORDER.index(finding.severity)))


def _user_data(subject: Subject) -> Iterator[Finding]:
    theirs = subject.asked.user_data
    if theirs and not is_known_kind(theirs):
        yield amber(
            "user_data.kind",
            "The user-data's first line is none that cloud-init knows: it would be passed over.",
            "Start it with #cloud-config, #! or a MIME header.",
            "user_data",
        )
        return
    for problem in subject.problems[:MOST_PROBLEMS]:
        make = amber if problem.doubtful else red
        yield make(
            "user_data.schema",
            f"{printable(problem.path)} {problem.what}.",
            "Correct it; https://docs.cloud-init.io/en/latest/reference/modules.html lists what each takes.",
            "user_data",
        )
    if not subject.problems:
        yield green("user_data.sound", "cloud-init's schema takes the user-data.")


def _timezone(subject: Subject) -> Iterator[Finding]:
    zone = subject.asked.system.timezone
    if zone and subject.timezones and zone not in subject.timezones:
        yield amber(
            "timezone.unknown",
            f"The time zone '{printable(zone)}' is not known here.",
            "Use a name such as Europe/Berlin.",
            "timezone",
        )


def _cloud_init(subject: Subject) -> Iterator[Finding]:
    found = subject.found
    other = subject.os.provisioning_method not in (ProvisioningMethod.UNKNOWN, ProvisioningMethod.CLOUD_INIT)
    if other or (found and found.read and not found.cloud_init):
        told = subject.asked.has_fields or subject.asked.user_data
        make = red if told and not other else amber
        yield make(
            "cloud_init.missing",
            f"'{subject.image_name}' has no cloud-init that is enabled: nothing of this reaches the guest.",
            "Use an image with cloud-init.",
            "spec.disks.image",
        )
    elif subject.datasource is Datasource.NOCLOUD_SMBIOS:
        # Looked at on its own.
        return
    elif found and found.datasources and not {"NoCloud", "ConfigDrive"} & set(found.datasources):
        yield red(
            "cloud_init.datasource",
            f"cloud-init in '{subject.image_name}' reads {', '.join(found.datasources)} only, and no disk.",
            "Use one that reads ConfigDrive, or NoCloud: by a disk, or where its kernel reads no disc by the "
            "serial number (datasource NOCLOUD_SMBIOS).",
            "datasource",
        )


def _disk(subject: Subject) -> Iterator[Finding]:
    least = max(subject.needs.min_disk_gib * GIB, subject.virtual_size_bytes)
    if subject.disk_gib and subject.disk_gib * GIB < subject.virtual_size_bytes:
        yield red("disk.too_small", "The disk is smaller than the image.", "Ask for a larger one.", "disk")
    elif subject.disk_gib and subject.disk_gib * GIB < least:
        yield amber(
            "disk.small",
            f"The image wants a disk of {subject.needs.min_disk_gib} GiB.",
            "Ask for a larger one.",
            "spec.disks.size_gib",
        )
    else:
        yield green("disk.sound", "The disk is large enough.")


def _memory(subject: Subject) -> Iterator[Finding]:
    if subject.memory_mib < subject.needs.min_memory_mib:
        yield amber(
            "memory.small",
            f"The image wants {subject.needs.min_memory_mib} MiB of memory, not {subject.memory_mib}.",
            "Ask for more memory.",
            "spec.memory.size_mib",
        )
    elif not lacks_memory(subject):
        yield green("memory.sound", "The memory is large enough.")


def _architecture(subject: Subject) -> Iterator[Finding]:
    wanted = subject.os.architecture
    if wanted and subject.node_architectures and wanted not in subject.node_architectures:
        have = ", ".join(sorted(subject.node_architectures))
        yield red(
            "architecture.unfit",
            f"The image is for {wanted}, and the node is {have}.",
            "Choose another node, or the image's variant for that architecture.",
            "node_id",
        )


def _agent(subject: Subject) -> Iterator[Finding]:
    present = subject.traits.agent_preinstalled or bool(subject.found and subject.found.guest_agent)
    if present:
        yield green("agent.present", "The image has the guest agent.")
    elif subject.asked.no_guest_agent:
        yield green("agent.left_out", "The guest agent is not installed, as it was asked for.")
    elif subject.identity is not None:
        yield green("agent.installed", "The guest agent is installed on the first boot.")
    else:
        yield amber(
            "agent.missing",
            "The guest agent may be missing: the VM's addresses would not be known.",
            f"Let user_data install {subject.traits.agent_package}.",
            "user_data",
        )


def _support(subject: Subject) -> Iterator[Finding]:
    if subject.support_ends and subject.support_ends < subject.today:
        yield amber(
            "support.ended",
            f"Support for '{subject.image_name}' ended on {subject.support_ends}.",
            "Use a newer release.",
            "spec.disks.image",
        )


def _trust(subject: Subject) -> Iterator[Finding]:
    if subject.trust is TrustLevel.UNVERIFIED:
        yield amber(
            "trust.unverified",
            f"Nothing proves where the bytes of '{subject.image_name}' come from.",
            "Import it with its publisher's checksum.",
            "spec.disks.image",
        )
    elif subject.trust is not None:
        yield green("trust.verified", f"'{subject.image_name}' is verified: {subject.trust.name.lower()}.")


def _facts(subject: Subject) -> Iterator[Finding]:
    for sentence in subject.warnings:
        yield amber("image.differs", sentence, "Correct the image's description.", "spec.disks.image")


_OF_CLOUD_INIT: tuple[Check, ...] = (
    _user_data,
    plain_passwords,
    login,
    imports,
    _timezone,
    _cloud_init,
    served,
    _agent,
)
_OF_ALL: tuple[Check, ...] = (
    network,
    _disk,
    _memory,
    firmware,
    equipment,
    processor,
    bridged,
    drivers,
    _architecture,
    _support,
    _trust,
    _facts,
)
