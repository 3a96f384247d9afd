"""Operating systems and requirements on the wire."""

from __future__ import annotations

from image_library.domain.image import Requirements
from image_library.domain.os_info import OsFamily, OsInfo, ProvisioningMethod
from image_library.wire.enums import known
from limiquantix.storage.v1 import image_pb

FAMILIES = {
    OsFamily.UNKNOWN: image_pb.OsInfo.OsFamily.UNKNOWN,
    OsFamily.LINUX: image_pb.OsInfo.OsFamily.LINUX,
    OsFamily.WINDOWS: image_pb.OsInfo.OsFamily.WINDOWS,
    OsFamily.BSD: image_pb.OsInfo.OsFamily.BSD,
    OsFamily.OTHER: image_pb.OsInfo.OsFamily.OTHER,
}
METHODS = {
    ProvisioningMethod.UNKNOWN: image_pb.OsInfo.ProvisioningMethod.PROVISIONING_UNKNOWN,
    ProvisioningMethod.CLOUD_INIT: image_pb.OsInfo.ProvisioningMethod.CLOUD_INIT,
    ProvisioningMethod.IGNITION: image_pb.OsInfo.ProvisioningMethod.IGNITION,
    ProvisioningMethod.SYSPREP: image_pb.OsInfo.ProvisioningMethod.SYSPREP,
    ProvisioningMethod.KICKSTART: image_pb.OsInfo.ProvisioningMethod.KICKSTART,
    ProvisioningMethod.PRESEED: image_pb.OsInfo.ProvisioningMethod.PRESEED,
    ProvisioningMethod.NONE: image_pb.OsInfo.ProvisioningMethod.NONE,
}
_FAMILIES_BACK = {wire: family for family, wire in FAMILIES.items()}
_METHODS_BACK = {wire: method for method, wire in METHODS.items()}


def os_to_wire(os: OsInfo) -> image_pb.OsInfo:
    return image_pb.OsInfo(
        family=FAMILIES[os.family],
        distribution=os.distribution,
        version=os.version,
        architecture=os.architecture,
        default_user=os.default_user,
        cloud_init_enabled=os.cloud_init_enabled,
        provisioning_method=METHODS[os.provisioning_method],
    )


def os_from_wire(message: image_pb.OsInfo | None) -> OsInfo:
    """What the message says; numbers of a newer contract become unknown."""
    if message is None:
        return OsInfo()
    return OsInfo(
        family=_FAMILIES_BACK.get(message.family, OsFamily.UNKNOWN),
        distribution=message.distribution,
        version=message.version,
        architecture=message.architecture,
        default_user=message.default_user,
        cloud_init_enabled=message.cloud_init_enabled,
        provisioning_method=_METHODS_BACK.get(message.provisioning_method, ProvisioningMethod.UNKNOWN),
    )


def family_from_wire(family: image_pb.OsInfo.OsFamily) -> OsFamily | None:
    """The family that a filter names; None for zero, which filters nothing.

    Raises:
        InvalidRequest: the number is none of the contract's.
    """
    return None if int(family) == 0 else exact_family(family)


def exact_family(family: image_pb.OsInfo.OsFamily) -> OsFamily:
    """The family with this number, UNKNOWN for zero. Raises InvalidRequest."""
    return known(family, _FAMILIES_BACK, field="os_family")


def requirements_from_wire(message: image_pb.ImageRequirements | None) -> Requirements:
    """What the message says; no number is the least that there is."""
    if message is None:
        return Requirements()
    return Requirements(
        min_cpu=message.min_cpu or Requirements().min_cpu,
        min_memory_mib=message.min_memory_mib,
        min_disk_gib=message.min_disk_gib,
        firmware=tuple(message.supported_firmware),
        secure_boot=message.requires_secure_boot,
        tpm=message.requires_tpm,
    )


def requirements_to_wire(needs: Requirements) -> image_pb.ImageRequirements:
    return image_pb.ImageRequirements(
        min_cpu=needs.min_cpu,
        min_memory_mib=needs.min_memory_mib,
        min_disk_gib=needs.min_disk_gib,
        supported_firmware=list(needs.firmware),
        requires_secure_boot=needs.secure_boot,
        requires_tpm=needs.tpm,
    )
