"""How images come from each other, as far as that is told: an image was made of another, or of a VM on it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from image_library.domain.lineage import ConvertedFrom


class Making(Enum):
    CONVERTED = "converted"
    # A VM's disk became it.
    CAPTURED = "captured"


@dataclass(frozen=True, kw_only=True)
class Derivation:
    """``vm_id`` and ``vm_name`` are those of the captured VM, which may be gone."""

    how: Making
    vm_id: str = ""
    vm_name: str = ""


def derivation(source: ConvertedFrom) -> Derivation:
    captured = source.captured
    if captured is None:
        return Derivation(how=Making.CONVERTED)
    return Derivation(how=Making.CAPTURED, vm_id=captured.vm_id, vm_name=captured.vm_name)
