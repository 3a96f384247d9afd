"""Processors that a VM can be shown, and the levels of x86-64 that systems are built for.

Source of the levels: x86-64 psABI, "Micro-architecture levels" (https://gitlab.com/x86-psABIs/x86-64-ABI).
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from image_library.domain.errors import InvalidRequest, printable
from image_library.domain.os_info import OsInfo


class CpuModel(StrEnum):
    # The host's own where the processor itself runs the guest, else all that can be emulated.
    USUAL = ""
    HOST = "host"
    MAX = "max"
    # No more than the level: such a guest can be moved to any host that has it.
    V2 = "x86-64-v2"
    V3 = "x86-64-v3"


# Words for ``capabilities``, the least first: what guests of a node can be shown.
LEVELS = ("x86-64-v1", "x86-64-v2", "x86-64-v3")
# What a level has beyond the one before it, as qemu, libvirt and (with "_" for ".") Linux name it.
_FEATURES = {
    2: ("cx16", "lahf_lm", "popcnt", "pni", "sse4.1", "sse4.2", "ssse3"),
    3: ("abm", "avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe", "xsave"),
}
_LEVEL_OF_MODEL = {CpuModel.V2: 2, CpuModel.V3: 3}
# What publishers build for, by distribution and, before the first ".", version. Later versions need as much.
_BUILT_FOR: dict[str, tuple[tuple[int, int], ...]] = {
    **dict.fromkeys(("rhel", "almalinux", "rocky", "centos", "oraclelinux"), ((9, 2), (10, 3))),
    "sles": ((16, 2),),
}


def cpu_model(word: str) -> CpuModel:
    """Raises: InvalidRequest: there is no such model."""
    try:
        return CpuModel(word)
    except ValueError:
        known = ", ".join(model.value for model in CpuModel if model)
        raise InvalidRequest(
            f"'{printable(word)}' is no processor model.",
            remedy=f"Use one of {known}, or leave it out.",
            field="spec.cpu.model",
        ) from None


def features_of(model: CpuModel) -> tuple[str, ...]:
    """What is added to the plainest 64-bit processor; nothing for models that name no level."""
    level = level_of(model)
    return tuple(name for at in range(2, level + 1) for name in _FEATURES[at])


def level_of(model: CpuModel) -> int:
    """0 where it depends on the host."""
    return _LEVEL_OF_MODEL.get(model, 0)


def level_of_flags(flags: Iterable[str]) -> int:
    """Of a processor, by the flags in Linux's /proc/cpuinfo."""
    has = set(flags)
    level = 1
    while level < len(LEVELS) and {name.replace(".", "_") for name in _FEATURES[level + 1]} <= has:
        level += 1
    return level


def words_up_to(level: int) -> tuple[str, ...]:
    return LEVELS[:level]


def level_needed(os: OsInfo) -> int:
    """The level that the system in an image is built for; 1 where any 64-bit processor will do."""
    major = os.version.partition(".")[0]
    if os.architecture not in ("", "x86_64") or not (major.isascii() and major.isdigit()):
        return 1
    rows = _BUILT_FOR.get(os.distribution, ())
    return max((level for version, level in rows if int(major) >= version), default=1)
