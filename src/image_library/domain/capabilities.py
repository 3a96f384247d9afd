"""What a node's hypervisor may have to give a VM: words that nodes report and wishes are held against."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from image_library.domain.bridges import word_of
from image_library.domain.guest_door import Doorways
from image_library.domain.machine import Firmware
from image_library.domain.processors import LEVELS, words_up_to
from image_library.domain.vm import Datasource

UEFI = "uefi"
SECURE_BOOT = "secure_boot"
TPM = "tpm"
# A door for guests whose first card is behind the node, and for those whose first card is on a bridge.
DOOR = "door"
BRIDGE_DOOR = "bridge_door"
# Every VM can be given this; it tells a node that has nothing else from one that says nothing.
BASIC = "basic"

_OF_FIRMWARE = {
    Firmware.BIOS: frozenset[str](),
    Firmware.UEFI: frozenset({UEFI}),
    Firmware.UEFI_SECURE_BOOT: frozenset({UEFI, SECURE_BOOT}),
}


def wanted_by(
    firmware: Firmware,
    *,
    tpm: bool,
    bridges: Sequence[str] = (),
    cpu_level: int = 0,
    datasource: Datasource = Datasource.NOCLOUD,
) -> frozenset[str]:
    """What a node must have for such a VM. ``cpu_level`` is what its system is built for."""
    parts = frozenset({TPM}) if tpm else frozenset[str]()
    cards = frozenset(word_of(bridge) for bridge in bridges if bridge)
    door = frozenset(door_wanted(datasource, bridges))
    return _OF_FIRMWARE[firmware] | parts | cards | door | frozenset(words_up_to(cpu_level)[1:])


def door_wanted(datasource: Datasource, bridges: Sequence[str]) -> tuple[str, ...]:
    """For a guest that finds its documents there only."""
    if datasource is not Datasource.NOCLOUD_SMBIOS:
        return ()
    return (BRIDGE_DOOR,) if any(bridges[:1]) else (DOOR,)


def doors(doorways: Doorways) -> tuple[str, ...]:
    """Which doors a node has."""
    ways = {DOOR: doorways.of(""), BRIDGE_DOOR: doorways.of("any bridge")}
    return tuple(word for word, way in ways.items() if way is not None)


def told(words: Iterable[str]) -> frozenset[str]:
    """What a node has, as far as it says: one that tells no level of its processor is taken to have all."""
    has = frozenset(words)
    return has if not has or has & set(LEVELS) else has | set(LEVELS)
